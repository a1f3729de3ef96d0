"""How are nginx, haproxy and Envoy told to do the same? Their configurations of a `Plan`; see there for what is what.

One worker each. Whatever they could write to a disk stays in memory, and bodies go through as they come.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
from pathlib import Path
from typing import Any

from .gateway_plan import CHAT, PER_SECOND, STATIC, Plan

__all__ = ["envoy", "haproxy", "nginx"]

FILES = 16_384

NGINX = """\
daemon off;
user {user} {group};
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server_names_hash_max_size 4096;
    limit_req_zone $binary_remote_addr zone=each:1m rate={rate}r/s;
    limit_req_status 429;
    limit_req zone=each burst={rate} nodelay;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Request-ID $request_id;
    proxy_connect_timeout 5s;
    proxy_read_timeout 15s;
    proxy_next_upstream error timeout http_500 http_502 http_503 http_504;
    proxy_next_upstream_tries 2;
    proxy_max_temp_file_size 0;
    proxy_request_buffering off;
{upstreams}
{servers}
    server {{ listen 127.0.0.1:{told}; location /metrics {{ stub_status; }} }}
}}
"""

UPGRADES = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_read_timeout 1h; '


def nginx(plan: Plan, port: int, told: int, folder: Path) -> Path:
    """Writes it; returns where. ``told``: the port that its metrics are to be read at."""
    clusters = {STATIC: list(plan.endpoints), **dict(plan.others.values())}
    upstreams = [
        f"    upstream {name} {{ zone {name} 256k; least_conn; "
        + " ".join(f"server {each} max_fails=5 fail_timeout=10s;" for each in ([at] if isinstance(at, str) else at))
        + " keepalive 64; keepalive_requests 100000000; keepalive_timeout 1h; }"
        for name, at in clusters.items()
    ]
    servers = [
        f"    server {{ listen 127.0.0.1:{port}; server_name {at}; "
        + " ".join(f"location {prefix} {{ proxy_pass http://{STATIC}; }}" for prefix in prefixes)
        + " }"
        for at, prefixes in plan.hosts.items()
    ]
    servers += [
        f"    server {{ listen 127.0.0.1:{port}; server_name {at}; location / {{ {UPGRADES if name == CHAT else ''}"
        f"proxy_pass http://{name}; }} }}"
        for at, (name, _) in plan.others.items()
    ]
    written = folder / "nginx.conf"
    written.write_text(
        NGINX.format(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            group=grp.getgrgid(os.getegid()).gr_name,
            files=FILES,
            connections=FILES - 64,
            folder=folder,
            rate=PER_SECOND,
            upstreams="\n".join(upstreams),
            servers="\n".join(servers),
            told=told,
        ),
        "utf-8",
    )
    return written


HAPROXY = """\
global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    option http-keep-alive
    option redispatch 1
    http-reuse always
    retries 1
    retry-on conn-failure empty-response response-timeout 500 502 503 504
    timeout connect 5s
    timeout client 1h
    timeout server 15s
    timeout http-keep-alive 1h
frontend public
    bind 127.0.0.1:{port}
    option forwardfor
    unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
    unique-id-header X-Request-ID
    stick-table type ip size 100k expire 30s store http_req_rate(1s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {rate} }}
    use_backend %[base,map_beg({folder}/routes.map)]
frontend told
    bind 127.0.0.1:{told}
    http-request use-service prometheus-exporter if {{ path /metrics }}
{backends}
"""


def haproxy(plan: Plan, port: int, told: int, folder: Path) -> Path:
    routes = [f"{at}{prefix} {STATIC}" for at, prefixes in plan.hosts.items() for prefix in prefixes]
    routes += [f"{at} {name}" for at, (name, _) in plan.others.items()]
    (folder / "routes.map").write_text("\n".join(routes) + "\n", "utf-8")
    watched = "    default-server observe layer7 error-limit 5 on-error mark-down check inter 10s"
    backends = [f"backend {STATIC}\n    balance leastconn\n{watched}"]
    backends += [f"    server e{n} {each}" for n, each in enumerate(plan.endpoints)]
    backends += [
        f"backend {name}\n    timeout tunnel 1h\n    server e0 {address}" for name, address in plan.others.values()
    ]
    written = folder / "haproxy.cfg"
    written.write_text(
        HAPROXY.format(
            connections=FILES // 2 - 64,
            port=port,
            told=told,
            rate=PER_SECOND,
            folder=folder,
            backends="\n".join(backends),
        ),
        "utf-8",
    )
    return written


TYPES = "type.googleapis.com/envoy"


def _address(text: str) -> dict[str, Any]:
    at, _, port = text.rpartition(":")
    return {"socket_address": {"address": at, "port_value": int(port)}}


def _cluster(name: str, endpoints: list[str]) -> dict[str, Any]:
    most = {"max_connections": FILES, "max_pending_requests": FILES, "max_requests": FILES, "max_retries": 1024}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "lb_policy": "LEAST_REQUEST",
        "outlier_detection": {},
        "circuit_breakers": {"thresholds": [most]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(each)}} for each in endpoints]}],
        },
    }


def envoy(plan: Plan, port: int, told: int, folder: Path) -> Path:
    others = {"@type": f"{TYPES}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}
    retry = {
        "retry_on": "5xx",
        "num_retries": 1,
        "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": others}],
        "host_selection_retry_max_attempts": 10,
    }
    hosts = [
        {
            "name": at,
            "domains": [at],
            "routes": [
                {"match": {"prefix": prefix}, "route": {"cluster": STATIC, "timeout": "15s", "retry_policy": retry}}
                for prefix in prefixes
            ],
        }
        for at, prefixes in plan.hosts.items()
    ]
    hosts += [
        {
            "name": at,
            "domains": [at],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}],
        }
        for at, (name, _) in plan.others.items()
    ]
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {
        "@type": f"{TYPES}.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": PER_SECOND, "tokens_per_fill": PER_SECOND, "fill_interval": "1s"},
        "filter_enabled": always,
        "filter_enforced": always,
    }
    proxy = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "use_remote_address": True,
        "normalize_path": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"name": "routes", "virtual_hosts": hosts},
        "http_filters": [
            {"name": "envoy.filters.http.local_ratelimit", "typed_config": limit},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"},
            },
        ],
    }
    document = {
        "admin": {"address": _address(f"127.0.0.1:{told}")},
        "static_resources": {
            "listeners": [
                {
                    "name": "public",
                    "address": _address(f"127.0.0.1:{port}"),
                    "filter_chains": [
                        {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": proxy}]}
                    ],
                }
            ],
            "clusters": [
                _cluster(STATIC, list(plan.endpoints)),
                *(_cluster(name, [address]) for name, address in plan.others.values()),
            ],
        },
    }
    written = folder / "envoy.json"
    written.write_text(json.dumps(document), "utf-8")
    return written
