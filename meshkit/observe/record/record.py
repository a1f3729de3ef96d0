"""Why did this call end as it did? A decision record: what every policy knew, and what was decided, in order.

::

    events of one call ──► Record (plain data, live) ──► data() ──► json()   for machines, at most 32 KiB
                                                       └───────────► text    for people (`meshkit.observe.record.story`)

What is told is put away as it comes; words, numbers and times are made when somebody reads. Only exceptions are turned
at once into what may be said of them (`meshkit.observe.redact`): whoever keeps one keeps its traceback, with the frames
of those who made the call. The idea is that of Dapper's annotations (Sigelman et al., 2010), for the decisions of one
process instead of the hops of many, and of ``EXPLAIN ANALYZE``.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import ref

from ...deadline import CURRENT, until
from ...fields.trace_context import ids
from ..events import AttemptBegan, AttemptEnded, Bounded, CallEnded, FellBack, Passed, Routed
from ..ledger import Ledger
from ..passing import PASSING
from ..redact import cause, path, scalar, text
from .answer import answer
from .fitting import LARGEST, dumped, fitting
from .forms import AS_IT_IS, AT_ONCE, FORMS, seconds
from .structure import along, measures, outer, retries

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline

__all__ = ["LARGEST", "STEPS", "Record"]

VERSION = 1
"""Of the form."""
STEPS = 100
"""Of a record: the first half and the last."""
LINES = 50
"""Of the ledger."""
FIELDS = 12
"""Of what is said of the request."""
IDS = 4
"""Of what is said of the trace."""

ORIGIN = os.urandom(4).hex()
"""Of this process, or of those it was forked from."""
COUNT = itertools.count(1)


class Record:
    """What is known of one call: a `meshkit.observe.trail.Follower`, made when the call begins, readable at any time.

    ``because`` says why it is made, ``detailed`` whether the call is to be told of in full. Keeps plain data and values
    only: no call, no request, no exception.
    """

    __slots__ = (
        "__weakref__",
        "_about",
        "_answer",
        "_at",
        "_began_at",
        "_exchange",
        "_failure",
        "_ledger",
        "_pipeline",
        "_steps",
        "_until",
        "attempts",
        "because",
        "branch",
        "detailed",
        "dropped",
        "duration",
        "number",
        "outcome",
        "pipeline",
        "route",
        "trace",
        "within",
    )

    sending = None
    left = None

    def __init__(self, pipeline: Pipeline, call: Call, because: str = "", *, detailed: bool = True) -> None:
        self.because = because
        self.detailed = detailed
        self.pipeline = pipeline.name
        self.route = self.branch = ""
        """The route it took last, and the branch of a split; empty: none."""
        self.outcome: str | None = None
        """Of `CallEnded`; ``None`` while the call, or its body, is under way."""
        self.duration: float | None = None
        """Seconds; ``None`` as with ``outcome``."""
        self.attempts = 0
        """Sent so far."""
        self.dropped = 0
        """Steps that were not kept: those in the middle of very many."""
        self.number = next(COUNT)
        """Which record of this process it is."""
        self.within: int | None = None
        """That of the call within which this one is made, where somebody says so."""
        self.trace: Any = tuple(PASSING.get())
        """Identifiers, by name; or the fields of a trace that passes through, which has some."""
        self._at = time.time()
        self._began_at = call.began_at
        self._about: Mapping[str, Any] = call.door.about(call)
        self._steps: list[Any] = []
        self._failure: dict[str, Any] | None = None
        self._answer: dict[str, Any] | None = None
        self._exchange: Any = None
        self._pipeline = ref(pipeline)  # which may come by other policies: then nothing keeps the old ones
        self._until = math.inf
        self._ledger: Ledger | None = None
        scope = CURRENT.get()  # the call takes it over only afterwards
        if scope is not None:
            inherited = until(scope, pipeline.clock, call.began_at)
            if inherited is not None:
                self._until = inherited
        if self._about.get("kind") == "server":
            self._ledger = Ledger(call, scope)
            self._exchange = call.request

    def __call__(self, event: Any, /) -> None:
        kind = event.__class__
        steps = self._steps
        if kind in AS_IT_IS:
            steps.append(event)
            if kind is Routed:
                self._go(event)
        elif kind is CallEnded:
            self._end(event)
            return
        elif kind is AttemptBegan:
            self.attempts += 1
            steps.append(event)
        elif kind in AT_ONCE or (kind is AttemptEnded and event.failure is not None):
            steps.append((event.at, kind, FORMS[kind][1](event)))
        elif kind in FORMS:
            steps.append(event)
        else:
            return  # nothing we know how to write
        if len(steps) > STEPS:
            del steps[STEPS // 2]
            self.dropped += 1

    def _go(self, event: Routed) -> None:
        if event.kind == "route":
            self.route, self.branch = event.route, ""
        else:
            self.branch = event.route

    def _end(self, event: CallEnded) -> None:
        if self._ledger is not None:
            self._ledger.freeze()
        self.attempts, self.route, self.branch = event.attempts, event.route, event.branch
        if event.failure is not None:
            self._failure = {**cause(event.failure), "own": event.own}
        exchange = self._exchange
        if exchange is not None:
            self._answer = answer(exchange, event.failure)
            self._exchange = None
        self.duration = event.duration
        self.outcome = event.outcome

    def answered(self, call: Call, result: Any, /) -> None:
        """A client's caller is given a response."""
        self._answer = {"status": result.status_code}

    def answering(self, call: Call, status: int, /) -> tuple[()]:
        """A server's answer begins: its route and its status are known by now."""
        self._about = call.door.about(call)
        return ()

    @property
    def complete(self) -> bool:
        """Whether the call is over, with its body."""
        return self.outcome is not None

    @property
    def spent(self) -> list[Any]:
        """The lines of the ledger so far (`meshkit.deadline.Spent`), of calls made below this one."""
        return [] if self._ledger is None else self._ledger.spent

    def data(self) -> dict[str, Any]:
        """It as plain data, in the form of ``docs/reference/decision-record.md``: made anew each time."""
        duration, states = self.duration, self._way()
        data: dict[str, Any] = {
            "meshkit": VERSION,
            "at": datetime.fromtimestamp(self._at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "id": _id(self.number),
            "within": None if self.within is None else _id(self.within),
            "trace": _traced(self.trace),
            "pipeline": text(self.pipeline),
            **({"route": text(self.route)} if self.route else {}),
            **({"branch": text(self.branch)} if self.branch else {}),
            "call": _redacted(self._about),
            "because": self.because,
            "complete": self.complete,
            "outcome": self.outcome,
            "duration": None if duration is None else seconds(duration),
            "attempts": self.attempts,
            "failure": self._failure and {**self._failure},
            "answer": self._answer and {**self._answer},
            "retries": retries(states),
            "deadline": self._deadline(states),
        }
        ledger = self._ledger
        if ledger is not None:
            data["ledger"] = [ledger.told(line) for line in self.spent[:LINES]]
        several = tuple(self._steps)
        at_endpoints = any(kept.__class__ is Passed and kept.endpoint is not None for kept in several)
        loads = measures(states) if at_endpoints else frozenset()
        steps = [self._step(kept, loads) for kept in several]
        data |= {"steps": steps, "dropped": self.dropped}
        return fitting(data)

    def _step(self, kept: Any, loads: frozenset[str]) -> dict[str, Any]:
        at, kind, said = kept if kept.__class__ is tuple else (kept.at, kept.__class__, None)
        what, form = FORMS[kind]
        step = {"at": seconds(at - self._began_at), "what": what, **(form(kept) if said is None else said)}
        if kind is Passed and kept.endpoint is not None and kept.policy in loads:
            step["load"] = True
        return step

    def _way(self) -> list[Any]:
        """The states it came by, as far as it is known."""
        pipeline = self._pipeline()
        states = () if pipeline is None else pipeline.states
        return along(states, {step.policy: step.route for step in (*self._steps,) if step.__class__ is Routed})

    def _deadline(self, states: list[Any]) -> dict[str, Any] | None:
        several = tuple(self._steps) if self.detailed else ()
        bounds = [step.until for step in several if step.__class__ is Bounded]  # they come first
        took_over = (step[2]["policy"] for step in several if step.__class__ is tuple and step[1] is FellBack)
        own = min(bounds[: outer(states, frozenset(took_over))], default=math.inf)
        most = seconds(min(self._until, own) - self._began_at)
        if most is None:
            return None
        left = None if self.duration is None else seconds(most - self.duration)
        return {"seconds": most, "left": left, "inherited": self._until <= own}

    def json(self) -> str:
        """`data` in one line of JSON: at most 32 KiB in UTF-8."""
        return dumped(self.data())

    @property
    def text(self) -> str:
        """The same for people."""
        from .story import tell  # only readers need it

        return tell(self.data())

    @property
    def summary(self) -> str:
        """The first sentence or two of it, in one line of at most 200 characters."""
        from .story import summary  # as above

        return summary(self.data())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Record {self.pipeline!r} {self.outcome or 'under way'}, attempts={self.attempts}>"


def _id(number: int) -> str:
    return f"{os.getpid():x}-{ORIGIN}-{number:x}"


def _traced(trace: Any) -> dict[str, Any] | None:
    """What identifies the trace, bounded."""
    known = ids(trace) if trace.__class__ is tuple else trace
    return {text(name)[:40]: scalar(value) for name, value in [*known.items()][:IDS]} if known else None


def _redacted(about: Mapping[str, Any]) -> dict[str, Any]:
    said = {text(name)[:40]: scalar(value) for name, value in [*about.items()][:FIELDS]}
    where = about.get("path")
    if isinstance(where, str):
        said["path"] = path(where)
    return said
