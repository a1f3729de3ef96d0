"""How the tables of these tests are written and played.

A row is ``(now, event, state after it)``. Events: ``"a goes"``, ``"a refused"``, ``"a refused 2.5"`` (its
``retry_after``), ``"a ok"``, ``"a fails"``, ``"a overloaded"``, ``"a cancelled"``, each with an optional instant at
which the answer began (``"a ok @3.5"``), ``"isolate"`` and ``"reset"``. The first word names the call.
"""

from __future__ import annotations

from random import Random

import pytest

from meshkit.breaker import CircuitBreaker
from meshkit.breaker.states import Breaker
from meshkit.call import Call, Verdict
from meshkit.errors import CircuitOpen

VERDICTS = {
    "ok": Verdict.SUCCESS,
    "fails": Verdict.FAILURE,
    "overloaded": Verdict.OVERLOADED,
    "cancelled": Verdict.IGNORED,
}
Row = tuple[float, str, str]


def play(spec: CircuitBreaker, rows: list[Row]) -> Breaker:
    breaker = spec.start(Random(0))
    under_way: dict[str, tuple[Call, float]] = {}
    for now, event, after in rows:
        match event.split():
            case ["isolate"]:
                breaker.isolate(now)
            case ["reset"]:
                breaker.reset(now)
            case [name, "goes"]:
                call = Call(None, None, now)
                assert breaker.enter(call, now) is None
                under_way[name] = (call, now)
            case [_, "refused", *wait]:
                with pytest.raises(CircuitOpen) as caught:
                    breaker.enter(Call(None, None, now), now)
                if wait:
                    assert caught.value.retry_after == float(wait[0]), (now, event)
            case [name, verdict, *answered]:
                call, began = under_way.pop(name)
                if answered:
                    call.answered_at = float(answered[0].removeprefix("@"))
                breaker.exit(call, began, now, VERDICTS[verdict])
        assert breaker.state == after, (now, event)
    return breaker


def tripped(spec: CircuitBreaker, at: float) -> list[Row]:
    """The rows that open a circuit of ``spec.failures`` at an instant."""
    assert spec.failures is not None
    rows: list[Row] = []
    for k in range(spec.failures):
        rows += [
            (at, f"trip{k} goes", "closed"),
            (at, f"trip{k} fails", "open" if k + 1 == spec.failures else "closed"),
        ]
    return rows
