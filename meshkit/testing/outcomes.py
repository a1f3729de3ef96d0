"""What does an upstream do when it is asked? The steps of its script.

==========================  ======================================================================================
``503``                     a status: 100 to 599; for a function an `Answer` with that ``status_code``
``ConnectionError``         a class or an instance of an exception: it is raised
`answer`                    a status with a body, with fields, with ``Retry-After``
`stream`                    an answer whose body comes in chunks, slowly, and may break
`after`                     so many seconds, then another step
`hang`                      no answer at all
`timetable`, `brown_out`    what it does depends on the instant, not on how often it was asked
anything else, `value`      the value: what a function returns
==========================  ======================================================================================

After httpx's ``MockTransport``, which answers without time; the delays are Finagle's ``MockTimer``'s idea.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..errors import ConfigError

__all__ = ["Answer", "Delay", "Raised", "Timetable", "Value"]
__all__ += ["after", "answer", "brown_out", "hang", "resolve", "step_of", "stream", "timetable", "value"]

FOREVER = 365 * 86_400.0
"""Seconds for which `hang` hangs. Virtual time comes to the end even of a year, and the test is told."""
HUNG = "the upstream hung for a year, and nobody gave up: a Timeout outside would"
Chunk = bytes | BaseException | type[BaseException]


@attrs.frozen
class Answer:
    """A response: what a client's door makes one of its own from, and what a function returns as it is."""

    status_code: int
    headers: tuple[tuple[str, str], ...] = ()
    chunks: tuple[Chunk, ...] = ()
    """Of the body. An exception among them is raised in its place."""
    delay: float = 0.0
    """Seconds before each chunk."""
    whole: bool = True
    """Whether the body is there at once."""

    @property
    def body(self) -> bytes:
        """Its chunks as one."""
        return b"".join(chunk for chunk in self.chunks if isinstance(chunk, bytes))

    def __str__(self) -> str:
        return str(self.status_code) if self.whole else f"{self.status_code} in {len(self.chunks)} chunks"


@attrs.frozen
class Raised:
    """An exception: an instance is raised as it is, a class makes a new one each time."""

    error: BaseException | type[BaseException]

    def make(self) -> BaseException:
        if not isinstance(self.error, type):
            return self.error.with_traceback(None)
        try:
            return self.error()
        except TypeError:  # it wants a message, as httpx's do
            return self.error("scripted")

    def __str__(self) -> str:
        return self.error.__name__ if isinstance(self.error, type) else repr(self.error)


@attrs.frozen
class Value:
    """What a function returns."""

    value: Any

    def __str__(self) -> str:
        return repr(self.value)


@attrs.frozen
class Delay:
    """Time, and then another step."""

    seconds: float
    step: Any

    def __str__(self) -> str:
        return "no answer" if self.seconds == FOREVER else f"{self.step} after {self.seconds:g} s"


@attrs.frozen
class Timetable:
    """Steps by the instant from which on they hold."""

    steps: tuple[tuple[float, Any], ...]

    def at(self, now: float) -> Any:
        """The step that holds at this instant; before the first, the first."""
        held = self.steps[0][1]
        for since, step in self.steps:
            if since <= now:
                held = step
        return held

    def __str__(self) -> str:
        return ", ".join(f"from {since:g} s on {step}" for since, step in self.steps)


def answer(
    status: int = 200,
    body: bytes | str = b"",
    *,
    retry_after: float | str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """A status with a body and fields; ``retry_after`` as ``Retry-After`` (whole seconds, or a date as text)."""
    _status(status)
    fields = list((headers or {}).items())
    if retry_after is not None:
        if not isinstance(retry_after, str) and (retry_after < 0 or retry_after != int(retry_after)):
            fix = "the field knows whole seconds: write 7, a date as text, or headers={'retry-after-ms': '250'}"
            raise ConfigError.of("answer", "retry_after", retry_after, fix)
        fields.append(("retry-after", retry_after if isinstance(retry_after, str) else str(int(retry_after))))
    content = body.encode() if isinstance(body, str) else body
    return Answer(status, tuple(fields), (content,) if content else ())


def stream(
    chunks: Iterable[Chunk],
    delay: float = 0.0,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer that begins at once, and whose chunks come ``delay`` seconds apart.

    An exception among the chunks is raised in its place: a body that breaks off.
    """
    _status(status)
    return Answer(status, tuple((headers or {}).items()), tuple(chunks), _seconds("stream", "delay", delay), False)


def after(seconds: float, outcome: Any) -> Delay:
    """So many seconds, then ``outcome``: any other step."""
    return Delay(_seconds("after", "seconds", seconds), step_of(outcome))


def hang() -> Delay:
    """No answer. Whoever waits must give up; in virtual time, a test in which nobody does fails."""
    return Delay(FOREVER, Raised(AssertionError(HUNG)))


def timetable(outcomes: Mapping[float, Any]) -> Timetable:
    """Steps by instants of the upstream's clock: ``timetable({0: 200, 60: ConnectionError, 660: 200})`` is down for
    ten minutes, from the sixtieth second on.
    """
    if not outcomes:
        raise ConfigError.of("timetable", "outcomes", outcomes, "give instants and steps, such as {0: 200, 60: 503}")
    steps = sorted((_seconds("timetable", "instant", at), step_of(outcome)) for at, outcome in outcomes.items())
    return Timetable(tuple(steps))


def brown_out(slow: float, *, since: float, until: float, usual: float = 0.0, outcome: Any = 200) -> Timetable:
    """``outcome`` after the ``usual`` seconds, and between two instants after ``slow`` ones."""
    if not since < until:
        raise ConfigError.of("brown_out", "until", until, f"give an instant after since={since!r}")
    return timetable({0.0: after(usual, outcome), since: after(slow, outcome), until: after(usual, outcome)})


def value(result: Any) -> Value:
    """What a function returns, whatever it is: ``value(404)`` is the number."""
    return Value(result)


def step_of(outcome: Any) -> Any:
    """A step of what stands in a script."""
    if isinstance(outcome, Answer | Raised | Value | Delay | Timetable):
        return outcome
    if isinstance(outcome, BaseException) or (isinstance(outcome, type) and issubclass(outcome, BaseException)):
        return Raised(outcome)
    if isinstance(outcome, int) and not isinstance(outcome, bool):
        return Answer(_status(outcome))
    return Value(outcome)


def resolve(step: Any, clock: Callable[[], float]) -> tuple[float, Any]:
    """How long it takes from now on, and what comes then: no delays and timetables are left in it."""
    total = 0.0
    now = clock() if isinstance(step, Delay | Timetable) else 0.0
    while True:
        if isinstance(step, Delay):
            total += step.seconds
            step = step.step
        elif isinstance(step, Timetable):
            step = step.at(now + total)
        else:
            return total, step


def _status(status: Any) -> int:
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        fix = "a whole number is a status, 100 to 599; for the number itself write value(...)"
        raise ConfigError.of("Upstream", "status", status, fix)
    return status


def _seconds(where: str, option: str, seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise ConfigError.of(where, option, seconds, "give finite seconds from 0 on")
    return float(seconds)
