"""The backend behind all contestants: one nginx worker with a short answer, and bodies of two sizes.

Never looks at a request: whatever comes, the same bytes go back.
"""

from pathlib import Path

from contestant import Placement
from processes import Server, free_port

ANSWER = '{"ok":true,"from":"backend"}'
BODIES = {"64k": 64 << 10, "1m": 1 << 20}


class Backend:
    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "files.sock").unlink(missing_ok=True)
        self.port = free_port()
        (folder / "bodies").mkdir(exist_ok=True)
        for name, size in BODIES.items():
            (folder / "bodies" / name).write_bytes(b"y" * size)
        files = f"unix:{folder}/files.sock"
        (folder / "nginx.conf").write_text(f"""
user root; worker_processes 1; daemon off; pid nginx.pid; error_log error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
    access_log off; sendfile on; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout 1h; client_max_body_size 0;
    client_body_temp_path body_temp; proxy_temp_path proxy_temp; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    proxy_http_version 1.1; proxy_buffer_size 16k; proxy_buffers 8 256k; proxy_busy_buffers_size 512k;
    upstream files {{ server {files}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        location / {{ default_type application/json; return 200 '{ANSWER}'; }}
        # the whole body is read before the answer begins: an early answer is another scenario
        location ~ /body/(?<name>[0-9a-z]+)$ {{
            client_body_buffer_size 2m; proxy_max_temp_file_size 0;
            proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header Connection "";
            proxy_pass http://files/$name;
        }}
    }}
    server {{ listen {files}; root {folder}/bodies; default_type application/octet-stream; }}
}}
""")
        self.server = Server(["nginx", "-p", str(folder), "-c", "nginx.conf"], folder)
