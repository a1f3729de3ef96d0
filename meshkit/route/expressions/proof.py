r"""Can Python's ``re``, which backtracks, be kept busy with this expression for long?

It tries one way after another, so the time is what all ways together look at. Here that is counted from the expression,
from its end to its beginning, and what is not shown to be little is `Unproven`. Written ``[X]`` for the characters with
which X can begin:

* **A choice that the next character makes costs nothing.** In ``a*b``, ``(GET|PUT)`` and ``(?:/[a-z]+)*`` at most one
  way begins with the character that comes next, the others fail on it. If all choices are such, there is one way
  through any text (the deterministic expressions of Brüggemann-Klein, One-unambiguous regular languages, 1998), so the
  time is linear. A repeat of one set that is such never gives back what it took: it is made possessive, ``a*+``.
* **A choice of k ways multiplies** what follows it by k: ``(v1|v2)``, where two begin alike, by 2; ``[a-f]{2,4}a`` by
  3. Inside ``{n}`` that is to the n-th power; inside an endless repeat there may be none.
* **An endless repeat that may end anywhere** has the rest R tried at each place that it passed: ``.*/users``. That is
  a search for R, and linear where ``[R]`` is disjoint from all that the endless repeats in R take. For then no trial
  begins in what such a repeat has taken in another one, so only the B characters that R may take outside of them can
  lie both in one trial and before the beginning of another: each character is looked at in B + 1 trials at most. So
  ``.*foo[0-9]*bar`` is fine; ``.*.*=`` and ``\d+\d+x`` are not, nor is one inside a repeat, ``(a+)+``.
* **A search** for the whole expression, from each place of the text, is the same, but where it begins with ``^``.

The last repeat of all, with nothing behind it but the end, can still fail on what it does not take. Where it is ``.``,
that is a line's end, which neither paths nor fields contain. It is let through, as in ``.*foo.*``: a text that has one
may cost n²/2 comparisons, of the quickest kind there is.

No more than `STEPS` ways, times the trials of each character. Nothing is a time measured.
"""

from __future__ import annotations

from typing import NamedTuple

from .characters import DOT, Ranges, complement, overlap, shown, union
from .reading import Alt, Begin, End, Group, Node, Repeat, Seq, Set, Unproven

__all__ = ["POSITIONS", "STEPS", "literal", "proven"]

STEPS = 512
"""How often each character of a text may be looked at."""
POSITIONS = 1000
"""How many characters an expression may stand for, with its counted repeats written out."""


class Rest(NamedTuple):
    """What is known of all that follows a place in the expression."""

    first: Ranges = ()
    """The characters with which it can begin. None: there is nothing but the end."""
    done: bool = True
    """There is nothing at all, not even the end."""
    taken: Ranges = ()
    """What its endless repeats take, as far as they may be in vain."""
    last: Ranges = ()
    """The same for a repeat that ends the expression: in vain only where the text must end with it."""
    wide: int = 0
    """How many characters it can take outside of endless repeats."""
    ways: int = 1
    """How often each character is looked at, at most."""


def proven(node: Node, search: bool) -> str:
    """The same expression, as ``re`` has it. ``search``: also from each place of a text. Raises `Unproven`."""
    if _positions(node) > POSITIONS:
        raise Unproven("counted repeats, written out, are too long")
    rest, text = _walk(node, Rest(), False)
    if search and not _anchored(node):
        if overlap(rest.first, rest.taken):
            raise Unproven("it takes again what it took, if tried at each place of a text; ^ at its beginning helps")
        _bounded(rest._replace(ways=rest.ways * (rest.wide + 1)))
    return text


def literal(node: Node) -> str:
    """Text with which all that matches begins."""
    return _literal(node)[0]


def _bounded(rest: Rest) -> Rest:
    if rest.ways > STEPS:
        raise Unproven(f"there are more than {STEPS} ways to read the same text")
    return rest


def _walk(node: Node, rest: Rest, inside: bool) -> tuple[Rest, str]:
    """What is known from this node on, and its text. ``inside``: of a repeat."""
    match node:
        case Set(ranges):
            return rest._replace(first=ranges, done=False, wide=rest.wide + 1), shown(ranges)
        case Begin():
            return rest._replace(done=False), r"\A"
        case End():
            return Rest(done=False, ways=rest.ways), r"\Z"
        case Group(inner, name):
            rest, text = _walk(inner, rest, inside)
            return rest, f"(?P<{name}>{text})" if name else f"({text})"
        case Seq(items):
            texts = []
            for item in reversed(items):
                rest, text = _walk(item, rest, inside)
                texts.append(text)
            return rest, "".join(reversed(texts))
        case Alt(options):
            walked = [_walk(option, rest, inside) for option in options]
            return _either(options, [each for each, _ in walked]), f"(?:{'|'.join(text for _, text in walked)})"
    return _repeat(node, rest, inside)


def _either(options: tuple[Node, ...], rests: list[Rest]) -> Rest:
    """What is known of a choice: as many ways as begin with one character, or with the end."""
    empty = [_empty(option) for option in options]
    alike = max(
        sum(
            overlap(one.first, other.first) or (none and nor)
            for other, nor in zip(rests, empty, strict=True)
        )
        for one, none in zip(rests, empty, strict=True)
    )  # fmt: skip
    return _bounded(
        Rest(
            first=union(span for each in rests for span in each.first),
            done=False,
            taken=union(span for each in rests for span in each.taken),
            last=union(span for each in rests for span in each.last),
            wide=max(each.wide for each in rests),
            ways=max(alike, 1) * max(each.ways for each in rests),
        )
    )


def _repeat(node: Repeat, rest: Rest, inside: bool) -> tuple[Rest, str]:
    body, low, high, lazy = node
    if _empty(body):
        raise Unproven("a repeat of what may be empty")
    if high == 0:
        raise Unproven("a repeat of no times")
    sign = {(0, 1): "?", (0, None): "*", (1, None): "+"}.get((low, high), f"{{{low},{'' if high is None else high}}}")
    sign += "?" * lazy
    if high == 1:
        within, text = _walk(body, rest, inside)
        after = within if low else _either((body, Seq(())), [within, rest])
        return after, _wrapped(body, text) + sign
    starts = _starts(body)
    again = Rest(first=union([*starts, *rest.first]), done=False)
    within, text = _walk(body, again, True)
    loose = overlap(starts, rest.first)
    if isinstance(body, Set) and low != high and not loose and not lazy:
        sign += "+"  # what follows could not begin with what would be given back
    first = union([*starts, *(rest.first if low == 0 else ())])
    taken = union([*rest.taken, *within.taken])
    if high is not None:
        ways = rest.ways * _power(within.ways, high) * (high - low + 1 if loose else 1)
        after = rest._replace(first=first, done=False, taken=taken, wide=rest.wide + within.wide * high, ways=ways)
        return _bounded(after), _wrapped(body, text) + sign
    if within.ways > 1:
        raise Unproven("a choice inside a repeat that the next character does not make")
    if loose and inside:
        raise Unproven("a repeat inside a repeat, of the same characters")
    if loose and (overlap(rest.first, rest.taken) or overlap(rest.first, rest.last)):
        raise Unproven("two repeats that may take the same characters")
    last, wide = rest.last, rest.wide
    dots = isinstance(body, Set) and not overlap(complement(body.ranges), DOT)
    if rest.done or (dots and not rest.first):  # only what it must take can be in vain, or all of it at a line's end
        last = last if dots else union([*last, *_letters(body)])
        wide += within.wide * low
    else:
        taken = union([*taken, *_letters(body)])
    ways = rest.ways * (rest.wide + 1 if loose else 1)
    return _bounded(Rest(first, False, taken, last, wide, ways)), _wrapped(body, text) + sign


def _power(ways: int, count: int) -> int:
    return 1 if ways == 1 else ways ** min(count, STEPS.bit_length())


def _wrapped(node: Node, text: str) -> str:
    return text if isinstance(node, Set | Group | Alt) else f"(?:{text})"


def _empty(node: Node) -> bool:
    """Whether it can match without taking a character."""
    match node:
        case Set():
            return False
        case Seq(items):
            return all(map(_empty, items))
        case Alt(options):
            return any(map(_empty, options))
        case Group(inner, _):
            return _empty(inner)
        case Repeat(inner, low, _, _):
            return low == 0 or _empty(inner)
    return True


def _starts(node: Node) -> Ranges:
    """The characters with which it can begin."""
    match node:
        case Set(ranges):
            return ranges
        case Seq(items):
            found: list[tuple[int, int]] = []
            for item in items:
                found += _starts(item)
                if not _empty(item):
                    break
            return union(found)
        case Alt(options):
            return union(span for option in options for span in _starts(option))
        case Group(inner, _) | Repeat(inner, _, _, _):
            return _starts(inner)
    return ()


def _letters(node: Node) -> Ranges:
    """All characters that it can take."""
    match node:
        case Set(ranges):
            return ranges
        case Seq(nodes) | Alt(nodes):
            return union(span for each in nodes for span in _letters(each))
        case Group(inner, _) | Repeat(inner, _, _, _):
            return _letters(inner)
    return ()


def _positions(node: Node) -> int:
    match node:
        case Set():
            return 1
        case Seq(nodes) | Alt(nodes):
            return sum(map(_positions, nodes))
        case Group(inner, _):
            return _positions(inner)
        case Repeat(inner, low, high, _):
            return _positions(inner) * max(1, low if high is None else high)
    return 0


def _anchored(node: Node) -> bool:
    match node:
        case Begin():
            return True
        case Seq(items):
            return bool(items) and _anchored(items[0])
        case Alt(options):
            return all(map(_anchored, options))
        case Group(inner, _):
            return _anchored(inner)
        case Repeat(inner, low, _, _):
            return low > 0 and _anchored(inner)
    return False


def _literal(node: Node) -> tuple[str, bool]:
    """The text, and whether that is all of the node."""
    match node:
        case Set(((low, high),)) if low == high:
            return chr(low), True
        case Begin():
            return "", True
        case Group(inner, _):
            return _literal(inner)
        case Seq(items):
            text = ""
            for item in items:
                more, whole = _literal(item)
                text += more
                if not whole:
                    return text, False
            return text, True
        case Repeat(inner, low, high, _) if low:
            text, whole = _literal(inner)
            return (text * low, low == high) if whole else (text, False)
    return "", False
