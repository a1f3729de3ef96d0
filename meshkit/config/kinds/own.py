"""How is written what no type tells? Ranges of statuses, header fields, resources, sources of a key.

========================  ==============================================  =========================================
option                    is written                                      in Python
========================  ==============================================  =========================================
``HttpCheck.expect``      ``[200-299, 304]``                              ``((200, 299), (304, 304))``
``HttpCheck.headers``     ``{x-probe: yes}``                              ``(("x-probe", "yes"),)``
``DynamicRatio``          ``{cpu_utilization: [1.5, 0.8], queue: 2}``     ``(("cpu_utilization", 1.5, 0.8), ...)``
``FirstOf`` ``Combined``  ``[header:x-user, client]``                     ``FirstOf("header:x-user", "client")``
========================  ==============================================  =========================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ...balance import Key
from ...condition import HIGHEST, LOWEST
from ...errors import ConfigError
from ..located import WRONG, Located
from ..mistakes import Mistakes
from .failures import STATUS
from .kind import Definitions, Kind, Schema, unwritable
from .several import Several

__all__ = ["Sources", "Span", "fields_told", "resources_told"]

_SPAN = re.compile(f"({STATUS})(?:-({STATUS}))?")


class Span(Kind):
    """A status, or statuses from one to another."""

    expects = "a status such as 200, or a range such as 200-299"
    shapes = (int, str)
    classes = (tuple,)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is int and LOWEST <= value <= HIGHEST:
            return value, value
        match = _SPAN.fullmatch(value) if value.__class__ is str else None
        if match is None or match[2] is None or match[1] > match[2]:
            return self.wrong(node, mistakes)
        return int(match[1]), int(match[2])

    def write(self, value: Any) -> Any:
        least, most = value
        return least if least == most else f"{least}-{most}"

    def schema(self, definitions: Definitions) -> Schema:
        text = {"type": "string", "pattern": f"^{STATUS}-{STATUS}$"}
        return {"anyOf": [{"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}, text]}


class Sources(Kind):
    """A spec made of any number of ``inner``, one after the other."""

    shapes = (list, str, dict)

    def __init__(self, cls: type, inner: Callable[[], Kind]) -> None:
        self.cls = cls
        self.classes = (cls,)
        self.expects = "a list of sources such as header:x-user, client"
        self._inner = inner

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        found = Several(self._inner()).read(node, mistakes)
        if found is WRONG:
            return WRONG
        try:
            return self.cls(*found)
        except ConfigError as error:
            return self.wrong(node, mistakes, error.fix)

    def write(self, value: Any) -> Any:
        kind = self._inner()
        plain = [each.source if isinstance(each, Key) and not each.terminal else each for each in value.sources]
        return [kind.write(each) for each in plain]

    def schema(self, definitions: Definitions) -> Schema:
        return Several(self._inner()).schema(definitions)


def fields_told(value: Any) -> Any:
    """Header fields as a mapping."""
    told = dict(value)
    if len(told) < len(value):
        raise unwritable(value, "a mapping has each name once")
    return told


def resources_told(value: Any) -> Any:
    return {name: [coefficient, limit] for name, coefficient, limit in value}
