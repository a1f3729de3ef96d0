"""Which endpoints does a text list? In three forms, each read strictly: what is not understood is never left out.

==========  ============================================================================================
``"json"``  ``["10.0.0.7:80", {"address": "10.0.0.8:80", "weight": 3}]``, or that under ``"endpoints"``
``"toml"``  ``endpoints = ["10.0.0.7:80"]``, or a table ``[[endpoints]]`` for each
``"txt"``   one on each line: ``10.0.0.8:80 weight=3 name=big priority=1 locality=eu/a tag.stage=canary``
==========  ============================================================================================

In the last, ``#`` at the begin of a line or after a blank begins a comment, and tags are strings.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from ..cluster.endpoint import Endpoint
from ..errors import ConfigError
from .source import MOST_ENDPOINTS

__all__ = ["FORMATS", "endpoints_from"]

FORMATS = ("json", "toml", "txt")

OPTIONS = ("weight", "name", "priority", "locality", "tags", "hash_key")
WORDS = (*(option for option in OPTIONS if option != "tags"), "tag.<name>")
NUMBERS = {"weight", "priority"}
_COMMENT = re.compile(r"(^|\s)#.*")
_DIGITS = re.compile(r"[0-9]{1,9}")


def endpoints_from(text: str, format: str, where: str) -> tuple[Endpoint, ...]:  # noqa: A002  # the word of the field
    """All endpoints listed, in their order; none is an empty tuple.

    ``format`` is one of "json", "toml", "txt"; ``where`` is what errors call the text, such as its path. Raises
    `ConfigError`, which names the line or the entry and says what to write instead.
    """
    if format not in FORMATS:
        raise ConfigError.of("endpoints_from", "format", format, "write one of " + ", ".join(map(repr, FORMATS)))
    text = text.removeprefix("\ufeff")
    found: list[Endpoint] = []
    seen: dict[object, str] = {}
    for place, entry in _lines(text, where) if format == "txt" else _entries(text, format, where):
        try:
            endpoint = _endpoint(entry)
        except ConfigError as error:
            raise _located(f"{where}, {place}", error) from None
        for sign in {str(endpoint), (endpoint.host, endpoint.port)}:
            if sign in seen:
                raise ConfigError(f"{where}, {place}: {endpoint} stands at {seen[sign]} already: list it once")
            seen[sign] = place
        found.append(endpoint)
        if len(found) > MOST_ENDPOINTS:
            raise ConfigError(f"{where}: more than {MOST_ENDPOINTS} endpoints: list a part of them")
    return tuple(found)


def _located(where: str, error: ConfigError) -> ConfigError:
    again = ConfigError(f"{where}: {error}")
    again.fix = error.fix
    return again


def _endpoint(entry: Any) -> Endpoint:
    if isinstance(entry, str):
        return Endpoint(entry)
    if not isinstance(entry, dict):
        raise ConfigError.of("Endpoint", "address", entry, 'give a string, or a table with "address"')
    options = dict(entry)
    if "address" not in options:
        raise ConfigError('Endpoint: no "address": say where it is, as in "10.0.0.7:8080"')
    address = options.pop("address")
    for option in options:
        if option not in OPTIONS:
            near = get_close_matches(str(option), OPTIONS, 1)
            fix = f"write {near[0]!r}" if near else "write one of " + ", ".join(map(repr, ("address", *OPTIONS)))
            raise ConfigError.of("Endpoint", "option", option, fix)
    return Endpoint(address, **options)


def _entries(text: str, format: str, where: str) -> Iterator[tuple[str, Any]]:  # noqa: A002
    try:
        if format == "json":
            whole = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        else:
            whole = tomllib.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}, line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{where}: nested too deeply: give a list of endpoints") from None
    except ValueError as error:  # of tomllib, which names the place; of a doubled key; of a number without an end
        raise ConfigError(f"{where}: no {format.upper()}: {error}") from None
    if isinstance(whole, dict):
        strangers = sorted(set(whole) - {"endpoints"})
        if strangers or "endpoints" not in whole:
            raise ConfigError(f'{where}: {strangers or "nothing"} where only "endpoints" belongs: list them under it')
        whole = whole["endpoints"]
    if not isinstance(whole, list):
        raise ConfigError(f'{where}: no list of endpoints: write them as in ["10.0.0.7:8080"]')
    for number, entry in enumerate(whole):
        yield f"endpoints[{number}]", entry


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two equal keys JSON's reader takes the last, others the first: nobody knows what was meant."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"a key stands twice: {key!r}")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _lines(text: str, where: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        words = _COMMENT.sub("", line).split()
        if words:
            place = f"line {number}"
            try:
                yield place, _line(words)
            except ConfigError as error:
                raise _located(f"{where}, {place}", error) from None


def _line(words: list[str]) -> dict[str, Any]:
    address, *options = words
    entry: dict[str, Any] = {"address": address}
    tags: dict[str, Any] = {}
    for option in options:
        name, sign, value = option.partition("=")
        into, name = (tags, name[4:]) if name.startswith("tag.") else (entry, name)
        if not (sign and name and value) or (into is entry and name not in WORDS):
            raise ConfigError.of("Endpoint", "option", option, f"write name=value, with one of {', '.join(WORDS)}")
        if name in into:
            raise ConfigError.of("Endpoint", "option", option, "say it once")
        if into is entry and name in NUMBERS and _DIGITS.fullmatch(value):
            into[name] = int(value)
        else:
            into[name] = value
    return entry | {"tags": tags} if tags else entry
