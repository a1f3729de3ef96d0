"""How is a request parsed quickly, and strictly? By llhttp through httptools, and by what `heads` has besides.

llhttp tells neither where a head begins nor how long it is. So bytes are counted as they come, and looked at closer
only where there are more than a head may have; a line that it would take, though it is not quite HTTP/1.1 (two blanks,
an empty line of a bare LF, ``RTSP/1.0``), is found where a head begins with what is read, which is nearly always.

It takes a request with ``Upgrade`` to end with its head. Where it is not to WebSocket it is a request like any other,
and its body is read by a second parser, which is told of the length only: else it would be taken for another request.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from .connection import BUSY, DEAF, HEAD, Connection
from .heads import FIELDS, LINE, SIZE, TARGET, Refused, absolute, is_host, odd, size
from .parser import BROKEN, CALLED, METHOD, QUICK, SWITCHED
from .scope import scope_of
from .turn import Turn

__all__ = ["HttpConnection"]

NOTED: Final = frozenset({b"host", b"transfer-encoding", b"content-length", b"expect", b"upgrade", b"connection"})
VERSIONS: Final = frozenset({"1.1", "1.0"})
METHODS: Final = {each: each.decode("ascii") for each in (b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS")}
BLANK: Final = b" \t"


class HttpConnection(Connection):
    """One connection; see `Connection`."""

    __slots__ = (
        "_behind", "_came", "_expects", "_fed", "_feed", "_headers", "_host", "_idle_bytes", "_inside",
        "_length", "_moved", "_parser", "_tokens", "_told", "_trailers", "_upgrade", "_url",
    )  # fmt: skip

    def __init__(self, *given: Any, parse: Any = QUICK, **more: Any) -> None:
        super().__init__(*given, **more)
        parser = parse(self)
        self._parser: Any = parser
        self._feed: Any = parser.feed_data
        self._inside = False
        """Whether the beginning of a head was parsed, and not its end."""
        self._fed = self._came = 0
        """Bytes that came in the midst of a head; and those that came just now."""
        self._idle_bytes = 0
        """Bytes of a body in chunks that were no body, in a row."""
        self._moved = False
        self._trailers = False
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._host: bytes | None = None
        self._length = b""
        """What the head says of a body."""
        self._behind = False
        """Whether it comes behind an upgrade that is none, where llhttp takes no body to be."""
        self._expects = False
        self._upgrade = b""
        self._tokens = b""

    @property
    def upgrades(self) -> bool:
        """Whether the head that was read is that of a handshake."""
        return bool(self._upgrade)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._told = scope_of(self)

    def in_head(self) -> bool:
        return self._inside

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._close()

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        if phase == DEAF:
            return
        try:
            if phase != HEAD:  # whose first byte counts
                self.since = self.sweep.now
                if phase != BUSY:
                    self.phase = HEAD
                    if LINE.match(data) is None:
                        odd(data)
            self._parse(data)
        except Refused as error:
            self.refuse(error)

    def _parse(self, data: bytes) -> None:
        self._moved = False
        self._came = len(data)
        feed = self._feed
        while True:
            try:
                feed(data)
            except SWITCHED as upgrade:
                data = data[upgrade.args[0] :]
                if self._upgrade:
                    self._switch(data)
                    return
                if self._behind:
                    feed = self._body_behind()
                if data:
                    continue
            except BROKEN as error:
                self._broken(error, data)
            break
        if self._inside:
            self._fed += len(data)
            if self._fed > SIZE:
                raise Refused(431, "The head of the request is too long.")
        elif not self._moved:
            self._idle_bytes += len(data)
            if self._idle_bytes > SIZE and self.phase == BUSY:
                raise Refused(400, "The chunks of the request's body have too much beside it.")

    def _broken(self, error: Exception, data: bytes) -> None:
        """Raises why, in our words."""
        turn = self.queue[-1] if self.queue else self.turn
        if turn is not None and not turn.more and not turn.keep_alive and not self._inside:
            self.phase = DEAF  # a byte after the last request: it was said that none would come
            return
        cause = error.__context__ if isinstance(error, CALLED) else None
        if isinstance(cause, Refused):
            raise cause from None
        if cause is not None:
            raise cause
        if isinstance(error, METHOD) and LINE.match(data):
            raise Refused(501, "The method of the request is not known here.") from None
        raise Refused(400, f"The request is malformed: {error}.") from None

    # What httptools tells.

    def on_message_begin(self) -> None:
        self._inside = True
        self._url = b""
        self._headers = []
        self._host = None
        self._expects = self._trailers = self._behind = False
        self._length = self._upgrade = self._tokens = b""
        self._fed = self._idle_bytes = 0

    def on_url(self, part: bytes) -> None:
        self._url += part
        if len(self._url) > TARGET:
            raise Refused(414, "The target of the request is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.rstrip(BLANK)
        if name in NOTED:
            self._note(name, value)
        self._headers.append((name, value))

    def _note(self, name: bytes, value: bytes) -> None:
        if self._trailers:
            return
        if name == b"host":
            if self._host is not None:
                raise Refused(400, "The request has two Hosts.")
            if not is_host(value):
                raise Refused(400, "The Host of the request is no host.")
            self._host = value
        elif name == b"connection":
            self._tokens += b"," + value.lower()
        elif name == b"upgrade":
            self._upgrade = value.lower()
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise Refused(417, "Nothing but 100-continue can be expected here.")
            self._expects = True
        else:
            self._length = b"%b: %b" % (name, value)
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                raise Refused(400, "A body in another coding than chunked cannot be decoded here.")

    def on_headers_complete(self) -> None:
        parser = self._parser
        headers = self._headers
        self._inside = False
        self._trailers = True
        self._headers = []
        version = parser.get_http_version()
        if version not in VERSIONS:
            raise Refused(505, "Requests are taken in HTTP/1.1 and HTTP/1.0.")
        if len(headers) > FIELDS or (self._fed + self._came > SIZE and size(headers) > SIZE):
            raise Refused(431, "The head of the request has too many fields.")
        host = self._host
        found = parser.get_method()
        method = METHODS.get(found)
        if method is None:
            if found == b"CONNECT":
                raise Refused(501, "This is no proxy that connects.")
            method = found.decode("ascii")
        url = self._url
        newer = version == "1.1"
        if newer:
            if host is None:
                raise Refused(400, "The request has no Host.")
        elif self._length.startswith(b"t"):
            raise Refused(400, "There are no chunks in HTTP/1.0.")
        if url[0] == 47:  # a path
            raw, _, query = url.partition(b"?")
        elif url == b"*" and method == "OPTIONS":
            raw, query = url, b""
        else:
            raw, query = absolute(url, host)
        if b"#" in url:
            raise Refused(400, "The target of the request has a fragment.")
        path = raw.decode("ascii")
        if self._upgrade:
            self._upgrading(method, newer=newer)
            if self._upgrade:
                self._headers = headers
                self._url = b"%b?%b" % (raw, query) if query else raw
                return
            self._behind = bool(self._length) and parser.should_upgrade()
        scope = self._told.copy()
        scope["state"] = self.app_state.copy()
        scope["http_version"] = version
        scope["method"] = method
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw
        scope["query_string"] = query
        scope["headers"] = headers
        stays = newer and parser.should_keep_alive() and not self._behind
        self.begin(Turn(scope, self, keep_alive=stays, expects=newer and self._expects))

    def _upgrading(self, method: str, *, newer: bool) -> None:
        """Forget an upgrade that is not to WebSocket: the request is answered as it is (RFC 9110, 7.8)."""
        tokens = [each.strip() for each in self._tokens.split(b",")]
        known = self._upgrade == b"websocket" and self.config.ws_protocol_class is not None
        if not (known and b"upgrade" in tokens and newer and method == "GET"):
            self._upgrade = b""
        elif self._length:
            raise Refused(400, "A handshake has no body.")
        elif self.turn is not None:
            raise Refused(400, "A handshake came before the last request was answered.")

    def on_body(self, part: bytes) -> None:
        self._moved = True
        self._idle_bytes = 0
        self.body(part)

    def on_message_complete(self) -> None:
        self._moved = True
        if not (self._upgrade or self._behind):
            self.bodied()

    def _body_behind(self) -> Any:
        """What reads it, and nothing after it."""
        self._behind = False
        parser = self._parser = QUICK(Rest(self))
        self._feed = parser.feed_data
        parser.feed_data(b"POST / HTTP/1.1\r\nconnection: close\r\n%b\r\n\r\n" % self._length)
        return self._feed

    def _switch(self, rest: bytes) -> None:
        """Hand the connection over to what speaks WebSocket, which is told the head of the handshake."""
        if rest:
            raise Refused(400, "Bytes came before the handshake was answered.")
        lines = [b"GET %b HTTP/1.1" % self._url, *(b"%b: %b" % each for each in self._headers), b"", b""]
        self._close()
        self.connections.discard(self)
        self.sweep.discard(self)
        socket = self.config.ws_protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        socket.connection_made(self.transport)
        socket.server = self.server
        socket.data_received(b"\r\n".join(lines))
        self.transport.set_protocol(socket)

    def _close(self) -> None:
        self._parser = None  # it holds this object
        self._feed = _nothing


class Rest:
    """Told of a body, by a parser that has not seen its head."""

    def __init__(self, connection: HttpConnection) -> None:
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete


def _nothing(data: bytes) -> None:
    """Of a connection that is over."""
