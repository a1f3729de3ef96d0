r"""What is the one form of a path, for matching and for sending?

What was matched is what is sent: a route is chosen by the very text that the upstream gets. Where a proxy matches one
form and sends another, ``/public/%2e%2e/admin`` is public to the one and ``/admin`` to the other. So a path is brought
into its normal form once, before matching, and where it could still be read in two ways it is refused. In this order:

====================================  ===========================================================  =====================
in the path                           becomes                                                      option
====================================  ===========================================================  =====================
nothing; ``*``                        ``/``; stays (``OPTIONS *``)
more than 8192 characters             refused, before and after                                    ``longest``
a blank, a control, ``#``, ``?``      refused; so is what is not ASCII (RFC 3986, 2 and 3.3)
``\``                                 refused; or ``/``, as for WHATWG and Envoy                   ``backslash``
no ``/`` at the beginning             refused
``" < > [ ] ^ ` { | }``               percent-encoded: no path may have them raw (RFC 3986, A)
``%`` without two digits              refused, as by nginx
``%00`` to ``%1F``, ``%7F``           refused
``%41``, ``%2D``, ``%7e``             the unreserved character, ``A - ~`` (RFC 3986, 6.2.2.2)
``%2F``, ``%5C``                      refused; or they stay; or they are ``/`` and ``\``           ``encoded_slash``
another ``%xx``                       ``%XX`` (6.2.2.1); refused where it is listed                ``reject_encoded``
octets that are no UTF-8              refused: overlong, surrogates, cut off; or they stay         ``octets``
``;x=1``                              stays; or is refused, and so is ``%3B``                      ``parameters``
``/..;x/``, ``/.;x/``                 refused: servlet containers take it for ``/../``
``//``                                ``/``, as for nginx, Traefik; or stays; or is refused        ``slashes``
``/./``, ``/../``, at the end too     resolved (5.2.4); or refused                                 ``dots``
``/..`` above the root                refused, as by nginx; or dropped (5.2.4, WHATWG, Envoy)      ``dots``
====================================  ===========================================================  =====================

Doing it twice changes nothing more: of what is decoded nothing is a ``%``. Slashes are merged before dots are resolved,
as nginx does: ``/a//../b`` is ``/b``. Where slashes stay, no path may begin with two: it would be read as an authority.
Where ``%2F`` stays, no dot segment may stand beside it: ``/a/..%2Fb`` is ``/b`` to those who decode first.

``/a:b`` and ``/a%3Ab`` are two paths, as all reserved characters and their encoded forms are (RFC 3986, 2.2), though
most upstreams read them as one: what must not come through encoded is for ``reject_encoded``. ``%25`` stays: an
upstream that decodes twice is wrong.

Sources: RFC 3986; WHATWG URL; Envoy's ``normalize_path``, ``merge_slashes`` and ``path_with_escaped_slashes_action``;
nginx's ``merge_slashes`` (asked: 1.22); HAProxy's ``normalize-uri``; Traefik's ``sanitizePath`` and
``encodedCharacters``; Tsai, Breaking Parser Logic (2018), for ``..;``.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import Any

import attrs

from .. import options
from ..errors import ConfigError

__all__ = ["TOO_LONG", "BadPath", "Paths", "normal"]

TOO_LONG = "too long"
"""The reason of a `BadPath` for which HTTP has a status of its own, 414; all others are 400."""

UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# What most paths consist of. Together with neither "//" nor "/." it is a path in its normal form, whatever the options.
_clean = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,=:@/]*").fullmatch
_stray = re.compile(r"[^\x21-\x7e]|[#?]").search
_raw = {ord(each): f"%{ord(each):02X}" for each in '"<>[]^`{|}'}
_percent = re.compile(r"%([0-9A-Fa-f]{2})?")
_high = re.compile(r"(?:%[89A-F][0-9A-F])+")
_dots_with_parameters = re.compile(r"(?:/|%2F|%5C)\.\.?(?:;|%3B)").search
_dots_beside_encoded = re.compile(r"(?:%2F|%5C)\.\.?(?:/|%2F|%5C|\Z)|/\.\.?(?:%2F|%5C)").search
_slashes = re.compile(r"//+")


class BadPath(ValueError):
    """A path that is refused. ``reason``: by which rule, in a few words of ours; nothing of the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _encoded(spec: Any, attribute: Any, value: Any) -> None:
    sound = isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
    if not sound or not UNRESERVED.isdisjoint(value) or not {"/", "\\"}.isdisjoint(value):
        fix = 'give the characters themselves, such as "%;?#": ASCII, no letters, digits, or any of - . _ ~ / \\'
        raise ConfigError.of("Paths", attribute.name, value, fix)


@attrs.frozen(kw_only=True)
class Paths:
    """What becomes of odd paths; the defaults are the safe side. Raises `ConfigError`.

    ``slashes``: of ``//``, ``"merge"``, ``"keep"`` or ``"reject"``. ``dots``: of ``.`` and ``..`` segments,
    ``"resolve"`` and refuse what leads above the root, ``"clamp"`` there instead, or ``"reject"``. ``encoded_slash``:
    of ``%2F`` and ``%5C``, ``"reject"``, ``"keep"`` or ``"decode"``. ``backslash``: ``"reject"``, or ``"slash"``: it is
    one. ``parameters``: of ``;`` in segments, ``"keep"`` or ``"reject"``. ``octets``: ``"utf-8"``, or ``"any"``: they
    are not looked at. ``reject_encoded``: characters that may not come percent-encoded: ``"%;?#"`` are those that
    Traefik can refuse besides. ``longest``: in characters.
    """

    slashes: str = attrs.field(default="merge", validator=options.among("merge", "keep", "reject"))
    dots: str = attrs.field(default="resolve", validator=options.among("resolve", "clamp", "reject"))
    encoded_slash: str = attrs.field(default="reject", validator=options.among("reject", "keep", "decode"))
    backslash: str = attrs.field(default="reject", validator=options.among("reject", "slash"))
    parameters: str = attrs.field(default="keep", validator=options.among("keep", "reject"))
    octets: str = attrs.field(default="utf-8", validator=options.among("utf-8", "any"))
    reject_encoded: str = attrs.field(default="", validator=_encoded)
    longest: int = attrs.field(default=8192, validator=options.count(1, 2**20))


DEFAULT = Paths()


def normal(path: str, paths: Paths = DEFAULT) -> str:
    """The normal form of a request target's path, percent-encoded as it stands on the wire, without the query.

    A path that is normal already comes back as it is, after one look. Raises `BadPath`.
    """
    if len(path) <= paths.longest and _clean(path) and "//" not in path and "/." not in path:
        return path
    return _odd(path, paths)


def _odd(path: str, paths: Paths) -> str:
    if len(path) > paths.longest:
        raise BadPath(TOO_LONG)
    if path in ("", "*"):
        return path or "/"
    stray = _stray(path)
    if stray:
        raise BadPath(_named(stray[0]))
    if "\\" in path:
        if paths.backslash == "reject":
            raise BadPath("a backslash")
        path = path.replace("\\", "/")
    if path[0] != "/":
        raise BadPath("no slash at the beginning")
    path = path.translate(_raw)
    if "%" in path:
        path = _percent.sub(partial(_octet, _octets(paths)), path)
        if paths.octets == "utf-8":
            for high in _high.findall(path):
                _text(high)
        if _dots_beside_encoded(path):
            raise BadPath("a dot segment beside an encoded slash")
    if ";" in path and paths.parameters == "reject":
        raise BadPath("parameters")
    if _dots_with_parameters(path):
        raise BadPath("a dot segment with parameters")
    if "//" in path and paths.slashes != "keep":
        if paths.slashes == "reject":
            raise BadPath("an empty segment")
        path = _slashes.sub("/", path)
    if "/." in path:
        path = _resolved(path, paths.dots)
    if path.startswith("//"):
        raise BadPath("two slashes at the beginning")
    if len(path) > paths.longest:
        raise BadPath(TOO_LONG)
    return path


def _named(stray: str) -> str:
    if stray > "\x7f":
        return "a character that is not ASCII"
    return {" ": "a blank", "#": "a fragment", "?": "a query"}.get(stray, "a control character")


@lru_cache(maxsize=16)
def _octets(paths: Paths) -> dict[str, str]:
    """For each pair of hexadecimal digits what takes the place of the octet; those which are not there are refused."""
    refused = {"\x7f", *paths.reject_encoded}
    refused |= {";"} if paths.parameters == "reject" else set()
    refused |= {"/", "\\"} if paths.encoded_slash == "reject" else set()
    decoded = {each: each for each in UNRESERVED}
    if paths.encoded_slash == "decode":
        decoded |= {"/": "/", "\\": "/"}
        refused |= {"\\"} if paths.backslash == "reject" else set()
    known: dict[str, str] = {}
    for number in range(0x20, 0x100):
        each, pair = chr(number), f"{number:02X}"
        if each not in refused:
            low, mixed = pair.lower(), pair[0].lower() + pair[1]
            known |= dict.fromkeys((pair, low, mixed, mixed.swapcase()), decoded.get(each, f"%{pair}"))
    return known


def _octet(known: dict[str, str], found: re.Match[str]) -> str:
    pair = found[1]
    if pair is None:
        raise BadPath("a percent sign without two hexadecimal digits")
    becomes = known.get(pair)
    if becomes is None:
        number = int(pair, 16)
        if number < 0x20 or number == 0x7F:
            raise BadPath("an encoded control character")
        raise BadPath({0x2F: "an encoded slash", 0x5C: "an encoded backslash"}.get(number, "an encoded character"))
    return becomes


def _text(high: str) -> None:
    """Whether octets above ASCII are UTF-8 as RFC 3629 has it: shortest forms, no surrogates."""
    try:
        bytes.fromhex(high.replace("%", "")).decode()
    except UnicodeDecodeError:
        raise BadPath("octets that are not UTF-8") from None


def _resolved(path: str, dots: str) -> str:
    """RFC 3986, 5.2.4, segment by segment; ``dots``: what to do with those above the root."""
    kept: list[str] = []
    last = ""
    for last in path.split("/")[1:]:
        if last not in (".", ".."):
            kept.append(last)
        elif dots == "reject":
            raise BadPath("a dot segment")
        elif last == "..":
            if kept:
                kept.pop()
            elif dots == "resolve":
                raise BadPath("a dot segment above the root")
    if last in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
