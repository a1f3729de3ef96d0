r"""Does this text match the expression that a file gave, without keeping the process busy for long?

An expression stands in a file, the text comes from anybody, and Python's ``re`` can take years over ``(a+)+$``. So an
expression goes to ``re`` only where `expressions.proof` has counted that the time is linear in the text. All others go
to RE2, which is linear always, where it is installed (``meshkit[re2]``), and are a `ConfigError` where it is not:

=====================================  ==========================  =================================================
expression                             without ``meshkit[re2]``    with it
=====================================  ==========================  =================================================
``/orders/[0-9]+``, ``.*\.(js|css)``   ``re``                      ``re``, which is quicker than RE2's Python binding
``(a+)+$``, ``\pL+``, ``a(?i:b)``      `ConfigError`               RE2
``(a)\1``, ``(?=a)``, ``a*+``, ``(a``  `ConfigError`               `ConfigError`
=====================================  ==========================  =================================================

So no expression means anything else with RE2 than without. The syntax is RE2's: classes such as ``\d`` are ASCII, ``.``
is all but a line's end, ``$`` is the end of the text, case counts unless ``(?i)`` stands in front. Back-references and
look-around there are none; ``\12`` is not taken for an octal number either, nor ``\C`` for a byte.

An expression has at most 1000 characters and, for RE2, 5000 instructions. Texts of more than 8192 characters, or with
lone surrogates, match nothing.

Templates are written as for nginx and Go: ``$1``, ``${1}``, ``${name}``, ``$0`` for all that matched, ``$$`` for a
dollar sign. Envoy's ``\1`` and ``\\`` are understood as well. ``$10`` could be two things, and is refused: ``${10}`` or
``${1}0``. A group that took no part is empty. What was captured came from outside: whoever uses it checks it.

Sources: RE2 (google/re2, doc/syntax.txt; Cox, Regular Expression Matching in the Wild, 2010); Envoy's ``safe_regex``
and ``regex_rewrite``; Go's ``Regexp.Expand``; nginx's ``rewrite``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from ..errors import ConfigError
from .expressions.proof import literal, proven
from .expressions.reading import Malformed, Node, Unproven, parse

__all__ = ["LONGEST", "Match", "Regex", "Template", "compile"]

LONGEST = 8192
"""Characters of a text; what is longer matches nothing."""
WRITTEN = 1000
"""Characters of an expression, or a template."""
PROGRAM = 5000
"""Instructions of RE2: at worst it looks at as many for each character."""

# What is not to be had, wherever it stands: groups that are none of RE2's, and three escapes. The rest is stepped over.
_token = re.compile(
    r"\\Q.*?(?:\\E|\Z)|(?P<escape>\\[1-9kC])|\\.|\[\^?\]?(?:\\.|\[:[^\]]*:\]|[^\]\\])*\]"
    r"|\(\?(?:P?<[^=!>][^>]*>|[imsU-]*[:)])|(?P<group>\(\?)|[?*+]\+",
    re.DOTALL,
)
_reference = re.compile(r"\$(?:([0-9]+)|\{([0-9]+)\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|(\$))|\\(?:([0-9]+)|(\\))|([$\\])")


class Match(Protocol):
    """What was matched: of `re.Match` what both engines have."""

    def group(self, group: int | str = ..., /) -> Any: ...
    def groups(self) -> tuple[str | None, ...]: ...
    def start(self, group: int = ..., /) -> int: ...
    def end(self, group: int = ..., /) -> int: ...


Tried: TypeAlias = Callable[[str], Match | None]


class Regex:
    """An expression that may be tried on anybody's text, by any thread."""

    __slots__ = ("_full", "_names", "_search", "engine", "groups", "literal", "pattern")

    def __init__(self, pattern: str, compiled: Any, engine: str, literal: str, search: bool) -> None:
        self.pattern = pattern
        self.engine = engine
        """``"re"`` or ``"re2"``."""
        self.groups: int = compiled.groups
        """How many it captures."""
        self.literal = literal
        """Text with which all that matches begins: as much of it as is cheap to know."""
        self._names: dict[str, int] = dict(compiled.groupindex)
        self._full: Tried = compiled.fullmatch
        self._search: Tried | None = compiled.search if search else None

    def __repr__(self) -> str:
        return f"Regex({self.pattern!r}, engine={self.engine!r})"

    def full(self, text: str) -> Match | None:
        """The match of the whole text, or ``None``."""
        return self._full(text) if (text.isascii() and len(text) <= LONGEST) or _sound(text) else None

    def search(self, text: str) -> Match | None:
        """The first match inside the text, or ``None``."""
        if self._search is None:
            raise TypeError(f"{self!r} was compiled for whole texts: compile it with search=True")
        return self._search(text) if _sound(text) else None

    def replace(self, text: str, template: Template) -> str:
        """The text with what matches first replaced; the text itself where nothing does."""
        found = self.search(text)
        return text if found is None else text[: found.start()] + template(found) + text[found.end() :]

    def template(self, text: str, *, option: str = "to", policy: str = "Rewrite") -> Template:
        """A text made of what was captured. Raises `ConfigError`: an unknown group, or CR, LF or NUL in it."""

        def wrong(fix: str) -> ConfigError:
            return ConfigError.of(policy, option, text if len(text) <= WRITTEN else text[:80] + "...", fix)

        if not isinstance(text, str):
            raise ConfigError.of(policy, option, text, "give text")
        if len(text) > WRITTEN:
            raise wrong(f"give at most {WRITTEN} characters")
        if not {"\r", "\n", "\0"}.isdisjoint(text):
            raise wrong("line ends and NUL have no place in it")
        parts: list[str | int] = []
        at = 0
        for found in _reference.finditer(text):
            number, braced, name, dollar, slashed, slash, stray = found.groups()
            parts.append(text[at : found.start()])
            at = found.end()
            if stray:
                raise wrong("write $$ or \\\\ for the character, and $1, ${10} or ${name} for what was captured")
            if dollar or slash:
                parts.append(dollar or slash)
                continue
            plain = number or slashed
            if plain and len(plain) > 1:
                raise wrong(f"{found[0]} could be two things: write ${{{plain}}} or ${{{plain[0]}}}{plain[1:]}")
            group = self._names.get(name, -1) if name else int(plain or braced)
            if not 0 <= group <= self.groups:
                raise wrong(f"{found[0]} is none of the {self.groups} groups of {self.pattern!r}")
            parts.append(group)
        return Template(text, [*parts, text[at:]])


class Template:
    """Text with places for what was captured: called with the match."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str, parts: list[str | int]) -> None:
        self.text = text
        self._parts = tuple(part for part in parts if part != "")

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def __call__(self, match: Match) -> str:
        group = match.group
        return "".join([part if part.__class__ is str else group(part) or "" for part in self._parts])


def compile(  # noqa: A001  # as in re
    pattern: str, *, option: str = "regex", policy: str = "Match", ignore_case: bool = False, search: bool = False
) -> Regex:
    """An expression to try on texts. ``search``: also inside of them, by ``search`` and ``replace``; then ``re`` can do
    fewer of them, and ``[a-z]+/x`` must begin with ``^``.

    Raises `ConfigError`, which names ``policy`` and ``option``: it is no expression, has what RE2 has not, or needs RE2
    and there is none.
    """

    def wrong(fix: str) -> ConfigError:
        return ConfigError.of(policy, option, pattern if len(pattern) <= WRITTEN else pattern[:80] + "...", fix)

    if not isinstance(pattern, str):
        raise ConfigError.of(policy, option, pattern, "give a regular expression as text")
    if len(pattern) > WRITTEN:
        raise wrong(f"give at most {WRITTEN} characters")
    if not _sound(pattern):
        raise wrong("lone surrogates are no text")
    for token in _token.finditer(pattern):
        if token["escape"] or token["group"]:
            fix = f"{pattern[token.start() : token.end() + 1]}: back-references, look-around"
            raise wrong(f"{fix} and what else is not in RE2 is not for expressions from files: write it without")
    node: Node | None = None
    try:
        node = parse(pattern, ignore_case)
        return Regex(pattern, re.compile(proven(node, search)), "re", literal(node), search)
    except Malformed as error:
        raise wrong(f"this is no regular expression: {error}") from None
    except Unproven as error:
        why = str(error)
    try:
        import re2  # type: ignore[import-untyped]  # it has no stubs
    except ImportError:
        raise wrong(f"Python's own expressions may take forever ({why}): install meshkit[re2]") from None
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise wrong(f"RE2 refuses it: {said.decode() if isinstance(said, bytes) else said}") from None
    if compiled.programsize > PROGRAM:
        raise wrong(f"RE2 would need {compiled.programsize} instructions for it, of {PROGRAM} at most: count less")
    return Regex(pattern, compiled, "re2", "" if node is None else literal(node), search)


def _sound(text: str) -> bool:
    """Whether both engines may see it."""
    if len(text) > LONGEST:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
