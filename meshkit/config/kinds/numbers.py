"""How are numbers written: truths, counts, factors, shares, durations, sizes?

==========  ==========================================  ============================================
kind        is written                                  not
==========  ==========================================  ============================================
flag        ``true`` ``false``                          ``yes``, ``on``, 1
count       ``3``                                       ``3.0``, ``"3"``
number      ``1.5``                                     ``.inf``, ``.nan``
ratio       ``0.05`` ``5%``                             5
seconds     ``2s`` ``500ms`` ``1m30s``                  2: seconds or milliseconds?
size        ``64KiB`` ``10MB`` ``65536``                ``64k``
==========  ==========================================  ============================================

Bounds are those of the option's validator (`meshkit.options`), which looks at them as well.
"""

from __future__ import annotations

import re
from math import inf
from typing import Any

from ...options import LARGEST, SHORTEST
from .. import units
from ..located import WRONG, Located
from ..mistakes import Mistakes
from .kind import Definitions, Kind, Schema, unwritable

__all__ = ["Count", "Flag", "Number", "Ratio", "Seconds", "Size"]

EXAMPLES = "such as 2s, or 500ms"
MANY = 2**31
"""A bound that nobody needs to be told of."""
_OCTAL = re.compile(r"[-+]?0[0-9]")
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


class Flag(Kind):
    expects = "true or false"
    shapes = classes = (bool,)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value is True or value is False:
            return value
        meant = _TRUTHS.get(value.lower(), value.lower()) if isinstance(value, str) else ""
        return self.wrong(node, mistakes, f"write {meant}" if meant in {"true", "false"} else "")

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "boolean"}


def _bounds(least: float, most: float) -> str:
    if least > -MANY and most < MANY:
        return f" from {least:.12g} to {most:.12g}"
    return f" from {least:.12g} on" if least > -MANY else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit()


def _limits(least: float, most: float) -> Schema:
    schema: Schema = {}
    if least > -inf:
        schema["minimum"] = least
    if most < inf:
        schema["maximum"] = most
    return schema


class Count(Kind):
    """A whole number within bounds."""

    shapes: tuple[type, ...] = (int,)
    classes = (int,)

    def __init__(self, least: float = -inf, most: float = inf) -> None:
        self.least = least
        self.most = most
        self.expects = "a whole number" + _bounds(least, most)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is int and self.least <= value <= self.most:
            if node.written is not None and _OCTAL.match(node.written):
                return self._octal(node, value, mistakes)
            return value
        whole = (
            isinstance(value, float) and abs(value) < MANY and self.least <= value <= self.most and value.is_integer()
        )
        fix = f"write {int(value)}" if whole else ""
        if isinstance(value, str) and value.isascii() and value.isdigit():
            fix = f"write {value[:20]} without quotes"
        return self.wrong(node, mistakes, fix)

    def _octal(self, node: Located, value: int, mistakes: Mistakes) -> Any:
        octal = f", or 0o{abs(value)}" if not {"8", "9"} & {*str(value)} else ""
        mistakes.note(node, f"{node.written} is octal for some, and decimal for others", f"write {value}{octal}")
        return WRONG

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "integer", **_limits(self.least, self.most)}


class Number(Kind):
    """A finite number within bounds; with bounds from 0 to 1 also a percentage."""

    shapes: tuple[type, ...] = (int, float)
    classes = (int, float)

    def __init__(self, least: float = -inf, most: float = inf) -> None:
        self.least = least
        self.most = most
        self.share = least >= 0 and most <= 1
        self.expects = "a number" + _bounds(least, most)
        if self.share:
            self.shapes = (int, float, str)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is str:
            value = units.percent(value) if self.share else value
        if (value.__class__ is float or value.__class__ is int) and self.allows(value):
            return value
        fix = ""
        if self.share and node.value.__class__ in {int, float} and node.value > 1 and self.allows(node.value / 100):
            fix = f"write {node.written}%"
        if not self.share and value.__class__ is str and units.percent(value) is not None:
            fix = f"write {value[:-1]}, without %"
        return self.wrong(node, mistakes, fix)

    def allows(self, value: float) -> bool:
        return self.least <= value <= self.most and abs(value) <= LARGEST

    def fits(self, node: Located) -> bool:
        value = node.value
        return value.__class__ in {int, float} or (self.share and isinstance(value, str) and value.endswith("%"))

    def schema(self, definitions: Definitions) -> Schema:
        schema = {"type": "number", **_limits(self.least, self.most)}
        return {"anyOf": [schema, {"type": "string", "pattern": f"^{units.PERCENT}$"}]} if self.share else schema


class Ratio(Number):
    """A share of one."""

    def __init__(self, zero: bool = True) -> None:
        super().__init__(0, 1)
        self.zero = zero
        self.expects = "a ratio from 0 to 1" if zero else "a ratio above 0 and up to 1"

    def allows(self, value: float) -> bool:
        return 0 <= value <= 1 and (self.zero or value > 0)

    def schema(self, definitions: Definitions) -> Schema:
        schema = super().schema(definitions)
        if not self.zero:
            schema["anyOf"][0]["exclusiveMinimum"] = schema["anyOf"][0].pop("minimum")
        return schema


class Seconds(Kind):
    """A duration."""

    shapes = (str,)
    classes = (int, float)

    def __init__(self, zero: bool = True, least: float = 0, most: float = inf) -> None:
        self.zero = zero
        self.least = least
        self.most = most
        self.expects = "a duration" if zero else "a duration above 0"
        if least > 0:
            self.expects = f"a duration from {units.duration_text(least)} to {units.duration_text(most)}"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is str:
            seconds = units.duration(value)
            if seconds is not None and (seconds >= SHORTEST or (self.zero and seconds == 0)):
                if self.least <= seconds <= self.most:
                    return seconds
                return self.wrong(node, mistakes)
            if _is_number(value):
                return self.wrong(node, mistakes, f"give it a unit, such as {value}s or {value}ms")
            meant = units.duration_meant(value) if seconds is None else None
            return self.wrong(node, mistakes, f"write {meant}" if meant else EXAMPLES)
        if value.__class__ in {int, float} and value > 0:
            return self.wrong(node, mistakes, f"give it a unit, such as {node.written}s or {node.written}ms")
        return self.wrong(node, mistakes, EXAMPLES)

    def fits(self, node: Located) -> bool:
        return node.value.__class__ is str and units.duration(node.value) is not None

    def write(self, value: Any) -> Any:
        text = units.duration_text(value)
        if text is None:
            raise unwritable(value, "no duration of up to 15 digits is just that")
        return text

    def schema(self, definitions: Definitions) -> Schema:
        def make() -> Schema:
            return {"type": "string", "pattern": f"^{units.DURATION}$", "examples": ["2s", "500ms", "1m30s"]}

        return definitions.named("duration", make)


class Size(Count):
    """So many bytes."""

    shapes = (int, str)

    def __init__(self, least: float = 0, most: float = inf) -> None:
        super().__init__(least, most)
        self.expects = "a size such as 64KiB, 10MB, or a number of bytes"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is str:
            value = units.size(value)
        if value.__class__ is int and self.least <= value <= self.most:
            return value
        if value.__class__ is int:
            bounds = [units.size_text(int(each)) for each in (self.least, self.most) if each < inf]
            return self.wrong(node, mistakes, f"give from {' to '.join(map(str, bounds))}")
        meant = units.size_meant(node.value) if isinstance(node.value, str) else None
        return self.wrong(node, mistakes, f"write {meant}" if meant else "")

    def write(self, value: Any) -> Any:
        return units.size_text(value)

    def schema(self, definitions: Definitions) -> Schema:
        text = {"type": "string", "pattern": f"^{units.SIZE}$", "examples": ["64KiB", "10MB"]}
        return {"anyOf": [super().schema(definitions), text]}
