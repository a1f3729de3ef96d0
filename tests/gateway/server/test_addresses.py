"""Where can be listened, and what is said where it cannot be?"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshkit.config import Listener, loads
from meshkit.errors import ConfigError
from meshkit.gateway.server.addresses import Bound, opened

LISTENER = Listener("public")


@contextlib.contextmanager
def at(text: str, **more: int) -> Iterator[Bound]:
    bound = opened(LISTENER, text, 16, **more)
    try:
        yield bound
    finally:
        bound.close(remove=True)


def test_any_port_that_is_free() -> None:
    with at("127.0.0.1:0") as bound:
        port = bound.socket.getsockname()[1]
        assert bound.url == f"http://127.0.0.1:{port}"
        assert bound.server == ("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
        with pytest.raises(OSError, match=rf"^public: 127.0.0.1:{port}: another program listens there$"):
            opened(LISTENER, f"127.0.0.1:{port}", 16)
        if port < 65535:
            with contextlib.suppress(OSError), at(f"127.0.0.1:{port}", ahead=1) as further:
                assert further.socket.getsockname()[1] == port + 1


def test_both_kinds_of_address_at_once() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with at("[::]:0") as bound:
        port = bound.socket.getsockname()[1]
        assert bound.url == f"http://[::]:{port}"
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as client:
                client.connect((host, port))


def test_a_name_and_no_name() -> None:
    with at("localhost:0") as named, at(":0") as unnamed:
        assert named.socket.getsockname()[0] == "127.0.0.1"
        assert unnamed.socket.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("text", ["8080", "127.0.0.1", "::1:8080", "127.0.0.1:65536", "http://127.0.0.1:80", "a b"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write 127\.0\.0\.1:8080"):
        opened(LISTENER, text, 16)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match="this machine has no such address"):
        opened(LISTENER, "192.0.2.1:8080", 16)


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    mask = os.umask(0o027)
    try:
        with at(f"unix:{path}") as bound:
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
            assert (bound.url, bound.server) == (f"http on unix:{path}", (str(path), None))
            with pytest.raises(OSError, match="another program listens there"):
                opened(LISTENER, f"unix:{path}", 16)
            assert path.exists()
        assert not path.exists()
    finally:
        os.umask(mask)


def test_what_was_left_behind_is_removed_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    opened(LISTENER, f"unix:{path}", 16).close()
    assert path.exists()
    with at(f"unix:{path}") as bound:
        bound.socket.close()
        path.unlink()
        path.write_text("somebody's")
    assert path.read_text() == "somebody's"
    with pytest.raises(OSError, match="there is another file"):
        opened(LISTENER, f"unix:{path}", 16)
    assert path.read_text() == "somebody's"
    with pytest.raises(OSError, match="No such file"):
        opened(LISTENER, f"unix:{tmp_path}/none/s.sock", 16)


def test_a_mesh_file_may_name_one() -> None:
    spec = loads("mesh: shop\nlisteners: {local: {address: 'unix:/run/shop.sock'}}\n", "mesh.yaml")
    assert spec.listener("local").address == "unix:/run/shop.sock"
