"""What is one case? Bytes for a gateway, what its upstream answers, what must come of it, and who says so.

A script is bytes to send, in their order, with a `Step` in between. That of the client is followed by a second request,
`NEXT`, if the connection is still open after the answers: what a gateway has taken for a part of the first one, or for
a request in between, shows there (Linhart et al., HTTP Request Smuggling, 2005).
"""

from __future__ import annotations

import enum
from typing import Any

import attrs

__all__ = ["CLOSE", "DEAF", "FLOOD", "HALF", "NEXT", "OK", "RESET", "STALL", "WAIT", "Case", "Drip", "Must", "Step"]
__all__ += ["broken", "closed", "passed", "refused", "unread", "upstream"]


class Step(enum.Enum):
    """What happens between bytes."""

    CLOSE = "the connection is closed, in order"
    DEAF = "nothing more is read, until the other side gives up"
    FLOOD = "the bytes before this are sent again and again, until the other side gives up"
    HALF = "the side that sends is closed"
    RESET = "the connection is reset"
    STALL = "nothing is sent, until the other side gives up"
    WAIT = "a head of an answer is waited for"


CLOSE, DEAF, FLOOD, HALF, RESET, STALL, WAIT = Step
FLOODED, STEPS = 32_000_000, 400
"""Bytes, and steps, after which a flood ends by itself."""


@attrs.frozen
class Drip:
    """Bytes, one by one."""

    data: bytes
    every: float = 0.05
    """Seconds."""


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEXT = b"GET /next HTTP/1.1\r\nHost: next.example\r\n\r\n"

Script = tuple[Any, ...]


def _script(value: Any) -> Script:
    return value if isinstance(value, tuple) else (value,)


@attrs.frozen(kw_only=True)
class Must:
    """What must come of a case; what is `None` is left open."""

    statuses: tuple[int, ...] = ()
    """One of them is that of the first final answer; 0: there is none."""
    saw: int | None = None
    """Requests that reached the upstream, `NEXT` not counted."""
    ends: bool | None = None
    """Whether the connection is closed after the answers."""
    whole: bool | None = True
    """Whether the answers ended where their framing says."""
    target: bytes | None = None
    """Of the first request that the upstream saw, and so on."""
    method: bytes | None = None
    body: bytes | None = None
    fields: dict[str, bytes | None] = attrs.field(factory=dict)
    """All values, joined by commas; `None`: the field is absent."""
    told: dict[str, bytes | None] = attrs.field(factory=dict)
    """The same of the first final answer."""
    interim: tuple[int, ...] | None = None
    """The statuses of the interim answers."""
    answer: bytes | None = None
    """The body of the first final answer."""


def refused(*statuses: int, **more: Any) -> Must:
    """The gateway says no, and the upstream hears nothing. The connection ends, unless told otherwise."""
    return Must(**{"statuses": statuses or (400,), "saw": 0, "ends": True, **more})


def closed(**more: Any) -> Must:
    """Not even an answer."""
    return Must(**{"statuses": (0,), "saw": 0, "ends": True, **more})


def passed(target: bytes | None = None, *, body: bytes | None = None, **more: Any) -> Must:
    """One request reached the upstream, and its answer the client."""
    return Must(**{"statuses": (200,), "saw": 1, "target": target, "body": body, **more})


def upstream(*statuses: int, **more: Any) -> Must:
    """One request reached the upstream, and what that did is told by the gateway itself."""
    return Must(**{"statuses": statuses or (502,), "saw": 1, **more})


def broken(status: int = 200, **more: Any) -> Must:
    """The head of the answer reached the client; that the rest is missing is plain: the connection ends too early."""
    return Must(**{"statuses": (status,), "saw": 1, "ends": True, "whole": False, **more})


@attrs.frozen
class Case:
    """Bytes, what must come of them, and the source."""

    name: str
    """Words, for the table."""
    sent: Script = attrs.field(converter=_script)
    must: Must
    source: str
    answer: Script = attrs.field(default=OK, converter=_script, kw_only=True)
    """What the upstream does with each request that is not `NEXT`."""
    at: str = attrs.field(default="body", kw_only=True)
    """When: as soon as it has a ``"connection"``, a ``"head"``, or all of the ``"body"``."""
    partial: bool = attrs.field(default=False, kw_only=True)
    """Whether the client keeps a part of its request for itself, so that nothing can follow."""
    asks: int = attrs.field(default=1, kw_only=True)
    """Requests that are in it; more of them at the upstream are smuggled."""
    methods: tuple[bytes, ...] = attrs.field(default=(), kw_only=True)
    """Where they are no GET."""
    site: str = attrs.field(default="plain", kw_only=True)
    """How the gateway is configured: ``plain``; ``trusts`` its peer; ``limits`` the body to 1000 bytes; ``rewrites``
    the path from what it has captured, or ``redirects`` to it; ``nobody`` listens at its upstream."""
    shows: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    """What the table tells of the request that the upstream saw: ``target``, ``method``, or names of fields."""
    varies: bool = attrs.field(default=False, kw_only=True)
    """Whether under granian it depends on who is quicker which of the statuses it is."""
    granian: Must | None = attrs.field(default=None, kw_only=True)
    """Under granian, whose parser is hyper's, where that differs: what hyper refuses in its own way, or takes in a way
    that is sound, is not the gateway's to judge."""

    @property
    def goes_on(self) -> bool:
        """Whether `NEXT` can be sent, and somebody answers it."""
        return not self.partial and self.site != "nobody" and self.at != "connection" and HALF not in self.sent


def unread(case: Case) -> Case:
    """A body that is malformed, or does not come. Of this hyper tells as if the client had left; granian then answers
    500 by itself.
    """
    if case.granian is not None:
        return case
    must = case.must
    return attrs.evolve(case, granian=attrs.evolve(must, statuses=(*must.statuses, 408, 500), ends=None))
