"""What does ``meshkit serve`` begin with? Addresses, workers, TLS, and whatever can be wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from ...upstream.calls import closed_port
from .served import SECONDS, Behind, behind, children, client, mesh_of, served

SERVERS = pytest.mark.parametrize("server", ["uvicorn", "granian"])


@pytest.fixture(scope="module", name="upstream")
def an_upstream() -> Iterator[Behind]:
    with behind() as server:
        yield server


@SERVERS
def test_two_listeners_one_of_them_with_tls_and_a_unix_socket(upstream: Behind, tmp_path: Path, server: str) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    path = tmp_path / "s.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as former:
        former.bind(str(path))  # and left behind
    listeners = "  public: {port: 0, scheme: https}\n  local: {port: 1, routes: [all]}\n"
    file = mesh_of(tmp_path, upstream.port, listeners)
    with served(
        *(file, "--server", server, "--status", "127.0.0.1:0", "--metrics", "--bind", f"local=unix:{path}"),
        *("--certfile", tmp_path / "cert.pem", "--keyfile", tmp_path / "key.pem"),
    ) as gateway:
        secure = gateway.url()
        assert secure.startswith("https://127.0.0.1:")
        found = gateway.line(r"serving local on http on (\S+) \(1 route, 1 cluster\), status on (\S+)$")
        assert found[1] == f"unix:{path}"
        tls = ssl.create_default_context()
        authority.configure_trust(tls)
        with client(secure, tls) as over_tls:
            assert over_tls.get("/a") == (200, f"{os.getpid()} /a".encode())
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
        with client(str(path)) as local:
            assert local.get("/b") == (200, f"{os.getpid()} /b".encode())
            assert local.get("/readyz") == (200, b"ok\n")
        with client(found[2]) as status:
            assert status.get("/healthz") == (200, b"ok\n")
            code, text = status.get("/metrics")
            assert code == 200
            assert b'{outcome="success",pipeline="shop local"} 1.0' in text
        assert gateway.end(signal.SIGTERM) == 0
        assert not path.exists()
    assert len(gateway.said) == 2


def test_without_what_makes_it_quick(upstream: Behind, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    file = mesh_of(tmp_path, upstream.port)
    with served(
        *(file, "--no-status", "--bind", "127.0.0.1:0", "--bind", f"unix:{path}", "--health", "/live"),
        *("--ready", "none"),
        without=("uvloop", "httptools"),
    ) as gateway:
        with client(gateway.url()) as asking:
            assert asking.get("/a")[0] == 200
        gateway.url()
        with client(str(path)) as asking:
            assert asking.get("/live") == (200, b"ok\n")
            for path in ("/healthz", "/readyz"):
                assert asking.get(path) == (200, f"{os.getpid()} {path}".encode())
        assert gateway.end(signal.SIGTERM) == 0
    assert "answers are parsed by h11" in gateway.said[0]
    assert len(gateway.said) == 3


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@SERVERS
def test_several_workers(upstream: Behind, tmp_path: Path, server: str) -> None:
    with served(mesh_of(tmp_path, upstream.port), "--server", server, "--workers", 2, "--no-status") as gateway:
        found = gateway.line(r"serving public on (\S+) \(1 route, 1 cluster\), 2 workers$")
        workers = children(gateway.process.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        gateway.line(r"worker [12] ended by signal 9: it is started again in 0.1 s")
        for _ in range(4):  # the connection goes to whichever takes it
            with client(found[1]) as asking:
                assert asking.get("/x")[0] == 200
        gateway.process.send_signal(signal.SIGHUP)
        os.killpg(gateway.process.pid, signal.SIGTERM)  # as systemd does
        assert gateway.end() == 0, gateway.output


def test_nobody_need_hear_what_is_said(upstream: Behind, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    file = mesh_of(tmp_path, upstream.port)
    command = 'exec "$0" -m meshkit serve "$1" --workers 2 --no-status --bind "unix:$2" >&- 2>&-'
    with subprocess.Popen(["sh", "-c", command, sys.executable, str(file), str(path)]) as process:
        try:
            for _ in range(2):  # before it listens there is nobody, and it does not say that it does
                while not _answers(path):
                    assert process.poll() is None
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def _answers(path: Path) -> bool:
    with contextlib.suppress(OSError), client(str(path)) as asking:
        return asking.get("/x")[0] == 200
    return False


def test_each_worker_has_a_page_that_links_to_the_others(upstream: Behind, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        first = _two_free(stack)
    file = mesh_of(tmp_path, upstream.port)
    status_page = ("--status", f"127.0.0.1:{first}", "--status-name", "shop-gateway.shop.svc")
    with served(file, "--workers", 2, *status_page) as gateway:
        gateway.url()
        for port, other in ((first, first + 1), (first + 1, first)):
            with client(f"http://127.0.0.1:{port}") as asking:
                status, body = asking.get("/status.json")
            assert status == 200
            assert f"http://127.0.0.1:{other}" in body.decode()
        with client(f"http://127.0.0.1:{first}") as asking:
            for host, code in (("shop-gateway.shop.svc:9901", 200), ("elsewhere.example", 421)):
                asking.request("GET", "/", headers={"host": host})
                answer = asking.getresponse()
                answer.read()
                assert answer.status == code
        assert gateway.end(signal.SIGINT) == 0


def _two_free(stack: contextlib.ExitStack) -> int:
    """A port that is free, as is the next one."""
    while True:
        one = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = int(one.getsockname()[1])
        with contextlib.suppress(OSError, OverflowError):
            stack.enter_context(socket.create_server(("127.0.0.1", port + 1)))
            return port


def test_an_address_that_is_taken_is_said_plainly(upstream: Behind, tmp_path: Path) -> None:
    file = mesh_of(tmp_path, upstream.port)
    with served(file, "--no-status", "--bind", f"127.0.0.1:{upstream.port}") as gateway:
        assert gateway.end() == 1
    assert gateway.output == f"meshkit: public: 127.0.0.1:{upstream.port}: another program listens there"


def test_all_mistakes_of_a_file_are_told(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("mesh: shop\nroutes:\n- {match: {prefix: /}, to: nobody}\n- {match: {prefx: /}, to: nobody}\n")
    with served(file) as gateway:
        assert gateway.end() == 1
    assert "mesh.yaml:3:" in gateway.output
    assert "did you mean prefix" in gateway.output
    assert gateway.output.splitlines()[-1].endswith("mesh.yaml: 3 mistakes")


def test_a_head_that_does_not_come_is_not_waited_for(upstream: Behind, tmp_path: Path) -> None:
    file = mesh_of(tmp_path, upstream.port)
    with served(file, "--no-status", "--head", "200ms") as gateway:
        host, _, port = gateway.url().removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), SECONDS) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
            answer = slow.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_workers_that_do_not_start_end_the_server(upstream: Behind, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from meshkit.gateway import serve\n"
        "from meshkit.gateway.server import workers\n"
        "def fails(*given, **more): raise RuntimeError('no way')\n"
        "workers.run = fails\n"
        "try: serve(sys.argv[1], workers=2, status=None, bind='127.0.0.1:0')\n"
        "except RuntimeError as error: print(error)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(mesh_of(tmp_path, upstream.port))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout in {f"worker {number} does not start: it ended with status 1\n" for number in (1, 2)}
    assert "RuntimeError: no way" in done.stderr


@SERVERS
def test_the_logs(tmp_path: Path, server: str) -> None:
    access = tmp_path / "access.log"
    file = mesh_of(tmp_path, closed_port())
    options = ("--no-status", "--server", server, "--access-log", access, "--access-format", "json")
    with served(file, *options) as gateway:
        with client(gateway.url()) as asking:
            assert asking.get("/a?token=secret")[0] == 502
        gateway.line(r"WARNING \S+ public: GET /a by route all failed with 502 in .+: connection refused$")
        assert gateway.end(signal.SIGTERM) == 0
    [line] = access.read_text().splitlines()
    told = json.loads(line)
    assert (told["path"], told["status"], told["route"]) == ("/a?*", 502, "all")


@SERVERS
def test_a_websocket_that_is_refused_is_no_news(upstream: Behind, tmp_path: Path, server: str) -> None:
    file = mesh_of(tmp_path, upstream.port)
    file.write_text(file.read_text().replace("prefix: /}", "prefix: /chat}\n  actions: [websocket: {}]"))
    with served(file, "--no-status", "--quiet", "--server", server) as gateway:
        url = gateway.url().replace("http", "ws")
        for path, status in (("/nowhere", 404), ("/chat", 200)):
            with pytest.raises(InvalidStatus) as caught:
                connect(url + path, open_timeout=SECONDS)
            assert caught.value.response.status_code == status
        assert gateway.end(signal.SIGTERM) == 0
    assert len(gateway.said) == 1
