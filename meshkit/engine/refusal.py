"""Who refused a call, in front of what, and knowing what? Written down where somebody follows it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from ..call import Call
from ..errors import Rejected
from ..observe.events import RejectedCall
from ..section import CHOICE, named
from .back import survive

__all__ = ["numbers", "refused", "where"]

MANY = 16
"""Numbers of a policy that are told."""


def refused(call: Call, state: Any, rejection: Rejected, now: float) -> None:
    """A gate or a choice has raised; ``call.events`` is there."""
    events = call.events
    events.claim(rejection)
    known = numbers(state, call, now) if events.detailed and not hasattr(state, "pick") else None
    events.append(RejectedCall(now, named(state), where(call), rejection, known))


def where(call: Call) -> Any:
    """The endpoint that a gate stands in front of; none where it stands in front of all, whoever was picked before."""
    mark = call.marks
    while mark is not None:
        if mark[1].kind is CHOICE and not hasattr(mark[1].state, "titles"):  # a router has no endpoints
            return call.endpoint
        mark = mark[0]
    return None


def numbers(state: Any, call: Call, now: float) -> Mapping[str, Any]:
    """What a policy says its decision about this call rests on. No call is lost to a policy that fails there."""
    try:
        state = getattr(state, "admission", state)  # a cluster as a gate
        asked = getattr(state, "numbers", None)
        if asked is not None:
            known = asked(call, now)
        else:
            shown = getattr(state, "snapshot", None)
            known = {} if shown is None else shown(now)
        return dict(islice(known.items(), MANY))  # a copy: it may be the policy's own
    except Exception as error:
        survive(error)
        return {}
