"""What happens if calls come, end, wait and are given up in just this order? The shell that a script drives.

It stands around the engine like those of ``runtime``, but nobody waits: each step of the script says how much time goes
by, and then what happens to which call. Every gate is folded with a `Witness`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from ..call import Call, Failure, Verdict
from ..engine import admit, advance, again, gather, outlived, patience, release, survived, willing
from ..errors import Rejected
from ..policy import Head, Waiter
from ..section import Section, fold
from .witness import ROUNDING, Broken, Witness

__all__ = ["Script", "Step"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED


class Step(NamedTuple):
    """After so many seconds: ``"call"`` begins a call, ``"end"`` ends one that was sent, ``"cancel"`` gives one up
    wherever it stands, ``"race"`` gives up those whose turn in a queue has just come.
    """

    verb: str
    after: float
    which: int
    verdict: Verdict
    within: float | None
    """The new call's time, in seconds: its deadline."""
    asked: float | None
    """The ``retry_after`` of a failure."""


class Door:
    """Answers by name for what a request is: its item, its attribute, or, where none were given, a small number."""

    def fact(self, call: Call, name: str) -> Any:
        request = call.request
        if isinstance(request, int):
            return 1 + request
        return request[name] if isinstance(request, Mapping) else getattr(request, name)

    def head(self, call: Call) -> Head:
        """Of a mapping what it has of ``method``, ``scheme``, ``host``, ``port``, ``path`` and ``query``."""
        given = call.request if isinstance(call.request, Mapping) else {}
        method, scheme, host = given.get("method", "GET"), given.get("scheme", "http"), given.get("host", "")
        return method, scheme, host, given.get("port"), given.get("path", "/"), given.get("query")


class Way:
    """One call under way: sent, asleep until an instant, or standing in a queue."""

    __slots__ = ("call", "number", "since", "until", "waiter", "witness", "woken")

    def __init__(self, call: Call, number: int, witness: Witness) -> None:
        self.call = call
        self.number = number
        self.witness = witness
        self.since = 0.0
        self.until: float | None = None
        self.waiter: Waiter | None = None
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1
        if self.waiter is None or self.woken > 1 or not self.waiter.granted:
            self.witness.found("law 2: a place in a queue was granted twice, or after it was given up")


class Script:
    """Plays steps on one started policy."""

    def __init__(self, spec: Any, seed: int, requests: Sequence[Any], *, reading: bool, counting: bool) -> None:
        self.now = 0.0
        self.log: list[tuple[Any, ...]] = []
        """Every decision, in order."""
        self.rejected: set[int] = set()
        """The calls refused on the spot."""
        self.ways: list[Way] = []
        self.rng = Random(seed)  # noqa: S311  # the policy's own
        self.state = spec.start(self.rng)
        self._calls = 0
        self._requests = requests
        self.witness = Witness(self.state, reading=reading, counting=counting)
        self.root = fold([self.state], self.witness.watch)

    def play(self, steps: Sequence[Step], skip: frozenset[int] | set[int] = frozenset()) -> list[tuple[Any, ...]]:
        """Play the steps without the calls to ``skip``, bring home what is still under way, and answer the log."""
        for step in steps:
            if step.verb == "race":
                for way in [way for way in self.ways if way.woken]:
                    self._give_up(way)
            self._pass(self.now + step.after)
            sent = [way for way in self.ways if way.until is None and way.waiter is None]
            if step.verb == "call":
                self._calls += 1
                if self._calls not in skip:
                    self._begin(step)
            elif step.verb == "end" and sent:
                self._end(sent[step.which % len(sent)], step.verdict, step.asked)
            elif step.verb == "cancel" and self.ways:
                self._give_up(self.ways[step.which % len(self.ways)])
            self.witness.look(self.now)
        self._bring_home()
        return self.log

    def _bring_home(self) -> None:
        while self.ways:
            self._pass(self.now + 1.0)
            ends = [way for way in self.ways if way.until is None and way.waiter is None]
            for way in ends:
                self._end(way, SUCCESS, None)
            waits = [way.until for way in self.ways if way.until is not None and way.waiter is None]
            if not ends and waits:
                self._pass(max(self.now, min(waits)))
            elif not ends and not any(way.woken for way in self.ways):
                raise Broken("law 2: nobody is under way, and a place in the queue was never granted")
        if hasattr(self.state, "idle") and not self.state.idle():
            raise Broken("law 4: every call has ended, and idle() is false: something was not given back")

    def _pass(self, until: float) -> None:
        """Let time go by: those go on whose turn in a queue came, then sleepers wake and patience ends, in order."""
        while True:
            for way in [way for way in self.ways if way.woken]:
                self._admit(way)
            due = [way for way in self.ways if way.until is not None and way.until <= until]
            if not due:
                self.now = max(self.now, until)
                return
            way = min(due, key=lambda way: (way.until, way.number))
            self.now = max(self.now, way.until or 0.0)
            if way.waiter is not None:
                self._admit(way)
            else:
                way.until = None
                self._walk(way, way.call.rest)

    def _begin(self, step: Step) -> None:
        call = Call(Door(), self._requests[step.which % len(self._requests)], self.now)
        call.deadline = None if step.within is None else self.now + step.within
        if hasattr(self.state, "until"):
            until = self.state.until(call, self.now)
            if until != self.state.until(call, self.now):
                raise Broken(f"law 1: until() answered {until!r}, and something else when asked again")
        way = Way(call, self._calls, self.witness)
        self.ways.append(way)
        self._walk(way, self.root)
        if way not in self.ways:
            self.rejected.add(way.number)

    def _walk(self, way: Way, section: Section) -> None:
        call = way.call
        try:
            while True:
                if section.facts is not None:
                    gather(call, section.facts)
                answer: Any = advance(call, section, self.now)
                self.witness.hold()
                if isinstance(answer, Section) and answer.after is not None:  # what runs there is not a policy's
                    section = answer.after
                elif answer is not None and not isinstance(answer, Section | Waiter) and answer == 0:
                    section = call.rest
                else:
                    break
        except Rejected as rejection:
            self.witness.hold()
            self._reject(way, rejection)
            return
        if answer is None or isinstance(answer, Section):  # a destination of its own
            way.since = self.now
            self.log.append((way.number, "sent", self.now, str(call.endpoint), call.deadline))
        elif answer.__class__ is Waiter:
            self.log.append((way.number, "queued", self.now))
            way.waiter, way.woken = answer, 0
            answer.wake = way.wake
            way.until = patience(call, answer)
        else:
            self.log.append((way.number, "waits", self.now, answer))
            way.until = self.now + float(answer)

    def _admit(self, way: Way) -> None:
        section = admit(way.call, way.waiter, self.now) if way.waiter is not None else None
        way.waiter, way.until, way.woken = None, None, 0
        if section is None:
            try:
                section = outlived(way.call, 0.0, self.now)
            except Rejected as rejection:
                self._reject(way, rejection)
                return
        self._walk(way, section)

    def _reject(self, way: Way, rejection: Rejected) -> None:
        self.ways.remove(way)
        wait = rejection.retry_after
        if wait is not None and not 0 <= wait < math.inf:
            raise Broken(f"errors: retry_after is {wait!r}: give finite seconds from 0 on, or None")
        self.log.append((way.number, "rejected", self.now, type(rejection), wait))
        self._release(way, IGNORED)

    def _end(self, way: Way, verdict: Verdict, asked: float | None) -> None:
        call = way.call
        call.answered_at = (way.since + self.now) / 2
        if verdict is not SUCCESS and verdict is not IGNORED:
            call.failure = Failure(ConnectionError(), status=None, retry_after=asked)
            self._ask_twice(call.failure)
            before = survived[0]
            wait: Any = again(call, willing(call, None, verdict), self.now, verdict)
            self.witness.hold()
            if survived[0] != before:
                raise Broken(f"{survived[1]!r}: give finite seconds from 0 on, or None to stop")
            if wait is not None:
                if call.deadline is not None and self.now + wait > call.deadline + ROUNDING:
                    raise Broken(f"again() answered {wait!r} s, which crosses the call's deadline")
                self.log.append((way.number, "again", self.now, call.attempt, wait))
                way.until = self.now + wait
                return
        self.ways.remove(way)
        self.log.append((way.number, "ended", self.now, verdict))
        self._release(way, verdict)

    def _ask_twice(self, failure: Failure) -> None:
        if hasattr(self.state, "matches") and self.state.matches(failure) != self.state.matches(failure):
            raise Broken("law 1: matches() gave two answers to one failure")

    def _give_up(self, way: Way) -> None:
        self.ways.remove(way)
        self.log.append((way.number, "given up", self.now))
        if way.waiter is not None:
            waiter, way.waiter = way.waiter, None
            admit(way.call, waiter, self.now)
        self._release(way, IGNORED)

    def _release(self, way: Way, verdict: Verdict) -> None:
        release(way.call, None, self.now, verdict)
        self.witness.hold()
