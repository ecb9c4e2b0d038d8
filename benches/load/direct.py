"""The backend as its own contestant: what the machine carries when nobody stands between.

Never asks for a token: it is a reference, and left out of every comparison with the aims.
"""

import shutil

from backend import ANSWER
from contestant import Contestant, Placement
from processes import output_of


def command(placement: Placement) -> list[str]:
    materials = placement.materials
    (placement.folder / "nginx.conf").write_text(f"""
user root; worker_processes 1; daemon off; pid nginx.pid; error_log error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
    access_log off; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout 1h;
    client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    server {{
        listen 127.0.0.1:{placement.plain_port} backlog=4096;
        listen 127.0.0.1:{placement.http2_port} http2 backlog=4096;
        listen 127.0.0.1:{placement.tls_port} ssl http2 backlog=4096;
        ssl_certificate {materials}/tls.crt; ssl_certificate_key {materials}/tls.key;
        location / {{ default_type application/json; return 200 '{ANSWER}'; }}
    }}
}}
""")
    return ["nginx", "-p", str(placement.folder), "-c", "nginx.conf"]


DIRECT = Contestant(
    name="backend",
    note="called directly, with nobody between",
    version=lambda: output_of(["nginx", "-v"]).strip().rpartition("/")[2],
    command=command,
    missing=lambda: None if shutil.which("nginx") else "nginx could not be installed",
    lets_everyone_in=True,
)
