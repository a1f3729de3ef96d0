"""What is wrong with a text that is no YAML, and what was meant? A parser says where it could not go on; that is often
another place than that of the mistake, and never in the words of whoever has made it.

================================  ==================================================================================
the parser says                   told is
================================  ==================================================================================
unexpected end of stream          the quote that was not closed
expected ',' or ']'               the bracket that was not closed
expected key, mapping values,     a ``-`` or a colon without a blank behind it, in the lines above; an indentation
expected '-', a ':'               that its neighbours do not have; a colon within a text
cannot start any token            the character, and how the value is quoted
expected alphabetic or numeric    the ``*`` or ``&`` with which a text begins
unknown escape character          that in double quotes a backslash is written twice
anything else                     what the parser says
================================  ==================================================================================

The words are libyaml's, which pyyaml's own parser mostly has as well.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .mistakes import shown

__all__ = ["Told", "told"]

QUOTE = "put the text in quotes"
PAIRS = {"[": "]", "{": "}"}

_dash = re.compile(r"(\s*)-[A-Za-z\"'{\[]")
_colon = re.compile(r"\s*(?:[A-Za-z_$][\w.-]*:(?![\s/:]|$)|- +[A-Za-z_$][\w.-]*:(?![\s/:\d]|$))")
_indent = re.compile(r"[ ]*")


class Told(NamedTuple):
    line: int
    column: int
    text: str
    fix: str


def told(error: Any, lines: list[str]) -> Told:
    """What there is to be said of a `yaml.YAMLError` in a text of these lines."""
    problem: str = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    began = _placed(getattr(error, "context_mark", None), lines)
    line, column = _placed(getattr(error, "problem_mark", None), lines) or began or (len(lines), len(lines[-1]) + 1)
    rest = lines[line - 1][column - 1 :]
    if "\t" in rest[:1] or "tab character" in problem:
        return Told(line, column, "a tab", "indent with blanks")
    if began is not None and "end of stream" in problem:
        return Told(*began, "a quote that is opened here, and never closed", "close it where the text ends")
    if began is not None and ("or ']'" in problem or "or '}'" in problem):
        return _unclosed(*began, line, lines)
    if began is not None and "alphabetic or numeric" in problem:
        sign = lines[began[0] - 1][began[1] - 1 : began[1]]
        return Told(*began, f"a text that begins with {sign} is a name in YAML", QUOTE)
    if "cannot start any token" in problem:
        return Told(line, column, f"no value begins with {shown(rest[:1])}", QUOTE)
    if "escape character" in problem:
        fix = "write two backslashes, or put it in single quotes"
        return Told(line, column, "a backslash in double quotes has a meaning of its own", fix)
    if "undefined tag" in problem:
        return Told(line, column, "a tag", "leave it out: no value of this file needs one")
    if "entries are not allowed" in problem:
        return Told(line, column, "a list begins on a line of its own", "write its first - on the next line")
    if "document start" in problem:
        return Told(line, column, "something follows the end of the document", "a file holds one")
    if any(sign in problem for sign in ("expected key", "mapping values", "expected '-'", "expected ':'")):
        return _in_the_lines(problem, began or (1, 1), line, column, lines)
    return Told(line, column, f"no YAML: {problem}", "")


def _placed(mark: Any, lines: list[str]) -> tuple[int, int] | None:
    """Line and column; behind the end is at the end of what is there."""
    if mark is None:
        return None
    if mark.line >= len(lines):
        return len(lines), len(lines[-1]) + 1
    return mark.line + 1, mark.column + 1


def _unclosed(line: int, column: int, seen: int, lines: list[str]) -> Told:
    sign = lines[line - 1][column - 1 : column]
    end = PAIRS.get(sign, sign)
    where = "in this line" if seen == line else f"up to line {seen}"
    return Told(line, column, f"{sign} is not closed {where}", f"write {end}, and a comma between two values")


def _in_the_lines(problem: str, began: tuple[int, int], line: int, column: int, lines: list[str]) -> Told:
    """What looks like the reason, in the lines up to where the parser gave up."""
    for number in range(line, max(0, line - 3), -1):
        text = lines[number - 1]
        dash = _dash.match(text)
        if dash is not None:
            return Told(number, len(dash[1]) + 1, "there is no blank behind the -", "write one")
        colon = _colon.match(text)
        if colon is not None:
            return Told(number, colon.end() + 1, "there is no blank behind the colon", "write one")
    if "expected ':'" in problem:
        return Told(*began, "a line without a colon", "write a key, a colon and a value")
    text = lines[line - 1]
    indent = len(_indent.match(text)[0])  # type: ignore[index]  # it may be empty
    if "expected '-'" in problem and indent + 1 == began[1]:
        return Told(line, column, f"the list of line {began[0]} goes on without a -", "write one, or indent the line")
    if text[column - 1 : column] not in {":", ""} and indent + 1 == column:
        fix = (
            f"indent it as its neighbours, or as line {began[0]}" if began[0] < line else "indent it as its neighbours"
        )
        return Told(line, column, "no line before it is indented like that", fix)
    above = next((each for each in reversed(lines[: line - 1]) if each.strip()), "")
    if "mapping values" in problem and len(_indent.match(above)[0]) < indent and ": " in above:  # type: ignore[index]
        return Told(line, indent + 1, "the line above has a value already", "indent this one as its neighbours")
    return Told(line, column, "no YAML: a text with a colon or a quote in it", QUOTE)
