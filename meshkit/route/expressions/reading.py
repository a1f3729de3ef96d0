r"""What does a regular expression say? The part of RE2's syntax that Python's ``re`` can be trusted with, as a tree.

::

    characters    .  \d \w \s \D \W \S  [a-z_]  [^/]  \.  \n \t \r \f \v \a  \x2F
    repeats       ?  *  +  {3}  {3,}  {3,5}  and the lazy ones,  *?  and so on
    groups        (...)  (?:...)  (?P<name>...)  a|b
    anchors       ^  \A  at the beginning;  $  \z  which is the end of the text, not a line's
    flags         (?i) in front of all

All means what it means to RE2: classes are ASCII, ``\s`` is without ``\v``, ``.`` is all but ``\n``, letters without
regard to case are as Unicode folds them (``k`` is also the Kelvin sign). What RE2 knows besides is `Unproven`, and what
it refuses is `Malformed`, as far as the reading comes.

Source: the RE2 syntax page (google/re2, doc/syntax.txt), and RE2 itself, which the tests ask.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from .characters import CLASSES, DOT, Ranges, complement, folded, union

__all__ = ["Alt", "Begin", "End", "Group", "Malformed", "Node", "Repeat", "Seq", "Set", "Unproven", "parse"]

DEPTH = 32
COUNT = 1000
"""The largest count of a repeat, as in RE2."""


class Unproven(Exception):
    """It may be fine for RE2, but not for Python's ``re``. The text says why."""


class Malformed(Exception):
    """No expression at all, in RE2 as well. The text says why."""


class Set(NamedTuple):
    ranges: Ranges


class Begin(NamedTuple):
    pass


class End(NamedTuple):
    pass


class Seq(NamedTuple):
    items: tuple[Node, ...]


class Alt(NamedTuple):
    options: tuple[Node, ...]


class Group(NamedTuple):
    node: Node
    name: str | None


class Repeat(NamedTuple):
    node: Node
    low: int
    high: int | None
    lazy: bool


Node: TypeAlias = Set | Begin | End | Seq | Alt | Group | Repeat


CONTROLS = {"a": 7, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
REPEATS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
_repeat = re.compile(r"([?*+]|\{([0-9]+)(?:(,)([0-9]*))?\})(\??)").match
_name = re.compile(r"\?P<([A-Za-z_][A-Za-z0-9_]*)>").match
_hex = re.compile(r"[0-9A-Fa-f]{2}").match


def parse(pattern: str, ignore_case: bool = False) -> Node:
    """The tree of an expression. Raises `Unproven` and `Malformed`."""
    if pattern.startswith("(?i)"):
        return Parser(pattern, 4, True).whole()
    return Parser(pattern, 0, ignore_case).whole()


class Parser:
    """From left to right, by recursive descent. ``start``: nothing but groups has been opened before."""

    __slots__ = ("at", "fold", "names", "pattern")

    def __init__(self, pattern: str, at: int, fold: bool) -> None:
        self.pattern = pattern
        self.at = at
        self.fold = fold
        self.names: set[str] = set()

    def whole(self) -> Node:
        node = self.alternatives(0, True)
        if self.at < len(self.pattern):
            raise Malformed("a ) without its (")
        return node

    def next(self) -> str:
        """The character that comes next; empty at the end."""
        return self.pattern[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        taken = self.pattern.startswith(text, self.at)
        self.at += len(text) * taken
        return taken

    def alternatives(self, depth: int, start: bool) -> Node:
        if depth > DEPTH:
            raise Unproven("groups are nested too deep")
        options = [self.sequence(depth, start)]
        while self.take("|"):
            options.append(self.sequence(depth, start))
        return options[0] if len(options) == 1 else Alt(tuple(options))

    def sequence(self, depth: int, start: bool) -> Node:
        items: list[Node] = []
        while self.next() not in ("", "|", ")"):
            items.append(self.repeated(self.atom(depth, start and not items)))
        return items[0] if len(items) == 1 else Seq(tuple(items))

    def atom(self, depth: int, start: bool) -> Node:
        char = self.next()
        self.at += 1
        match char:
            case "(":
                return self.group(depth, start)
            case "[":
                return self.set()
            case "\\":
                return self.escape(start)
            case ".":
                return Set(DOT)
            case "^":
                return self.begin(start)
            case "$":
                return End()
            case "?" | "*" | "+":
                raise Malformed(f"{char} has nothing to repeat")
            case "{":
                raise Unproven("a { that counts nothing; \\{ is the character")
        return self.single(ord(char))

    def single(self, number: int) -> Set:
        return Set(self.cased(((number, number),)))

    def cased(self, ranges: Ranges) -> Ranges:
        if not self.fold:
            return ranges
        if any(high > 0x7F for _, high in ranges):
            raise Unproven("letters beyond ASCII without regard to case")
        return folded(ranges)

    def begin(self, start: bool) -> Begin:
        if not start:
            raise Unproven("a beginning of the text in the middle")
        return Begin()

    def repeated(self, node: Node) -> Node:
        found = _repeat(self.pattern, self.at)
        if found is None:
            return node
        self.at = found.end()
        if self.next() in ("?", "*", "+"):
            raise Malformed("a repeat of a repeat without a group")
        sign, least, comma, most, lazy = found.groups()
        if sign in REPEATS:
            low, high = REPEATS[sign]
        else:
            low = int(least)
            high = int(most) if most else None if comma else low
        if low > COUNT or (high is not None and not low <= high <= COUNT):
            raise Malformed(f"a count that is not in order, or above {COUNT}")
        return Repeat(node, low, high, bool(lazy))

    def group(self, depth: int, start: bool) -> Node:
        named = _name(self.pattern, self.at)
        name = None
        captures = True
        if named:
            self.at, name = named.end(), named[1]
            if name in self.names:
                raise Malformed("two groups of the same name")
            self.names.add(name)
        elif self.take("?:"):
            captures = False
        elif self.next() == "?":
            raise Unproven("flags inside, or a name not written (?P<name>")
        inner = self.alternatives(depth + 1, start)
        if not self.take(")"):
            raise Malformed("a ( without its )")
        return Group(inner, name) if captures else inner

    def escape(self, start: bool) -> Node:
        char = self.next()
        if char == "A":
            self.at += 1
            return self.begin(start)
        if char == "z":
            self.at += 1
            return End()
        classed = self.classed()
        return self.single(self.escaped()) if classed is None else Set(classed)

    def classed(self) -> Ranges | None:
        """What a class stands for, behind the backslash; ``None``: it is something else."""
        char = self.next()
        ranges = CLASSES.get(char.lower())
        if ranges is None:
            return None
        self.at += 1
        ranges = folded(ranges) if self.fold else ranges
        return complement(ranges) if char.isupper() else ranges

    def escaped(self) -> int:
        """The one character behind a backslash."""
        char = self.next()
        self.at += 1
        digits = _hex(self.pattern, self.at) if char == "x" else None
        if digits:
            self.at += 2
            return int(digits[0], 16)
        if char in CONTROLS:
            return CONTROLS[char]
        if not char:
            raise Malformed("a backslash at the end")
        if not (char.isascii() and char.isprintable()) or char.isalnum():
            raise Unproven(f"\\{char}")
        return ord(char)

    def set(self) -> Set:
        negated = self.take("^")
        plain: list[tuple[int, int]] = []
        done: list[tuple[int, int]] = []
        first = True
        while first or not self.take("]"):
            if self.pattern.startswith("-", self.at) and not first and self.pattern[self.at + 1 : self.at + 2] != "]":
                raise Unproven("a - inside a set; \\- is the character")
            first = False
            known = self.member()
            if isinstance(known, tuple):
                done += known
                continue
            last = known
            if self.next() == "-" and self.pattern[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                until = self.member()
                if isinstance(until, tuple) or until < known:
                    raise Malformed("a range that is not in order")
                last = until
            plain.append((known, last))
        ranges = union([*self.cased(union(plain)), *done])
        ranges = complement(ranges) if negated else ranges
        if not ranges:
            raise Unproven("a set of no characters")
        return Set(ranges)

    def member(self) -> int | Ranges:
        """One character of a set, or a class."""
        char = self.next()
        if not char:
            raise Malformed("a [ without its ]")
        if self.pattern.startswith("[:", self.at):
            raise Unproven("a named class, [:")
        self.at += 1
        if char != "\\":
            return ord(char)
        classed = self.classed()
        return self.escaped() if classed is None else classed
