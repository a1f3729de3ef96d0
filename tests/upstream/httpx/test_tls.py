"""Whom does the client believe over TLS, and under which name does it ask?

Behaviours of httpx's page on SSL and of the extension ``sni_hostname``. The certificates are made for this run.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from .authority import Authority
from .sides import Side
from .stand_ins import CLOSE, OK, Origin, Peer, always, says


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.serving("127.0.0.1", "localhost")


async def failure(side: Side, url: str, **options: Any) -> Any:
    """The exception of a request that must not come through."""
    async with side.client(side.transport(**options)) as client:
        with pytest.raises(side.lib.TransportError) as raised:
            await client.get(url)
    assert str(raised.value.request.url) == url
    return raised.value


async def test_a_context_that_trusts_the_authority(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    async with Origin(tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        for _ in range(3):
            response = await client.get(origin.url + "/a")
            assert (response.status_code, response.content, response.http_version) == (200, b"ok", "HTTP/1.1")
    assert origin.connections == 1
    assert origin.asked[0].target == b"/a"


async def test_a_large_body_both_ways(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    body = bytes(range(256)) * 8192

    async def echoes(origin: Origin, peer: Peer) -> None:
        asked = await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(asked.body) + asked.body)
        await peer.gone()  # uvloop loses what it has not delivered yet when a peer leaves without taking leave

    async with Origin(echoes, tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        assert (await client.post(origin.url, content=body)).content == body


async def test_an_unknown_authority(side: Side, tls: ssl.SSLContext) -> None:
    async with Origin(tls=tls) as origin:
        error = await failure(side, origin.url)
    assert type(error) is side.lib.ConnectError
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert origin.asked == []


async def test_another_name(side: Side, authority: Authority) -> None:
    async with Origin(tls=authority.serving("elsewhere.example")) as origin:
        error = await failure(side, origin.url, verify=authority.trusting())
    assert type(error) is side.lib.ConnectError
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert origin.asked == []


async def test_without_verification(side: Side, authority: Authority) -> None:
    tls = authority.serving("elsewhere.example")
    async with Origin(tls=tls) as origin, side.client(side.transport(verify=False)) as client:
        assert (await client.get(origin.url)).content == b"ok"


async def test_http_to_one_who_speaks_tls(side: Side, tls: ssl.SSLContext) -> None:
    async with Origin(tls=tls) as origin:
        error = await failure(side, origin.url.replace("https:", "http:"))
    assert isinstance(error, side.lib.RemoteProtocolError | side.lib.ReadError)


# The name.


async def test_the_host_is_asked_for(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    async with Origin(tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        await client.get(f"https://localhost:{origin.port}")
        await client.get(f"https://127.0.0.1:{origin.port}")
    assert origin.names == ["localhost", None]


async def test_sni_hostname(side: Side, authority: Authority) -> None:
    """It names whom to ask for and whom to believe; Host is another matter."""
    tls = authority.serving("a.example")
    async with Origin(tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        extensions = {"sni_hostname": "a.example"}
        response = await client.get(origin.url, extensions=extensions, headers={"Host": "b.example"})
        assert response.content == b"ok"
    assert origin.names == ["a.example"]
    assert origin.asked[0].values(b"host") == [b"b.example"]


async def test_a_wrong_sni_hostname(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    async with Origin(tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        with pytest.raises(side.lib.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(origin.url, extensions={"sni_hostname": "a.example"})


async def test_connections_of_other_names_are_not_shared(side: Side, authority: Authority) -> None:
    """The library hands a connection that was verified for one name to whoever asks for another."""
    tls = authority.serving("a.example", "b.example", "127.0.0.1")
    async with Origin(tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        for name in ["a.example", "b.example", "a.example", None]:
            extensions = {} if name is None else {"sni_hostname": name}
            assert (await client.get(origin.url, extensions=extensions)).content == b"ok"
    assert origin.names == side.of(["a.example"], ["a.example", "b.example", None])


async def test_a_name_with_a_dot_at_its_end(side: Side, authority: Authority, tmp_path: Path) -> None:
    """It is the same name, and no certificate writes it so; see httpx's issue #1063."""
    path = tmp_path / "socket"
    async with Origin(tls=authority.serving("a.example"), path=path) as origin:
        async with side.client(side.transport(verify=authority.trusting(), uds=str(path))) as client:
            try:
                outcome = (await client.get("https://a.example./")).content
            except side.lib.ConnectError:
                outcome = None
        await origin.quiet()
    assert outcome == side.of(None, b"ok")


async def test_alpn_offers_http_1_1(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    tls.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        Origin(tls=tls) as origin,
        side.client(side.transport(verify=authority.trusting())) as client,
        client.stream("GET", origin.url) as response,
    ):
        assert response.extensions["network_stream"].get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert response.http_version == "HTTP/1.1"


# Certificates of clients, and where trust comes from.


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> dict[str, str]:
    mine = authority.ca.issue_cert("client@example.org")
    paths = {name: tmp_path / f"{name}.pem" for name in ["both", "cert", "key", "authority"]}
    mine.private_key_and_cert_chain_pem.write_to_path(paths["both"])
    mine.cert_chain_pems[0].write_to_path(paths["cert"])
    mine.private_key_pem.write_to_path(paths["key"])
    authority.ca.cert_pem.write_to_path(paths["authority"])
    return {name: str(path) for name, path in paths.items()}


@pytest.fixture
def mutual(tls: ssl.SSLContext, authority: Authority) -> ssl.SSLContext:
    authority.ca.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    return tls


async def test_a_client_certificate_in_the_context(
    side: Side, mutual: ssl.SSLContext, authority: Authority, files: dict[str, str]
) -> None:
    context = authority.trusting()
    context.load_cert_chain(files["both"])
    async with Origin(tls=mutual) as origin, side.client(side.transport(verify=context)) as client:
        assert (await client.get(origin.url)).content == b"ok"


@pytest.mark.parametrize("names", [["both"], ["cert", "key"]])
async def test_a_client_certificate_from_files(
    side: Side, mutual: ssl.SSLContext, authority: Authority, files: dict[str, str], names: list[str]
) -> None:
    paths = tuple(files[name] for name in names)
    with pytest.warns(DeprecationWarning, match="cert"):
        transport = side.transport(verify=authority.trusting(), cert=paths if len(paths) > 1 else paths[0])
    async with Origin(tls=mutual) as origin, side.client(transport) as client:
        assert (await client.get(origin.url)).content == b"ok"


async def test_no_client_certificate(side: Side, mutual: ssl.SSLContext, authority: Authority) -> None:
    """With TLS 1.3 the client learns of it only when it reads."""
    async with Origin(tls=mutual) as origin:
        error = await failure(side, origin.url, verify=authority.trusting())
    assert isinstance(error, side.lib.NetworkError | side.lib.RemoteProtocolError)
    assert origin.asked == []


async def test_a_file_of_authorities(side: Side, tls: ssl.SSLContext, files: dict[str, str]) -> None:
    with pytest.warns(DeprecationWarning, match="verify"):
        transport = side.transport(verify=files["authority"])
    async with Origin(tls=tls) as origin, side.client(transport) as client:
        assert (await client.get(origin.url)).content == b"ok"


@pytest.mark.parametrize("trust_env", [True, False])
async def test_ssl_cert_file(
    side: Side, tls: ssl.SSLContext, files: dict[str, str], trust_env: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", files["authority"])
    transport = side.transport(verify=True, trust_env=trust_env)
    async with Origin(tls=tls) as origin, side.client(transport) as client:
        if trust_env:
            assert (await client.get(origin.url)).content == b"ok"
        else:
            with pytest.raises(side.lib.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(origin.url)


# What ends a connection.


async def test_a_body_until_the_end_of_a_connection(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    async def ends(origin: Origin, peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        if peer.number == 0:
            await peer.stream.unwrap()  # type: ignore[attr-defined]

    async with Origin(ends, tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        assert (await client.get(origin.url)).content == b"all of it"


async def test_an_idle_connection_that_the_server_closed(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    play = says((OK, CLOSE)), always()
    async with Origin(*play, tls=tls) as origin, side.client(side.transport(verify=authority.trusting())) as client:
        assert (await client.get(origin.url)).content == b"ok"
        await origin.quiet()
        assert (await client.get(origin.url)).content == b"ok"
    assert origin.connections == 2


async def test_closing_early(side: Side, tls: ssl.SSLContext, authority: Authority) -> None:
    async with Origin(says((OK[:-1],), OK), always(), tls=tls) as origin:
        async with side.client(side.transport(verify=authority.trusting())) as client:
            async with client.stream("GET", origin.url) as response:
                assert response.status_code == 200
            assert (await client.get(origin.url)).content == b"ok"
        await origin.quiet()
    assert origin.connections == 2
