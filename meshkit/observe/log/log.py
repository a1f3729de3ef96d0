"""What is worth a line in the log? That a state has changed, and that a call has failed; and neither a thousand times.

::

    pipeline.listen(Log())

======================================================  =======  =====================================================
what                                                    level    limited for each
======================================================  =======  =====================================================
a circuit opened, or was isolated by hand               WARNING  pipeline, policy and endpoint
it closed again                                         INFO     the same
an endpoint was ejected, or is out of the balance       WARNING  the same
it is back in the balance                               INFO     the same
the canary of a rollout was taken back                  WARNING  the same
the rollout is done                                     INFO     the same
a call failed, or timed out                             WARNING  pipeline, outcome, target, cause
a call was rejected by this very pipeline               INFO     the same, with the endpoint that was refused
======================================================  =======  =====================================================

A call that is cancelled because the deadline of its caller has passed has timed out. How lines are limited:
`meshkit.observe.log.sparing`; how a call is told: `meshkit.observe.log.words`. The cause is in the words of
`meshkit.observe.redact`. A line has no header, cookie, query, body, argument or key in it, and no text of an exception
that is not meshkit's own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..events import AttemptBegan, CallEnded, StateChanged
from ..redact import cause, text
from .answer import GONE, answer
from .around import Around, traced
from .asked import check, is_structlog
from .sparing import Sparing
from .words import ENDS, FAILED, LATE, cause_of, more, took, way, who

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from ..events import Event

__all__ = ["Log"]

Passing = Sequence[tuple[bytes, bytes]]

STATES = {
    "open": ("circuit opened", logging.WARNING),
    "isolated": ("circuit isolated", logging.WARNING),
    "closed": ("circuit closed again", logging.INFO),
    "ejected": ("endpoint ejected", logging.WARNING),
    "out": ("endpoint out of the balance", logging.WARNING),
    "in": ("endpoint back in the balance", logging.INFO),
    "rolled-back": ("canary rolled back", logging.WARNING),
    "done": ("rollout done", logging.INFO),
}
"""Half-open is not among them: it is neither well nor ill. Nor are the steps of a rollout: each is one of many."""
LEVELS = {logging.INFO: "info", logging.WARNING: "warning"}
TAKEN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "event", "level", "timestamp", "self"}
"""Names that a record of the standard library has of itself, and an event of structlog."""


class Log:
    """Writes to ``logger``: one of the standard library (``logging.getLogger("meshkit")`` if left out) or of structlog.

    Of each kind of event at most ``burst`` lines at once, then one ``every`` so many seconds. ``calls`` are those that
    are told of: ``"failures"`` (rejections among them), ``"none"``, or ``"all"``, a line for each and no limit.
    ``trace`` answers what else a line is to have, such as ``{"trace_id": ...}``; it is called where the line is
    written. Left out, these are ``trace_id`` and ``span_id``, the caller's, where the request that is served came with
    trace fields. One log may listen to several pipelines. Raises `ConfigError`.

    Every line has fields ``meshkit_...``, in ``extra`` or as the key-values of structlog; unknown ones are ``None``:

    =====  ===========================================================================================================
    all    ``event`` ("call failed", "circuit opened", ...), ``pipeline``, ``policy``, ``endpoint``, ``suppressed``
    state  ``before``, ``after``
    call   ``call``, ``outcome``, ``attempts``, ``duration``, ``error`` (a class), ``status``, ``cause``; ``route`` and
           ``branch`` only where a router or a split was asked
    =====  ===========================================================================================================

    ``outcome`` is that of `CallEnded`, ``status`` the one that was answered, by an upstream or to a client.
    """

    __slots__ = ("_bound", "_calls", "_logger", "_sparing", "_trace")
    in_full = False

    def __init__(
        self,
        logger: Any = None,
        *,
        every: float = 10.0,
        burst: int = 5,
        calls: str = "failures",
        trace: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        check(every, burst, calls, trace)
        self._logger: Any = logging.getLogger("meshkit") if logger is None else logger
        self._bound = is_structlog(self._logger)
        self._calls = calls
        self._sparing = Sparing(float(every), burst)
        self._trace = trace

    @property
    def suppressed(self) -> int:
        """Lines that were not written so far, because there were too many like them."""
        return self._sparing.kept_back

    def follow(self, pipeline: Pipeline, call: Call, /) -> _Following | None:
        """Goes along, unless the logger takes no warning."""
        return _Following(self, pipeline, call) if self._bound or self._takes(logging.WARNING) else None

    def aside(self, pipeline: Pipeline, event: Event, /) -> None:
        """What happens outside any call: a circuit is isolated or reset by hand."""
        if isinstance(event, StateChanged):
            self.changed(pipeline, event)

    def changed(self, pipeline: Any, event: StateChanged, passing: Passing = ()) -> None:
        """A state has changed."""
        level = STATES.get(event.after, ("", 0))[1]
        if level and self._takes(level):
            hidden = self._sparing.allowed(pipeline, ("state", event.policy, str(event.endpoint)), event)
            if hidden is not None:
                self._tell_state(pipeline, event, hidden, passing)

    def ended(self, pipeline: Any, event: CallEnded, of: _Following) -> None:
        """A call has ended."""
        end = LATE if of.around.late(event) else event.outcome
        if self._calls == "all" or (end in FAILED and self._calls != "none"):
            self._tell(pipeline, event, of, end)
        self.passed(pipeline, event.at)

    def passed(self, pipeline: Any, now: float) -> None:
        """Some time has passed: what was kept back may be told."""
        due = self._sparing.due(pipeline, now)
        if due is not None:
            self._tell_state(pipeline, *due, ())  # it is of a call that was before this one

    @property
    def tells_all(self) -> bool:
        """Whether a call that went well has a line."""
        return self._calls == "all"

    def _tell_state(self, pipeline: Any, event: StateChanged, hidden: int, passing: Passing) -> None:
        words, level = STATES[event.after]
        endpoint = None if event.endpoint is None else text(event.endpoint)
        fields = {
            "pipeline": text(pipeline.name),
            "policy": text(event.policy),
            "endpoint": endpoint,
            "before": text(event.before),
            "after": event.after,
            "suppressed": hidden,
        }
        names = ", ".join(text(each) for each in (pipeline.name, event.policy, endpoint) if each)
        self._say(level, words, "%s: " + words + "%s", (names, more(hidden)), self._told(words, fields, passing))

    def _tell(self, pipeline: Any, event: CallEnded, of: _Following, end: str) -> None:
        name, template, level = ENDS[end]
        if not self._takes(level):
            return
        known = of.about()
        said = {} if event.failure is None else cause(event.failure)
        error, policy, there = (said.get(key) for key in ("error", "policy", "endpoint"))
        hidden: int | None = 0
        if self._calls != "all":
            target = known.get("host") or known.get("name") or known.get("route")
            key = (end, target, error or said.get("status"), policy, there, event.route, event.branch)
            hidden = self._sparing.allowed(pipeline, key, event)
            if hidden is None:
                return
        endpoint = there if event.own and there is not None else of.endpoint
        status, because = of.status(event), cause_of(end, said)
        fields = {
            "pipeline": text(pipeline.name),
            "policy": (policy or None) if event.own else None,
            "endpoint": None if endpoint is None else text(endpoint),
            "call": who(known),
            "outcome": event.outcome,
            "attempts": event.attempts,
            "duration": round(event.duration, 6),
            "error": error,
            "status": status,
            "cause": because,
            "suppressed": hidden,
            **({"route": text(event.route)} if event.route else {}),
            **({"branch": text(event.branch)} if event.branch else {}),
        }
        kind = known.get("kind")
        if kind == "server" and error is None:
            because = None  # its status has been said
        if status == GONE and of.gone:
            because = "the client had gone"
        words = (
            (f"{text(pipeline.name)}: " if pipeline.name else "") + who(known) + way(event.route, event.branch),
            took(kind, event.attempts, event.duration, status),
            f": {because}" if because else "",
            more(hidden),
        )
        self._say(level, name, template, words, self._told(name, fields, of.around.passing))

    def _takes(self, level: int) -> bool:
        if not self._bound:
            return bool(self._logger.isEnabledFor(level))
        logger = self._logger.bind()
        # Asked of the class: one of structlog's loggers takes any attribute for the name of a level.
        asked = getattr(type(logger), "is_enabled_for", None) or getattr(type(logger), "isEnabledFor", None)
        return asked is None or bool(asked(logger, level))

    def _told(self, name: str, fields: dict[str, Any], passing: Passing) -> dict[str, Any]:
        # The application's own kind of record may have further names of its own.
        taken = TAKEN if self._bound else TAKEN | vars(logging.makeLogRecord({})).keys()
        told = traced(self._trace, passing, taken.__contains__)
        return told | {"meshkit_event": name} | {f"meshkit_{key}": value for key, value in fields.items()}

    def _say(self, level: int, name: str, template: str, words: tuple[Any, ...], told: dict[str, Any]) -> None:
        if self._bound:
            getattr(self._logger, LEVELS[level])(name, **told)
        else:
            self._logger.log(level, template, *words, extra=told)

    def __repr__(self) -> str:
        return f"Log({self._logger!r}, calls={self._calls!r})"


class _Following:
    """One call's. It keeps the request, not the call, which holds it."""

    __slots__ = ("_door", "_gone", "_log", "_pipeline", "_status", "around", "endpoint", "request")

    detailed, sending, left = False, None, None

    def __init__(self, log: Log, pipeline: Any, call: Call) -> None:
        self._log = log
        self._pipeline = pipeline
        self._door = call.door
        self._status: int | None = None
        self._gone = False
        self.around = Around(pipeline, call)
        self.endpoint, self.request = None, call.request

    def answered(self, call: Call, result: Any, /) -> None:
        self._status = getattr(result, "status_code", None)

    def answering(self, call: Call, status: int, /) -> tuple[()]:
        self._gone = call.request.gone
        return ()

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, AttemptBegan):
            self.endpoint = event.endpoint
        elif isinstance(event, StateChanged):
            self._log.changed(self._pipeline, event, self.around.passing)
        elif isinstance(event, CallEnded):
            try:
                self._log.ended(self._pipeline, event, self)
            finally:
                self.request = None

    def well(self, call: Call, now: float, ended: tuple[Any, ...], /) -> None:
        if not self._log.tells_all:
            self._log.passed(self._pipeline, now)
            self.request = None
            return
        self.endpoint = ended[2]
        self(CallEnded(now, call.began_at, ended[3], 1, None, True, call.events.route, call.events.branch))

    def about(self) -> Any:
        return self._door.about(self)  # which asks for the request alone

    def status(self, event: CallEnded) -> int | None:
        """The one that was answered: to us, or by us."""
        if hasattr(self.request, "scope"):
            return answer(self.request, event.failure, gone=self._gone)[0]
        return event.failure.status if self._status is None and event.failure is not None else self._status

    @property
    def gone(self) -> bool:
        """Whether the client was, before it was answered or when the call ended."""
        return self._gone or getattr(self.request, "gone", False)
