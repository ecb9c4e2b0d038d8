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
        self.port = free_port()
        for prefix in ("body", "a/1/body"):
            (folder / prefix).mkdir(parents=True, exist_ok=True)
            for name, size in BODIES.items():
                (folder / prefix / name).write_bytes(b"y" * size)
        (folder / "nginx.conf").write_text(f"""
user root; worker_processes 1; daemon off; pid nginx.pid; error_log error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
    access_log off; sendfile on; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout 1h; client_max_body_size 0;
    client_body_temp_path body_temp; proxy_temp_path proxy_temp; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        root {folder};
        location / {{ default_type application/json; return 200 '{ANSWER}'; }}
        # a file is the answer to POST as well
        location ~ /body/ {{ default_type application/octet-stream; error_page 405 =200 $uri; }}
    }}
}}
""")
        self.server = Server(["nginx", "-p", str(folder), "-c", "nginx.conf"], folder)
