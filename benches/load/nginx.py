"""nginx as a contestant: tokens verified by njs in a subrequest, the consumer key found in a map.

Never caches a verdict: each request has a new njs machine.
"""

import re
import shutil
from pathlib import Path

from contestant import Contestant, Placement
from processes import output_of

MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")
HERE = Path(__file__).resolve().parent


def consumer_keys(materials: Path, count: int) -> Path:
    path = materials / f"nginx-{count}.map"
    if not path.exists():
        path.write_text("".join(f"consumer-key-{i} 1;\n" for i in range(count)))
    return path


def pem_body(path: Path) -> str:
    return "".join(line for line in path.read_text().splitlines() if not line.startswith("-"))


def command(placement: Placement) -> list[str]:
    materials, count = placement.materials, placement.consumer_keys
    script = (HERE / "nginx_verify.js").read_text()
    for algorithm in ("RS256", "ES256"):
        script = script.replace(f"@{algorithm}@", pem_body(materials / f"{algorithm}.pub.pem"))
    (placement.folder / "verify.js").write_text(script)
    (placement.folder / "nginx.conf").write_text(f"""
load_module {MODULE};
user root; worker_processes {placement.workers}; daemon off; pid nginx.pid; error_log error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 12288; }}
http {{
    access_log {'access.log' if placement.peer_logs else 'off'}; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout 10m;
    client_max_body_size 0; client_body_temp_path body_temp; proxy_temp_path proxy_temp;
    fastcgi_temp_path fastcgi_temp; uwsgi_temp_path uwsgi_temp; scgi_temp_path scgi_temp;
    map_hash_max_size {max(2048, count * 2)}; map_hash_bucket_size 128;
    js_import verify.js;
    js_var $consumer_key;
    map $consumer_key $subscribed {{ volatile; default 0; include {consumer_keys(materials, count)}; }}
    upstream backend {{ server 127.0.0.1:{placement.backend_port}; keepalive 256; keepalive_requests 1000000000; }}
    proxy_http_version 1.1; proxy_request_buffering off; proxy_max_temp_file_size 0;
    proxy_set_header Connection ""; proxy_set_header Authorization ""; proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    server {{
        listen 127.0.0.1:{placement.plain_port} backlog=4096;
        listen 127.0.0.1:{placement.tls_port} ssl http2 backlog=4096;
        ssl_certificate {materials}/tls.crt; ssl_certificate_key {materials}/tls.key; ssl_protocols TLSv1.2 TLSv1.3;
        location = /a/1/open {{ proxy_pass http://backend; }}
        location /a/1/body/ {{ proxy_pass http://backend; }}
        location /a/1/x/ {{ auth_request /verify; proxy_pass http://backend; }}
        location = /verify {{ internal; js_content verify.verify; }}
        location / {{ return 404; }}
    }}
}}
""")
    return ["nginx", "-p", str(placement.folder), "-c", "nginx.conf"]


def version() -> str:
    return re.search(r"nginx/(\S+)", output_of(["nginx", "-v"])).group(1)


def missing() -> str | None:
    if not shutil.which("nginx"):
        return "nginx could not be installed"
    return None if MODULE.exists() else "its module njs could not be installed"


NGINX = Contestant(
    name="nginx",
    note="njs in a subrequest, consumer key in a map; no cache of tokens",
    version=version,
    command=command,
    missing=missing,
    logs=("access.log", "error.log"),
)
