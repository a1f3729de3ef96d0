"""What does the caller see in the place of an error? A page of ours, under the status that it has.

::

    Pages({404: "<h1>There is no such page</h1>", "5xx": sorry})

A status by itself goes before its class. The page takes the place of the body, and of the fields that speak of it; all
other fields stay (``Retry-After``, ``WWW-Authenticate``, cookies), and so does the status, unless ``status`` says
another one. Of whom the answer is makes no difference: the upstream's, the app's, a `Respond`'s, and behind a server's
door also the refusals of policies, once a route was found.

A page is text or bytes; a plain function of the status and the call that answers either, or ``None`` to leave the
answer as it is; or, behind a server's door, an `App`, which is asked for ``/`` with the fields of ingress-nginx:

========================  ===========================================
``X-Code``                the status
``X-Format``              the request's ``Accept``
``X-Original-URI``        its path and its query
========================  ===========================================

Traefik's Errors, ingress-nginx' ``custom-http-errors``, nginx's ``error_page``. A page that fails is counted, and the
answer stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import is_function
from ..policy import Pairs, awaits
from .local import App

__all__ = ["Pages"]

Page = str | bytes | App | Callable[[int, Call], str | bytes | None]

CLASS = re.compile("[45]xx")
TYPE = re.compile("[!-~]+/[!-~](?:[ -~]*[!-~])?")
OF_A_BODY = frozenset(
    (
        *(b"accept-ranges", b"content-digest", b"content-disposition", b"content-encoding", b"content-language"),
        *(b"content-length", b"content-location", b"content-md5", b"content-range", b"content-type", b"digest"),
        *(b"etag", b"last-modified", b"repr-digest", b"trailer", b"transfer-encoding"),
    )
)
"""The fields that go with a body (RFC 9110, 8), and so away with it."""


def _pages(spec: Any, attribute: Any, given: Any) -> None:
    if not isinstance(given, dict) or not given:
        fix = 'give pages by status, such as {404: "no such page", "5xx": "sorry"}'
        raise ConfigError.of("Pages", "pages", given, fix)
    for status, page in given.items():
        if _statuses(status) is None:
            raise ConfigError.of("Pages", "pages", status, 'name an error: a status from 400 to 599, "4xx" or "5xx"')
        sound = isinstance(page, str | bytes | App) or (is_function(page) and not isinstance(page, type))
        if not sound or awaits(page):
            fix = "give text, bytes, a plain function of the status and the call, or an App"
            raise ConfigError.of("Pages", "pages", page, fix)


def _statuses(word: Any) -> range | None:
    """Those that a status, or a class of them, stands for."""
    if isinstance(word, str):
        if CLASS.fullmatch(word):
            first = int(word[0]) * 100
            return range(first, first + 100)
        word = int(word) if word.isascii() and word.isdecimal() and len(word) == 3 else 0
    sound = isinstance(word, int) and not isinstance(word, bool) and 400 <= word <= 599
    return range(word, word + 1) if sound else None


def _type(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not TYPE.fullmatch(value):
        raise ConfigError.of("Pages", "type", value, 'give a media type, such as "text/plain; charset=utf-8"')


def _status(spec: Any, attribute: Any, value: Any) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and 200 <= value <= 599 and value not in (204, 205, 304)):
        raise ConfigError.of("Pages", "status", value, "give a status that has a body, or None: the one there is")


@attrs.frozen
class Pages:
    """Pages of one's own in the place of errors. Raises `ConfigError`.

    ``pages``: by status, or by ``"4xx"`` and ``"5xx"``. ``type``: the ``Content-Type`` of those that are text, bytes or
    of a function. ``status``: what all of them are sent with; ``None``: the one there is.
    """

    pages: dict[int | str, Page] = attrs.field(validator=_pages)
    type: str = attrs.field(default="text/html; charset=utf-8", validator=_type, kw_only=True)
    status: int | None = attrs.field(default=None, validator=_status, kw_only=True)

    def install(self, plan: Any, /) -> None:
        plan.pages = PagesState(self)
        plan.outgoing = True


class PagesState:
    """What `Pages` comes to."""

    __slots__ = ("_by_status", "status", "type")

    def __init__(self, spec: Pages) -> None:
        self.status = spec.status
        self.type = spec.type.encode("ascii")
        self._by_status: dict[int, Any] = {}
        for word, page in sorted(spec.pages.items(), key=lambda item: -len(_statuses(item[0]) or ())):
            for status in _statuses(word) or ():
                self._by_status[status] = page.encode() if isinstance(page, str) else page

    def find(self, status: int) -> Any:
        """The page for a status: bytes, a function or an `App`; ``None``: there is none."""
        return self._by_status.get(status)

    def fields(self, headers: Pairs, kind: bytes, length: int) -> list[tuple[bytes, bytes]]:
        """The fields of an answer with a page, of those it had."""
        own = [field for field in headers if field[0].lower() not in OF_A_BODY]
        return [*own, (b"content-type", kind), (b"content-length", b"%d" % length)]

    def made(self, page: Any, status: int, call: Call) -> bytes | None:
        """What a function has for this answer, or bytes as they are. It is the user's: it may raise."""
        body = page if isinstance(page, bytes) else page(status, call)
        if body is None or isinstance(body, bytes):
            return body
        if isinstance(body, str):
            return body.encode()
        raise TypeError(f"Pages: the page for {status} is a {type(body).__name__}: answer text, bytes or None")
