"""Which calls are worth a decision record, and where do their records go?

==============================  ======================================  ===================================
``because``                     when                                    followed
==============================  ======================================  ===================================
``"asked"``                     within `explaining`                     in full
``"always"``                    ``always=True``                         in full
``"sampled"``                   the draw is below ``sample``            in full
``"error"``                     its outcome is no success               lightly: attempts, refusals, retries
``"slow"``                      it took ``slow`` seconds or more        lightly
==============================  ======================================  ===================================

The first that holds counts. The last two are known only afterwards: every call is followed then, and forgotten where it
turns out well, which is the tail sampling of traces within one process. A sampled share alone costs the others a
comparison and a draw.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from ... import options
from ...call import Verdict
from ...deadline import CURRENT
from ...errors import ConfigError
from ...policy import awaits
from ..events import CallEnded, Event
from ..redact import who
from .record import Record

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline

__all__ = ["ASKED", "Following", "Recorder", "explaining", "last_call", "server_timing"]

ASKED: ContextVar[object] = ContextVar("meshkit.asked", default=False)
"""Whether calls made here are to be recorded in full: true or false, as truth goes."""
LAST: ContextVar[Record | None] = ContextVar("meshkit.last_call", default=None)

SUCCESS = Verdict.SUCCESS
EXTENSION = "meshkit"
"""Of ``response.extensions``."""
NOTE = "meshkit: "
"""What a note of ours begins with."""
ENTRIES = 10
"""Of a Server-Timing field."""
NAME = 40
"""Characters of an entry's name."""
_NO_TOKEN = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]+")


def last_call() -> Record | None:
    """The record of the last call made in this context (task, thread) that is kept; ``None``: there is none."""
    return LAST.get()


@contextmanager
def explaining() -> Iterator[None]:
    """Have every call made within recorded in full, where a `Recorder` listens that may be asked."""
    token = ASKED.set(True)
    try:
        yield
    finally:
        ASKED.reset(token)


def _receiver(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and (not options.is_function(value) or awaits(value)):
        fix = "give a plain function of the record, such as Journal(...).write"
        raise ConfigError.of("Recorder", attribute.name, value, fix)


def _tracer(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and (not options.is_function(value) or awaits(value)):
        fix = 'give a plain function that answers a dict, such as {"trace_id": ...}'
        raise ConfigError.of("Recorder", attribute.name, value, fix)


@attrs.define(kw_only=True, eq=False)
class Recorder:
    """Makes decision records: ``pipeline.listen(Recorder(sample=0.01))``. One may listen to any number of pipelines.

    ``sample``: the share of calls recorded in full, whatever becomes of them. ``errors``: record each call that is no
    success. ``slow``: each that takes so many seconds or more, with its body; ``None``: none for that. ``always``: each
    in full. ``asked``: those within `explaining` in full. ``keep``: how many complete records stay in memory. ``to``: a
    function that is given each complete record; what it raises is counted in ``failed``. ``note``: the exception of a
    recorded call gets a note (PEP 678) with the record in one line. ``server_timing``: answers of a server get a
    ``Server-Timing`` field; those to whoever asked have it in any case. ``trace`` is asked when a call begins, and
    answers what identifies its trace, such as ``{"trace_id": ...}``, or ``None``; left out, it is that of the request
    a server is at work for. ``seed`` makes the draws repeatable.
    """

    sample: float = attrs.field(default=0.0, validator=options.ratio(zero=True))
    errors: bool = attrs.field(default=True, validator=options.flag())
    slow: float | None = attrs.field(default=None, validator=options.optional(options.seconds(zero=True)))
    always: bool = attrs.field(default=False, validator=options.flag())
    asked: bool = attrs.field(default=True, validator=options.flag())
    keep: int = attrs.field(default=100, validator=options.count(0, 1_000_000), on_setattr=attrs.setters.frozen)
    to: Callable[[Record], object] | None = attrs.field(default=None, validator=_receiver)
    note: bool = attrs.field(default=True, validator=options.flag())
    server_timing: bool = attrs.field(default=False, validator=options.flag())
    trace: Callable[[], Mapping[str, Any] | None] | None = attrs.field(default=None, validator=_tracer)
    seed: int | None = attrs.field(
        default=None, validator=options.optional(options.count(0, 2**63)), on_setattr=attrs.setters.frozen
    )
    failed: int = attrs.field(default=0, init=False)
    """How often ``to`` has raised, or ``trace``."""
    _kept: deque[Record] = attrs.field(init=False, repr=False)
    _draw: Callable[[], float] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._kept = deque(maxlen=self.keep)
        self._draw = Random(self.seed).random  # noqa: S311  # which calls are looked at, no secret

    @property
    def records(self) -> tuple[Record, ...]:
        """The last complete ones, the newest last."""
        while True:
            try:
                return tuple(self._kept)
            except RuntimeError:  # a thread has added one meanwhile; a lock could be met again by a finalizer
                continue

    @property
    def last(self) -> Record | None:
        """The newest complete one."""
        try:
            return self._kept[-1]
        except IndexError:
            return None

    def follow(self, pipeline: Pipeline, call: Call, /) -> Following | None:
        """See `meshkit.observe.trail.Follows`."""
        because = ""
        if self.asked and ASKED.get():
            because = "asked"
        elif self.always:
            because = "always"
        elif self.sample and self._draw() < self.sample:
            because = "sampled"
        elif not self.errors and self.slow is None and not self.server_timing:
            return None
        return Following(self, pipeline, call, because)

    def _traced(self, trace: Callable[[], Mapping[str, Any] | None]) -> dict[str, Any] | None:
        try:
            return dict(trace() or {})
        except Exception:  # a record without a trace is better than none
            self.failed += 1
            return None

    def _keep(self, record: Record) -> None:
        self._kept.append(record)
        if self.to is not None:
            try:
                self.to(record)
            except Exception:  # a record is worth no call
                self.failed += 1


class Following:
    """Goes along with one call for a `Recorder`, and decides what becomes of its record."""

    __slots__ = ("_began_at", "_clock", "_recorder", "detailed", "record")

    sending = None

    def __init__(self, recorder: Recorder, pipeline: Pipeline, call: Call, because: str) -> None:
        self.detailed = because != ""
        record = self.record = Record(pipeline, call, because, detailed=self.detailed)
        self._recorder = recorder
        scope = CURRENT.get()
        if scope is not None:
            record.within = _outer(scope, recorder)
        if recorder.trace is not None:
            record.trace = recorder._traced(recorder.trace)
        self._clock = pipeline.clock
        self._began_at = call.began_at

    def __call__(self, event: Event, /) -> None:
        self.record(event)
        if event.__class__ is CallEnded:
            self._end(event)

    def _end(self, event: CallEnded) -> None:
        recorder, record = self._recorder, self.record
        if not self._wanted(record.outcome != "success", event.duration):
            return
        LAST.set(record)
        if recorder.trace is not None and not record.trace:  # the span was begun only after this one
            record.trace = recorder._traced(recorder.trace)
        if recorder.note and event.failure is not None and isinstance(event.failure.error, Exception):
            _noted(event.failure.error, record)
        recorder._keep(record)

    def _wanted(self, failed: bool, took: float) -> bool:
        """Whether the record is to be kept, by what is known so far."""
        record, recorder = self.record, self._recorder
        if not self.detailed:
            slow = recorder.slow is not None and took >= recorder.slow
            record.because = "error" if recorder.errors and failed else "slow" if slow else ""
        return record.because != ""

    def answered(self, call: Call, result: Any, /) -> None:
        failure = call.failure  # what the door has judged to be one
        self.record.answered(call, result)
        failed = failure is not None and failure.status == result.status_code
        if self._wanted(failed, self._clock() - self._began_at):
            result.extensions[EXTENSION] = self.record

    def answering(self, call: Call, status: int, /) -> list[tuple[bytes, bytes]]:
        record = self.record
        record.answering(call, status)
        if record.outcome is None:  # else it is a refusal, of a call that has ended
            self._wanted(call.request.verdict is not SUCCESS, self._clock() - self._began_at)
        if not self._recorder.server_timing and record.because != "asked":
            return []
        return [(b"server-timing", server_timing(self._clock() - self._began_at, record.spent))]

    def left(self) -> None:
        if self.record.because:
            LAST.set(self.record)


def _outer(scope: Any, recorder: Recorder) -> int | None:
    """The record of the call that a call is made within: of this recorder, or else of any."""
    found: int | None = None
    while scope is not None and found is None:
        for follower in getattr(getattr(scope, "events", None), "followers", ()):
            if follower.__class__ is Following and (found is None or follower._recorder is recorder):
                found = follower.record.number
        scope = scope.scope
    return found


def _noted(error: Exception, record: Record) -> None:
    """One note is enough: an exception that passes several pipelines, or is raised again, keeps its first."""
    from .story import summary  # only failures need it

    with suppress(Exception):  # some take no attributes
        notes = getattr(error, "__notes__", ())
        if not any(isinstance(note, str) and note.startswith(NOTE) for note in notes):
            error.add_note(NOTE + summary(record.data()).removeprefix(NOTE))


def server_timing(seconds: float, lines: Iterable[Any]) -> bytes:
    """A ``Server-Timing`` field (W3C Server Timing): the time so far, and for the nine longest of the calls made below,
    in the order in which they ended, the time of each; ``desc`` says attempts and verdict where they are unusual.
    """
    several = [*lines]
    if len(several) >= ENTRIES:
        longest = sorted(range(len(several)), key=lambda k: -several[k].seconds)[: ENTRIES - 1]
        several = [several[k] for k in sorted(longest)]
    entries = [f"meshkit;dur={_ms(seconds)}"]
    for line in several:
        name = _NO_TOKEN.sub("_", who(line.who))[:NAME] or "_"
        unusual = [f"{line.attempts} attempts"] if line.attempts > 1 else []
        if line.verdict != "success":
            unusual.append(line.verdict)
        described = f';desc="{_quoted(", ".join(unusual))}"' if unusual else ""
        entries.append(f"{name};dur={_ms(line.seconds)}{described}")
    return ", ".join(entries).encode("ascii")


def _ms(seconds: float) -> str:
    return f"{max(0.0, seconds) * 1e3:.1f}"


def _quoted(said: str) -> str:
    """As the content of a quoted string (RFC 9110, 5.6.4); what is not printable ASCII is left out."""
    plain = "".join(each for each in said if " " <= each <= "~")
    return plain.replace("\\", "\\\\").replace('"', '\\"')
