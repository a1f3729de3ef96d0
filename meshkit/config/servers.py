"""Where is one server, as a file says it? An address, its options, or a source that finds some.

==========================================  =====================================================================
``10.0.0.7:8080`` ``https://orders.eu``     an address
``{address: 10.0.0.7:8080, weight: 3}``     the options of an endpoint
``{dns: {host: orders, port: 8080}}``       a source
==========================================  =====================================================================

What else is written there, and what was meant: a policy, which stands in the cluster's ``pipeline``; another cluster,
which is no server; a host and a port, each by itself.
"""

from __future__ import annotations

import re
from typing import Any

from .foreign import FOREIGN
from .kinds.choice import Choice
from .kinds.classes import Class
from .kinds.kind import Definitions, Kind, Schema
from .located import WRONG, Located
from .mistakes import Mistakes, quoted, shown
from .names import Names

__all__ = ["Server"]

_WEIGHT = re.compile(r"(\S{1,253}) weight=([0-9]{1,9})")
_DNS = re.compile(r"dns:/*([A-Za-z0-9.-]{1,253})(?::([0-9]{1,5}))?")


class Server(Kind):
    """An endpoint of a cluster, or a source of some."""

    expects = "an endpoint such as 10.0.0.7:8080"
    shapes: tuple[type, ...] = (str, dict)

    def __init__(self, endpoint: Class, source: Choice, policy: Choice, names: Names) -> None:
        self.endpoint = endpoint
        self.source = source
        self.policy = policy
        self.names = names
        self.classes = endpoint.classes

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is str:
            fix = self._meant_by(value)
            if fix:
                mistakes.note(node, f"{quoted(value)} is no endpoint", fix)
                return WRONG
            return self.endpoint.read(node, mistakes)
        if value.__class__ is not dict:
            return self.wrong(node, mistakes, "write each with a host and a port" if value.__class__ is int else "")
        if self.source.fits(node):
            return self.source.read(node, mistakes)
        word = next(iter(value), "")
        if len(value) == 1 and word in self.policy.members:
            mistakes.note(node, f"{word} is a policy, and no endpoint", "write it under pipeline:", key=word)
            return WRONG
        host = next((value[name].value for name in ("host", "hostname", "ip", "server") if name in value), None)
        port = value["port"].value if "port" in value else None
        if isinstance(host, str) and isinstance(port, int | str) and "address" not in value:
            mistakes.note(node, "an endpoint has its host and port in one", f"write {shown(f'{host}:{port}')}")
            return WRONG
        if value and not any(name in self.endpoint.options or name in FOREIGN["endpoint"] for name in value):
            texts = [each.value for each in value.values()]
            if all(isinstance(text, str) and ":" in text for text in texts):
                mistakes.note(node, "endpoints have no names here", f"write a list, [{shown(', '.join(texts))}]")
                return WRONG
        return self.endpoint.read(node, mistakes)

    def _meant_by(self, text: str) -> str:
        if text in self.source.members:
            return f"write {text}: {{...}} with its options"
        if text in self.policy.members:
            return "that is a policy: write it under pipeline:"
        if self.names.has("cluster", text):
            return "that is a cluster, and an endpoint is a server: a route or a split leads to clusters"
        weight = _WEIGHT.fullmatch(text)
        if weight is not None:
            return f"write {{address: {weight[1]}, weight: {weight[2]}}}"
        dns = _DNS.fullmatch(text)
        if dns is not None:
            return f"write dns: {{host: {dns[1]}, port: {dns[2] or 80}}}"
        parts = text.replace(",", " ").split()
        if len(parts) > 1 and all(":" in part for part in parts):
            return f"write a list, [{shown(', '.join(parts))}]"
        return ""

    def write(self, value: Any) -> Any:
        return (self.source if self.source.suits(value) else self.endpoint).write(value)

    def fits(self, node: Located) -> bool:
        return self.source.fits(node) or self.endpoint.fits(node)

    def suits(self, value: Any) -> bool:
        return self.source.suits(value) or self.endpoint.suits(value)

    def offers(self, word: str) -> bool:
        return self.source.offers(word) or self.endpoint.offers(word)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [self.source.schema(definitions), self.endpoint.schema(definitions)]}
