"""Who asked for what, and what was the answer? The line of one request that was served, in any format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import CallEnded
from ..redact import cause
from .answer import answer
from .around import Around
from .line import AGENT, METHOD, NAME, REFERER, TARGET, bare, escaped, iso, protocol, shown, stamp

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from ..events import Event
    from .access_log import AccessLog

__all__ = ["Served"]


class Served:
    """Follows the call. It keeps the exchange until the end, and never the call, which holds it."""

    __slots__ = ("_around", "_at", "_door", "_gone", "_log", "_pipeline", "request")

    detailed = False
    sending = answered = left = None

    def __init__(self, log: AccessLog, pipeline: Pipeline, call: Call, at: float) -> None:
        self._log = log
        self._pipeline = pipeline.name
        self._door: Any = call.door
        self._at = at
        self._gone = False
        self._around = Around(pipeline, call, serves=True) if log.format == "json" else None
        self.request = call.request

    def answering(self, call: Call, status: int, /) -> tuple[()]:
        """Nothing is added. Whether anybody is there to be answered is known by now."""
        self._gone = call.request.gone
        return ()

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, CallEnded):
            exchange, failed = self.request, None
            status, size = answer(exchange, event.failure, gone=self._gone)
            if exchange.scope.get("method") == "HEAD":
                size = 0
            try:
                user = None if self._log.user is None else self._log.user(exchange.scope)
                user = None if user is None else str(user)
            except Exception as error:  # a line without a user is better than none, and the pipeline counts the error
                user, failed = None, error
            try:
                if self._around is None:
                    self._log.write(self._line(exchange.scope, user, status, size))
                else:
                    known = self._known(event, exchange.scope, user, status, size)
                    self._log.tell(known | self._spent(self._around), event, self._around)
                if failed is not None:
                    raise failed
            finally:
                self.request = exchange = failed = None

    def _line(self, scope: Any, user: str | None, status: int, size: int | None) -> str:
        host = escaped(self._log.client(self._door.client(scope)), NAME, alone=True)
        method = escaped(scope.get("method", "GET"), METHOD, alone=True)
        target = escaped(self._target(scope), TARGET)
        version = escaped(protocol(scope.get("http_version", "1.1")), METHOD, alone=True)
        who = escaped(user, NAME, alone=True)
        line = f'{host} - {who} {stamp(self._at)} "{method} {target} {version}" {status} {size or "-"}'
        if self._log.format == "common":
            return line
        referer = bare(_field(scope, b"referer"))
        return f'{line} "{escaped(referer, REFERER)}" "{escaped(_field(scope, b"user-agent"), AGENT)}"'

    def _known(self, event: CallEnded, scope: Any, user: str | None, status: int, size: int | None) -> dict[str, Any]:
        return {
            "time": iso(self._at),
            "kind": "server",
            "pipeline": shown(self._pipeline, NAME),
            "client": shown(self._log.client(self._door.client(scope)), NAME),
            "user": shown(user, NAME),
            "type": scope["type"],
            "method": shown(scope.get("method", "GET"), METHOD),
            "path": shown(self._target(scope), TARGET),
            "route": shown(self._door.about(self).get("route"), NAME),
            "protocol": shown(protocol(scope.get("http_version", "1.1")), METHOD),
            "status": status,
            "bytes": size,
            "referer": shown(bare(_field(scope, b"referer")), REFERER),
            "user_agent": shown(_field(scope, b"user-agent"), AGENT),
            "error": None if event.failure is None else cause(event.failure)["error"],
            "outcome": event.outcome,
            "attempts": event.attempts,
            "duration": round(event.duration, 6),
        }

    def _spent(self, around: Around) -> dict[str, Any]:
        """What was asked of others meanwhile."""
        spent = around.below()
        return {
            "calls": len(spent) if spent else None,
            "calls_attempts": sum(line.attempts for line in spent) if spent else None,
            "calls_seconds": round(sum(line.seconds for line in spent), 6) if spent else None,
        }

    def _target(self, scope: Any) -> bytes:
        return self._log.target(scope.get("raw_path"), scope["path"], scope.get("query_string", b""))


def _field(scope: Any, name: bytes) -> bytes | None:
    """The first of that name."""
    return next((value for each, value in scope["headers"] if each == name), None)
