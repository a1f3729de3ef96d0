"""How is every call seen, for a few microseconds? One small object goes along with each.

::

    follow ──► Trace ──► a call that went well is put in line, and counted by dozens: see `Traffic.settle`
                    └──► what tells of a failure begins a record (`meshkit.observe.record`), if there is one to spare

A failure that an event bears holds its traceback, with the frames of whoever made the call: it is put into words at
once and not kept. How many records are begun is bounded, so that a mesh in which everything fails is no slower for
being looked at.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs

from ...call import Verdict
from ...deadline import CURRENT
from ...observe.events import AttemptBegan, AttemptEnded, CallEnded, RejectedCall, Retried, Routed, StateChanged
from ...observe.record.record import Record
from .series import Series

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from .traffic import Traffic

__all__ = ["Tap", "Trace"]

MANY = 64
"""Calls that are counted in one go."""
RECORDS = 100
"""Records that may be begun in a second; the failures of other calls are counted only."""
SUCCESS = Verdict.SUCCESS
Well = tuple[tuple[Any, ...] | None, tuple[str, str, str, str] | None, float, float, int]
"""What went well: an attempt, what its `AttemptEnded` is made of; a call, by its way, with its end, how many seconds it
took and how many retries it had. Or one of these."""
PLAIN = re.compile(r"[A-Za-z0-9.-]{1,100}|\[[0-9a-fA-F:.]{2,45}\]")
PORT = re.compile(r":[0-9]{1,5}\Z", re.ASCII)


class Tap:
    """A `Follows`: what one pipeline hands to the `Traffic`."""

    __slots__ = ("clock", "label", "left", "live", "pending", "pipeline", "second", "seen", "traffic", "whole")

    in_full = False

    def __init__(self, traffic: Traffic, pipeline: Pipeline, gone: Callable[[Any], None]) -> None:
        from weakref import ref

        self.traffic = traffic
        self.label = pipeline.name
        self.clock = pipeline.clock
        self.pipeline = ref(pipeline, gone)
        self.live: dict[int, Trace] = {}
        """The calls under way, by identity, the oldest first."""
        self.pending: deque[Well] = deque()
        self.seen = False
        """Whether any call came by."""
        self.whole = Series(1.0, 60)
        """All its calls, by the second."""
        self.second = 0
        self.left = RECORDS
        """How many records may be begun in this second."""

    def follow(self, pipeline: Pipeline, call: Call, /) -> Trace:
        trace = Trace(self, call)
        self.seen = True
        self.live[id(trace)] = trace
        return trace

    def aside(self, pipeline: Pipeline, event: Any, /) -> None:
        """What somebody has changed by hand."""
        if event.__class__ is StateChanged:
            self.traffic.changed(self.label, event, by_hand=True)

    def spare(self, now: float) -> bool:
        """Whether there is a record to spare."""
        second = int(now)
        if second != self.second:
            self.second, self.left = second, RECORDS
        self.left -= 1
        return self.left >= 0


class Trace:
    """Goes along with one call. It does not hold the call, which would hold it."""

    __slots__ = ("began", "began_at", "cluster", "door", "record", "request", "retries", "routed", "tap")

    detailed = False
    sending = answered = answering = left = returned = None

    def __init__(self, tap: Tap, call: Call) -> None:
        self.tap = tap
        self.door: Any = call.door
        self.request = call.request
        self.began_at = call.began_at
        self.began: AttemptBegan | None = None
        self.cluster = ""
        """Where it went last."""
        self.retries = 0
        self.routed: Any = None
        """What was routed last, with what was before that."""
        self.record: Callable[[Any], None] | None = None
        """``None``: nothing has called for one; `unrecorded`: there was none to spare."""

    def well(self, call: Call, now: float, ended: tuple[Any, ...], /) -> None:
        """As nearly always."""
        tap, events = self.tap, call.events
        tap.live.pop(id(self), None)
        self.door = self.request = None  # a call may be held for longer than it takes
        pending = tap.pending
        pending.append((ended, (tap.label, events.route, events.branch, ended[8]), now, now - self.began_at, 0))
        if len(pending) >= MANY:
            tap.traffic.settle(tap)

    def __call__(self, event: Any, /) -> None:
        kind = event.__class__
        if kind is AttemptBegan:
            self.began = event
        elif kind is AttemptEnded and event.failure is None:
            self.tap.pending.append((made_of(event), None, 0.0, 0.0, 0))
            self.cluster = event.cluster
        elif kind is CallEnded:
            tap = self.tap
            tap.live.pop(id(self), None)
            pending = tap.pending
            if event.verdict is SUCCESS:
                way = tap.label, event.route, event.branch, self.cluster
                pending.append((None, way, event.at, event.at - event.began_at, self.retries))
            else:
                self._ended_ill(event)
            if len(pending) >= MANY:
                tap.traffic.settle(tap)
            self.door = self.request = None
            return
        elif kind is Routed:
            self.routed = self.routed, event
            self.cluster = "" if event.here else event.to
        else:
            self._rare(event)
            return
        if self.record is not None:
            self.record(event)

    def _rare(self, event: Any) -> None:
        record = self.record or self._begin(event.at)
        record(event)
        kind = event.__class__
        if kind is AttemptEnded:
            self.cluster = event.cluster
            self.tap.traffic.attempt(event)
        elif kind is Retried:
            self.retries += 1
        elif kind is RejectedCall:
            if event.endpoint is None and self.began is None and event.policy != self.cluster:
                self.cluster = ""  # it never came there
        elif kind is StateChanged:
            self.tap.traffic.changed(self.tap.label, event)

    def _begin(self, now: float) -> Callable[[Any], None]:
        """Begin a record, if there is one to spare, with what was told so far."""
        pipeline = self.tap.pipeline()
        self.record = unrecorded
        if pipeline is None or not self.tap.spare(now):
            return unrecorded
        token = CURRENT.set(None)  # by now the call's own stands there
        try:
            self.record = record = Belated(pipeline, self, now)
        finally:
            CURRENT.reset(token)
        routed: Any = self.routed
        ways = []
        while routed is not None:
            routed, event = routed
            ways.append(event)
        for event in (*reversed(ways), self.began):
            record(event)
        return record

    def _ended_ill(self, event: CallEnded) -> None:
        """It was no success. Keeps nothing of the event, which holds a traceback."""
        record = self.record or self._begin(event.at)
        record(event)
        self.tap.traffic.failures.add(self.tap.label, event, record if isinstance(record, Record) else None)
        self.tap.traffic.call(self.tap, event, self.cluster, self.retries)


class Belated(Record):
    """A record that is begun only when something has failed."""

    __slots__ = ()

    def __init__(self, pipeline: Pipeline, trace: Trace, now: float) -> None:
        this: Any = Told(trace, pipeline)
        super().__init__(pipeline, this, "error", detailed=False)
        self._at -= max(0.0, now - trace.began_at)


class Told:
    """What a record asks of a call. Where requests are sent on, they are told as those of a client are: by attempts."""

    __slots__ = ("_about", "began_at", "clock", "door", "lines", "request", "scope")

    def __init__(self, trace: Trace, pipeline: Pipeline) -> None:
        self.began_at = trace.began_at
        self.request = trace.request
        self.clock = pipeline.clock
        self.lines = self.scope = None
        self._about: dict[str, Any] = trace.door.about(trace)
        self.door = trace.door
        if self._about["kind"] == "server" and pipeline.choices:
            for name in ("type", "status", "route"):
                self._about.pop(name, None)
            self._about |= {"kind": "client", **_host(trace.request.scope)}
            self.door = self

    def about(self, call: object) -> dict[str, Any]:
        return self._about


def _host(scope: Any) -> dict[str, Any]:
    """What was asked for, and at which port, if the client said one."""
    found = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    host, _, port = found.rpartition(":") if PORT.search(found) else (found, "", "")
    return {"host": host if PLAIN.fullmatch(host) else "*", **({"port": int(port)} if port else {})}


made_of = attrgetter(*(field.name for field in attrs.fields(AttemptEnded)))
"""The values that an event is made of."""


def unrecorded(event: Any) -> None:
    """What stands for a record where there is none to spare."""
