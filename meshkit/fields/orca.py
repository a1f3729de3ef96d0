"""How loaded is the server that answered? ORCA's load report, in a response's fields: read and written.

===============================================  ============================================================
``endpoint-load-metrics: TEXT cpu=0.3, ...``     names and numbers; ``=`` or ``:`` between them
``endpoint-load-metrics: JSON {...}``            protobuf's JSON
``endpoint-load-metrics: BIN CQ...``             base64 of protobuf's bytes
``endpoint-load-metrics-json``, ``-bin``         the same without the word; a field without a word is TEXT
===============================================  ============================================================

A report is a dict of floats: ``cpu_utilization``, ``mem_utilization``, ``application_utilization`` (shares of what the
server has; more than 1 beyond a soft limit), ``rps_fractional`` (calls a second), ``eps`` (errors a second), and what
is the application's own: ``named_metrics.NAME``, ``utilization.NAME``, ``request_cost.NAME``.

Reading never raises: what is not a finite number, or negative where that means nothing, is left out, as is a name not
known here. No report at all: one that cannot be taken apart, names something twice, comes in two forms, or is longer
than 8192 characters.

xDS ``xds/data/orca/v3/orca_load_report.proto``, gRFC A51 (the ``-bin`` field), Envoy's ``orca_parser.cc`` (all forms).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from struct import pack, unpack_from
from typing import Any

__all__ = ["FORMS", "NAME", "read", "write"]

NAME = "endpoint-load-metrics"
FORMS = ("text", "json", "bin")
LONGEST = 8192
MANY = 256
"""Numbers that are read of one report; those behind them are not."""
NUMBERS = {1: "cpu_utilization", 2: "mem_utilization", 6: "rps_fractional", 7: "eps", 9: "application_utilization"}
"""The plain fields, by their number. 3 was ``rps``, a whole number, before there was 6."""
MAPS = {4: "request_cost", 5: "utilization", 8: "named_metrics"}
PLAIN = frozenset(NUMBERS.values())
OWN = tuple(f"{name}." for name in MAPS.values())
SPELLED = {
    "".join(word if k == 0 else word.title() for k, word in enumerate(name.split("_"))): name
    for name in (*PLAIN, *MAPS.values())
}
"""In protobuf's JSON both spellings may stand: ``cpuUtilization``."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Report = dict[str, float]
Pairs = Iterator[tuple[str, Any]]


def read(get: Callable[[str], str | None]) -> Report | None:
    """The report in a response whose fields ``get(name)`` answers; ``None``: there is none, or none to be believed."""
    value, found = get(NAME), _text
    if value is not None:
        word, _, rest = value.partition(" ")
        if word.lower() in FORMS:
            value, found = rest, _READ[word.lower()]
    for form in ("json", "bin"):
        other = get(f"{NAME}-{form}")
        if other is not None:
            if value is not None:
                return None
            value, found = other, _READ[form]
    if value is None or len(value) > LONGEST:
        return None
    try:
        return _kept(found(value))
    except (ValueError, LookupError, RecursionError):  # no JSON, no base64, no protobuf, or something twice
        return None


def _kept(pairs: Pairs) -> Report | None:
    report: Report = {}
    for count, (name, value) in enumerate(pairs):
        if count == MANY:
            break
        if name in report:
            raise ValueError("twice")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if isfinite(number) and (number >= 0 or name.startswith("named_metrics.")) and _known(name):
            report[name] = number
    rps = report.pop("rps", None)
    if rps is not None:
        report.setdefault("rps_fractional", rps)
    return report or None


def _known(name: str) -> bool:
    return name in PLAIN or name == "rps" or (name.startswith(OWN) and not name.endswith("."))


def _text(value: str) -> Pairs:
    for part in value.split(","):
        cut = min((place for place in (part.find("="), part.find(":")) if place >= 0), default=0)
        if cut:
            yield part[:cut].strip(), part[cut + 1 :].strip()


def _json(value: str) -> Pairs:
    whole = json.loads(value)
    if not isinstance(whole, dict):
        raise ValueError("no object")  # noqa: TRY004  # of what was sent, not of a caller's
    for spelled, item in whole.items():
        name = SPELLED.get(spelled, spelled)
        if isinstance(item, dict):
            yield from ((f"{name}.{key}", number) for key, number in item.items())
        elif not isinstance(item, bool):
            yield str(name), item


def _bin(value: str) -> Pairs:
    data = b64decode(value.strip() + "=" * (-len(value.strip()) % 4), validate=True)
    for number, item in _fields(data):
        if number in NUMBERS and isinstance(item, float):
            yield NUMBERS[number], item
        elif number == 3 and isinstance(item, int):
            yield "rps", item
        elif number in MAPS and isinstance(item, bytes):
            entry = dict(_fields(item))
            key = entry.get(1, b"")
            if isinstance(key, bytes):
                yield f"{MAPS[number]}.{key.decode()}", entry.get(2, 0.0)


_READ = {"text": _text, "json": _json, "bin": _bin}


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a protobuf message, number and value; `ValueError` or `IndexError` where it ends too soon."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            item, at = _varint(data, at)
            yield number, item
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            if at + size > len(data):
                raise ValueError("cut off")
            yield number, unpack_from("<d" if size == 8 else "<f", data, at)[0]
            at += size
        elif wire == BYTES:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("cut off")
            yield number, data[at : at + size]
            at += size
        else:
            raise ValueError("no such wire type")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than ten bytes")


def write(report: Mapping[str, float], form: str = "text") -> tuple[bytes, bytes]:
    """The field that says it, name and value, for a server that counts. ``form``: see `FORMS`.

    Names as in a report. What is not finite is left out, and so are names with what cannot stand in a field.
    """
    said = {name: float(value) for name, value in report.items() if _known(name) and isfinite(value)}
    if form == "text":
        text = ", ".join(f"{name}={value:.9g}" for name, value in said.items() if _sayable(name))
        return NAME.encode(), f"TEXT {text}".encode()
    if form == "json":
        whole: dict[str, Any] = {}
        for name, value in said.items():
            group, _, key = name.partition(".")
            if key:
                whole.setdefault(group, {})[key] = value
            else:
                whole[name] = value
        return NAME.encode(), f"JSON {json.dumps(whole)}".encode()
    return f"{NAME}-bin".encode(), b64encode(b"".join(_encoded(name, value) for name, value in said.items()))


def _sayable(name: str) -> bool:
    return name.isascii() and name.isprintable() and not set(name) & set(",=: ")


def _encoded(name: str, value: float) -> bytes:
    group, _, key = name.partition(".")
    if not key:
        number = next(number for number, plain in NUMBERS.items() if plain == name)
        return bytes((number << 3 | FIXED64,)) + pack("<d", value)
    number = next(number for number, own in MAPS.items() if own == group)
    letters = key.encode("utf-8", "replace")[:100].decode("utf-8", "ignore").encode()
    entry = bytes((1 << 3 | BYTES, len(letters))) + letters + bytes((2 << 3 | FIXED64,)) + pack("<d", value)
    return bytes((number << 3 | BYTES, len(entry))) + entry
