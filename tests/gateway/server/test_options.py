"""What is said to a server that cannot be meant? All of it before anything is opened."""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from meshkit.cluster import Cluster
from meshkit.config import Listener, Mesh
from meshkit.errors import ConfigError
from meshkit.gateway import serve
from meshkit.gateway.server import Limits
from meshkit.gateway.server.log import Once, Sparing, is_news
from meshkit.route import Match, Route

UP = Cluster("up", ["http://127.0.0.1:1"])
BOTH = (Listener("public", port=8080), Listener("local", port=8081))


def mesh(*listeners: Listener) -> Mesh:
    return Mesh(clusters=[UP], routes=[Route(Match(host="a"), UP)], listeners=listeners)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"server": "gunicorn"}, "server='gunicorn'"),
        ({"workers": 0}, "workers=0"),
        ({"status": ""}, "status=''"),
        ({"drain": -1}, "drain=-1"),
        ({"listeners": "nobody"}, "there is no such listener: give one of public, local"),
        ({"bind": "127.0.0.1:80"}, "say which listener it is for, of public, local"),
        ({"bind": "public=nonsense"}, "write 127.0.0.1:8080"),
        ({"bind": "public=127.0.0.1:0", "status": "nonsense"}, "write 127.0.0.1:8080"),
        ({"bind": "pubic=127.0.0.1:0"}, "there is no listener pubic that is served: did you mean public?"),
        ({"server": "granian", "limits": Limits(body=3)}, "Limits: body=3: granian has no such limit"),
        ({"server": "granian", "ws_ping": 3}, "ws_ping=3: granian has no such limit"),
        ({"bind": ["public=127.0.0.1:0"] * 2 + ["local=127.0.0.1:0"]}, "bind='127.0.0.1:0': it is there twice"),
        ({"bind": 5}, "bind=5: give texts"),
        ({"listeners": None}, "listeners=None: give texts"),
        ({"limits": None}, "limits=None: give Limits"),
        ({"gateway": {"listener": "public"}}, "gateway='listener': give options of a Gateway"),
        ({"hosts": ["a b"]}, "hosts='a b'"),
        ({"keyfile": "key.pem"}, "give the certificate that the key is of"),
        ({"certfile": "cert.pem"}, "no listener that is served has scheme https"),
        ({"node": "web"}, "the mesh has been made as one"),
        ({"gateway": {"idle": 0}}, "idle=0"),
    ],
)
def test_what_cannot_be_meant(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        serve(mesh(*BOTH), **options)
    assert said in str(caught.value)


def test_listeners_that_cannot_be_told_apart() -> None:
    with pytest.raises(ConfigError, match="public has port 8080 as well"):
        serve(mesh(BOTH[0], Listener("local", port=8080, address="127.0.0.2")))


def test_https_needs_a_certificate(tmp_path: Path) -> None:
    secure = Listener("public", port=0, scheme="https")
    with pytest.raises(ConfigError, match="public has scheme https: give a certificate"):
        serve(mesh(secure))
    with pytest.raises(ConfigError, match="there is no such file"):
        serve(mesh(secure), certfile=str(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("server", "missing", "extra"),
    [("uvicorn", "uvicorn", "gateway"), ("uvicorn", "websockets", "gateway"), ("granian", "granian", "granian")],
)
def test_what_is_not_installed(server: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "meshkit.gateway.server.options.find_spec", lambda name: None if name == missing else found(name)
    )
    with pytest.raises(ConfigError) as caught:
        serve(mesh(*BOTH), server=server)
    assert str(caught.value) == f"meshkit serve: {server} needs {missing}: pip install 'meshkit[{extra}]'"


def test_limits_are_looked_at_often_enough() -> None:
    assert Limits().tick == 0.5
    assert Limits(head=0.2).tick == pytest.approx(0.05)
    with pytest.raises(ConfigError, match="head=0"):
        Limits(head=0)


def test_the_same_trouble_is_written_once() -> None:
    sparing = Sparing(pause=1000)

    def record(error: type[Exception] | None) -> logging.LogRecord:
        given: Any = None
        if error is not None:
            try:
                raise error
            except error:
                given = sys.exc_info()
        return logging.LogRecord("meshkit", logging.ERROR, "x.py", 1, "trouble %s", ("here",), given)

    assert [sparing.filter(record(each)) for each in (ValueError, ValueError, KeyError, ValueError)] == [
        True,
        False,
        True,
        False,
    ]
    assert sparing.filter(record(None))
    sparing._pause = 0
    last = record(ValueError)
    assert sparing.filter(last)
    assert last.getMessage() == "trouble here (and 2 more like it)"


def test_no_worker_tells_of_the_file() -> None:
    once = Once()
    assert not once.filter(logging.LogRecord("meshkit", logging.INFO, "x.py", 1, "mesh %s: %s", (), None))
    assert once.filter(logging.LogRecord("meshkit", logging.INFO, "x.py", 1, "gateway: %s", (), None))


def test_what_any_client_can_do_is_no_news() -> None:
    def record(said: str) -> logging.LogRecord:
        return logging.LogRecord("uvicorn.error", logging.ERROR, "x.py", 1, said, (), None)

    assert not is_news(record("ASGI callable returned without completing handshake."))
    assert is_news(record("Exception in ASGI application\n"))


@pytest.mark.parametrize("workers", [1, 2])
def test_signals_are_heard_in_the_main_thread(workers: int) -> None:
    caught: list[Exception] = []

    def run() -> None:
        try:
            serve(mesh(Listener("public", port=0)), workers=workers, status=None, bind="127.0.0.1:0")
        except ConfigError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30.0)
    assert [str(each) for each in caught] == ["serve: signals are heard in the main thread only: call it there"]
