"""What does a file say, and where does each of its values stand? YAML, TOML or JSON, read into the same located data.

============================================  ====================================================================
the file                                      then
============================================  ====================================================================
is missing, a directory, a pipe, unreadable   `FileErrors`: one mistake, without a line
has more than `LARGEST` bytes                 the same
is not UTF-8, or has bytes of UTF-16          the same, with the line; a byte order mark of UTF-8 is passed over
has characters that cannot be seen            the same, each with its place: control characters, NUL, and those that
                                              some take for the end of a line, so that lines would be counted otherwise
is empty, or has comments only                the same
============================================  ====================================================================

What is wrong with a value, but leaves the others readable (a key twice, a tag), is in ``mistakes``, to be told together
with what is found later; ``mistakes.check()`` raises it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from itertools import chain
from pathlib import PurePath
from typing import Literal, NoReturn, TypeAlias

from .garbage import paused
from .located import Located, place
from .mistakes import Mistakes, lines_of

__all__ = ["FORMATS", "LARGEST", "Document", "Format", "contents", "decoded", "parse", "read"]

Format: TypeAlias = Literal["json", "toml", "yaml"]

LARGEST = 10_000_000
"""Bytes of a file."""
FORMATS: dict[str, Format] = {".json": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
SLICE = 2**16
"""Characters looked at in one go: meanwhile nobody else is served."""
UNSEEN = 20
"""Characters that cannot be seen, of which is told."""

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


class Document:
    """What was read. ``root`` is its data, `Located` all the way down."""

    __slots__ = ("format", "mistakes", "name", "root")

    def __init__(self, name: str, format: Format, root: Located, mistakes: Mistakes) -> None:  # noqa: A002  # its word
        self.name = name
        self.format = format
        self.root = root
        self.mistakes = mistakes


def read(path: str | os.PathLike[str], *, format: Format | None = None) -> Document:  # noqa: A002
    """A file; ``format`` where its name does not tell it. Raises `FileErrors`."""
    return parse(contents(path), os.fspath(path), format)


def contents(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file. Raises `FileErrors`."""
    name = os.fspath(path)
    mistakes = Mistakes(name)
    if "\0" in name:
        _stop(mistakes, "a path with NUL in it", "give the path of a file")
    try:
        # Opened without waiting for whoever writes, if it is a pipe.
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                _stop(mistakes, "no regular file", "give the path of a file")
            return file.read(LARGEST + 1)
    except IsADirectoryError:
        _stop(mistakes, "a directory", "give the path of a file")
    except FileNotFoundError:
        _stop(mistakes, "there is no such file", "")
    except OSError as error:
        _stop(mistakes, f"it cannot be read: {error.strerror or error}", "")


def parse(text: str | bytes, name: str = "<text>", format: Format | None = None) -> Document:  # noqa: A002
    """A text, or the bytes of one; ``name`` is what mistakes call it, and tells the ``format``. Raises `FileErrors`."""
    mistakes = Mistakes(name)
    chosen = format or FORMATS.get(PurePath(name).suffix.lower())
    if chosen is None or chosen not in FORMATS.values():
        _stop(mistakes, "neither YAML nor TOML nor JSON, by its name", "let it end in .yaml, .toml or .json")
    if len(text) > LARGEST:
        _stop(mistakes, f"more than {LARGEST} bytes", "write less")
    whole = decoded(text, mistakes) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    mistakes.text = whole
    _look_for_unseen(whole, mistakes)
    with paused():
        root = _reader(chosen)(whole, mistakes)
    if root is None:
        mistakes.at(place(1, 1), "it is empty", "")
        raise mistakes.error()
    mistakes.root = root
    return Document(name, chosen, root, mistakes)


def _reader(chosen: Format) -> Callable[[str, Mistakes], Located | None]:
    if chosen == "yaml":
        from .from_yaml import compose  # pyyaml is an extra

        return compose
    if chosen == "toml":
        from .from_toml import compose as compose_toml

        return compose_toml
    from .from_json import compose as compose_json

    return compose_json


def decoded(data: bytes, mistakes: Mistakes) -> str:
    """The text that bytes are. Raises `FileErrors`."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        _stop(mistakes, "it is UTF-16", "save it as UTF-8")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        mistakes.at(place(line, column), f"the byte 0x{data[error.start]:02x}, which is no UTF-8", "save it as UTF-8")
        raise mistakes.error() from None


def _look_for_unseen(text: str, mistakes: Mistakes) -> None:
    found = chain.from_iterable(_UNSEEN.finditer(text, at, at + SLICE) for at in range(0, len(text), SLICE))
    for number, match in enumerate(found):
        before = lines_of(text[: match.start()])
        mistakes.at(
            place(len(before), len(before[-1]) + 1),
            f"the character U+{ord(match[0]):04X}, which cannot be seen",
            "leave it out",
        )
        if number + 1 == UNSEEN:
            break
    if len(mistakes):
        raise mistakes.error()


def _stop(mistakes: Mistakes, text: str, fix: str) -> NoReturn:
    mistakes.at(0, text, fix)
    raise mistakes.error()
