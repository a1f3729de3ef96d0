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
a call failed, timed out, or met an overloaded server   WARNING  pipeline, outcome, target, cause
a call was rejected                                     INFO     the same, with the endpoint that was refused
======================================================  =======  =====================================================

How they are limited: `meshkit.observe.log.sparing`. A line says the outcome, the target, the attempts, the seconds, and
the cause in the words of `meshkit.observe.redact`. It has no header, cookie, query, body, argument or key in it, and no
text of an exception that is not meshkit's own.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from ...options import LARGEST
from ..events import AttemptBegan, CallEnded, StateChanged
from ..redact import cause, path, text
from .sparing import Sparing

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from ..events import Event

__all__ = ["Log"]

STATES = {
    "open": ("circuit opened", logging.WARNING),
    "isolated": ("circuit isolated", logging.WARNING),
    "closed": ("circuit closed again", logging.INFO),
    "ejected": ("endpoint ejected", logging.WARNING),
    "out": ("endpoint out of the balance", logging.WARNING),
    "in": ("endpoint back in the balance", logging.INFO),
}
"""Half-open is not among them: it is neither well nor ill."""
ENDS = {
    "failure": ("call failed", "%s failed%s%s%s", logging.WARNING),
    "overloaded": ("call overloaded", "%s met an overloaded upstream%s%s%s", logging.WARNING),
    "timeout": ("call timed out", "%s timed out%s%s%s", logging.WARNING),
    "rejected": ("call rejected", "%s was rejected%s%s%s", logging.INFO),
    "success": ("call succeeded", "%s succeeded%s%s%s", logging.INFO),
    "cancelled": ("call cancelled", "%s was cancelled%s%s%s", logging.INFO),
    "ignored": ("call ignored", "%s ended by no fault of the upstream's%s%s%s", logging.INFO),
}
FAILED = ("failure", "overloaded", "timeout", "rejected")
CALLS = ("failures", "all", "none")
LEVELS = {logging.INFO: "info", logging.WARNING: "warning"}
TAKEN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "event", "level", "timestamp", "self"}
"""Names that a record of the standard library has of itself, and an event of structlog."""


class Log:
    """Writes to ``logger``: one of the standard library (``logging.getLogger("meshkit")`` if left out) or of structlog.

    Of each kind of event at most ``burst`` lines at once, then one ``every`` so many seconds. ``calls`` are those that
    are told of: ``"failures"`` (rejections among them), ``"none"``, or ``"all"``, a line for each and no limit.
    ``trace`` answers what else a line is to have, such as ``{"trace_id": ...}``; it is called where the line is
    written. One log may listen to several pipelines. Raises `ConfigError`.

    Every line has fields ``meshkit_...``, in ``extra`` or as the key-values of structlog; unknown ones are ``None``:

    =====  ===========================================================================================================
    all    ``event`` ("call failed", "circuit opened", ...), ``pipeline``, ``policy``, ``endpoint``, ``suppressed``
    state  ``before``, ``after``
    call   ``call``, ``outcome``, ``attempts``, ``duration``, ``error`` (a class), ``status``, ``cause``
    =====  ===========================================================================================================
    """

    __slots__ = ("_bound", "_calls", "_logger", "_sparing", "_trace")

    def __init__(
        self,
        logger: Any = None,
        *,
        every: float = 10.0,
        burst: int = 5,
        calls: str = "failures",
        trace: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        _check(every, burst, calls, trace)
        self._logger: Any = logging.getLogger("meshkit") if logger is None else logger
        self._bound = _is_structlog(self._logger)
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

    def changed(self, pipeline: Any, event: StateChanged) -> None:
        """A state has changed."""
        words, level = STATES.get(event.after, ("", 0))
        if level and self._takes(level):
            hidden = self._sparing.allowed((id(pipeline), event.policy, str(event.endpoint)), event)
            if hidden is not None:
                self._tell_state(pipeline, event, words, level, hidden)

    def ended(self, pipeline: Any, event: CallEnded, about: Callable[[], Mapping[str, Any]], endpoint: Any) -> None:
        """A call has ended; ``endpoint`` is the one it was sent to last."""
        failed = event.outcome in FAILED
        if self._calls == "all" or (failed and self._calls != "none"):
            self._tell(pipeline, event, about, endpoint, failed)
        due = self._sparing.due(id(pipeline), event.at)
        if due is not None:
            changed, hidden = due
            self._tell_state(pipeline, changed, *STATES[changed.after], hidden)

    def _tell_state(self, pipeline: Any, event: StateChanged, words: str, level: int, hidden: int) -> None:
        endpoint = None if event.endpoint is None else text(event.endpoint)
        fields = {
            "pipeline": text(pipeline.name),
            "policy": text(event.policy),
            "endpoint": endpoint,
            "before": text(event.before),
            "after": event.after,
            "suppressed": hidden,
        }
        who = ", ".join(text(each) for each in (pipeline.name, event.policy, endpoint) if each)
        self._say(level, words, "%s: " + words + "%s", (who, _more(hidden)), fields)

    def _tell(self, pipeline: Any, event: CallEnded, about: Any, endpoint: Any, failed: bool) -> None:
        name, template, level = ENDS[event.outcome]
        if not self._takes(level):
            return
        known = about()
        said = {} if event.failure is None else cause(event.failure)
        error, status, policy = said.get("error"), said.get("status"), said.get("policy") or None
        there = said.get("endpoint")
        hidden: int | None = 0
        if self._calls != "all":
            target = known.get("host") or known.get("name") or known.get("route")
            hidden = self._sparing.allowed((id(pipeline), event.outcome, target, error or status, policy, there), event)
            if hidden is None:
                return
        who = _who(known)
        because = said.get("says") or (error if status is None else f"status {status}")
        fields = {
            "pipeline": text(pipeline.name),
            "policy": policy,
            "endpoint": text(endpoint) if there is None and endpoint is not None else there,
            "call": who,
            "outcome": event.outcome,
            "attempts": event.attempts,
            "duration": round(event.duration, 6),
            "error": error,
            "status": known.get("status") if status is None else status,
            "cause": because if failed else None,
            "suppressed": hidden,
        }
        who = f"{fields['pipeline']}: {who}" if pipeline.name else who
        because = f": {because}" if failed and because else ""
        took = _took(event.attempts, event.duration)
        self._say(level, name, template, (who, took, because, _more(hidden)), fields)

    def _takes(self, level: int) -> bool:
        if not self._bound:
            return bool(self._logger.isEnabledFor(level))
        logger = self._logger.bind()
        # Asked of the class: one of structlog's loggers takes any attribute for the name of a level.
        asked = getattr(type(logger), "is_enabled_for", None) or getattr(type(logger), "isEnabledFor", None)
        return asked is None or bool(asked(logger, level))

    def _say(self, level: int, name: str, template: str, words: tuple[Any, ...], fields: dict[str, Any]) -> None:
        told: dict[str, Any] = {}
        if self._trace is not None:
            try:
                more = dict(self._trace() or {})
            except Exception as error:  # a line without a trace is better than none
                more = {"meshkit_trace_failed": type(error).__name__}
            # The application's own kind of record may have further names of its own.
            taken = TAKEN if self._bound else TAKEN | vars(logging.makeLogRecord({})).keys()
            told = {(f"meshkit_{key}" if key in taken else str(key)): value for key, value in more.items()}
        told |= {"meshkit_event": name, **{f"meshkit_{key}": value for key, value in fields.items()}}
        if self._bound:
            getattr(self._logger, LEVELS[level])(name, **told)
        else:
            self._logger.log(level, template, *words, extra=told)

    def __repr__(self) -> str:
        return f"Log({self._logger!r}, calls={self._calls!r})"


class _Following:
    """One call's. It keeps the request, not the call, which holds it."""

    __slots__ = ("_door", "_endpoint", "_log", "_pipeline", "request")

    detailed = False
    sending = answered = answering = left = None

    def __init__(self, log: Log, pipeline: Any, call: Call) -> None:
        self._log = log
        self._pipeline = pipeline
        self._door = call.door
        self._endpoint: Any = None
        self.request = call.request

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, AttemptBegan):
            self._endpoint = event.endpoint
        elif isinstance(event, StateChanged):
            self._log.changed(self._pipeline, event)
        elif isinstance(event, CallEnded):
            try:
                self._log.ended(self._pipeline, event, self._about, self._endpoint)
            finally:
                self.request = None

    def _about(self) -> Any:
        return self._door.about(self)  # which asks for the request alone


def _check(every: Any, burst: Any, calls: Any, trace: Any) -> None:
    if isinstance(every, bool) or not isinstance(every, int | float) or not 1e-9 <= every <= LARGEST:
        raise ConfigError.of("Log", "every", every, "give seconds, above 0, such as 10.0")
    if isinstance(burst, bool) or not isinstance(burst, int) or not 1 <= burst <= 1_000_000:
        raise ConfigError.of("Log", "burst", burst, "give a whole number of lines, from 1 to 1000000")
    if calls not in CALLS:
        raise ConfigError.of("Log", "calls", calls, f"write one of {', '.join(map(repr, CALLS))}")
    if trace is not None and (not callable(trace) or inspect.iscoroutinefunction(trace)):
        raise ConfigError.of("Log", "trace", trace, "give a plain function that answers a dict")


def _is_structlog(logger: Any) -> bool:
    """By its ``bind``, which none of the standard library has."""
    if isinstance(logger, type):
        raise ConfigError.of("Log", "logger", logger, 'give a logger, such as logging.getLogger("payments")')
    if callable(getattr(logger, "bind", None)):
        try:
            awaited = inspect.iscoroutinefunction(getattr(type(logger.bind()), "info", None))
        except RuntimeError:  # it wants a loop that runs
            awaited = True
        if awaited:
            fix = "a listener cannot await: give a logger whose methods are plain, such as structlog.get_logger()"
            raise ConfigError.of("Log", "logger", logger, fix)
        return True
    if not (hasattr(logger, "isEnabledFor") and hasattr(logger, "log")):
        raise ConfigError.of("Log", "logger", logger, 'give a logger, such as logging.getLogger("payments")')
    return False


def _who(known: Mapping[str, Any]) -> str:
    """``charge``, ``GET https://shop:8443/orders/*``, ``POST /orders/{id}``."""
    if "name" in known:
        return text(known["name"])
    where = ""
    if "host" in known:
        host, port = known["host"], known.get("port")
        where = f"{known.get('scheme')}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"
    return text(f"{known.get('method')} {where}{known.get('route') or path(known.get('path') or '')}")


def _took(attempts: int, seconds: float) -> str:
    if attempts == 0:
        return f" in {seconds:.3g} s, not sent"
    return f" after {attempts} attempt{'s' if attempts > 1 else ''} in {seconds:.3g} s"


def _more(hidden: int | None) -> str:
    return f" (and {hidden} more like it)" if hidden else ""
