"""HAProxy as a contestant: `jwt_verify`, the claims compared, the consumer key found in a map file.

Never caches a verdict: HAProxy has no cache of tokens.
"""

import shutil
from pathlib import Path

from contestant import Contestant, Placement
from processes import output_of


def consumer_keys(materials: Path, count: int) -> Path:
    path = materials / f"haproxy-{count}.map"
    if not path.exists():
        path.write_text("".join(f"consumer-key-{i} subscribed\n" for i in range(count)))
    return path


def command(placement: Placement) -> list[str]:
    materials = placement.materials
    logs = "log stdout format raw local0\n    option httplog" if placement.peer_logs else ""
    (placement.folder / "haproxy.cfg").write_text(f"""
global
    nbthread {placement.workers}
    # idle clients take one descriptor each: the limit may be too low for two, and is not reached
    maxconn 15000
    no strict-limits
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    timeout connect 2s
    timeout client 10m
    timeout server 30s
    timeout http-keep-alive 10m
    option http-keep-alive
    http-reuse always
    {logs}

frontend clients
    bind 127.0.0.1:{placement.plain_port}
    bind 127.0.0.1:{placement.http2_port} proto h2
    bind 127.0.0.1:{placement.tls_port} ssl crt {materials}/tls.pem alpn h2,http/1.1
    option forwardfor
    use_backend open if {{ path /a/1/open }} or {{ path_beg /a/1/body/ }}
    use_backend protected if {{ path_beg /a/1/x/ }} {{ method GET }}

backend open
    server backend 127.0.0.1:{placement.backend_port}

backend protected
    http-request set-var(txn.bearer) http_auth_bearer
    http-request deny deny_status 401 unless {{ var(txn.bearer) -m found }}
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request set-var(txn.azp) var(txn.bearer),jwt_payload_query('$.azp')
    http-request set-var(txn.scope) var(txn.bearer),jwt_payload_query('$.scope')
    http-request set-var(txn.now) date()
    acl rsa var(txn.alg) -m str RS256
    acl curve var(txn.alg) -m str ES256
    acl rsa_verified var(txn.bearer),jwt_verify(txn.alg,"{materials}/RS256.pub.pem") -m int 1
    acl curve_verified var(txn.bearer),jwt_verify(txn.alg,"{materials}/ES256.pub.pem") -m int 1
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str https://issuer.example }}
    http-request deny deny_status 401 unless {{ var(txn.exp),sub(txn.now) -m int gt 0 }}
    http-request deny deny_status 401 unless rsa or curve
    http-request deny deny_status 401 if rsa !rsa_verified
    http-request deny deny_status 401 if curve !curve_verified
    http-request deny deny_status 403 unless {{ var(txn.azp),map_str({consumer_keys(materials, placement.consumer_keys)}) -m found }}
    http-request deny deny_status 403 unless {{ var(txn.scope) -m sub read }}
    http-request del-header authorization
    server backend 127.0.0.1:{placement.backend_port}
""")
    return ["haproxy", "-db", "-f", "haproxy.cfg"]


HAPROXY = Contestant(
    name="haproxy",
    note="jwt_verify, claims, consumer key in a map file; no cache of tokens",
    version=lambda: output_of(["haproxy", "-v"]).split()[2],
    command=command,
    missing=lambda: None if shutil.which("haproxy") else "haproxy could not be installed",
    logs=("server.log",),
)
