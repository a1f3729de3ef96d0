"""What was asked of whom, and what came of it? The line of one request that was sent, in any format.

Those of the NCSA are written as a proxy for clients would: the target is a whole URL, and who has asked is not said.
Where no answer came, its status is ``000``, as curl and Squid write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import AttemptBegan, CallEnded
from ..redact import cause, text
from .around import Around
from .line import METHOD, NAME, TARGET, authority, escaped, iso, protocol, shown, stamp

if TYPE_CHECKING:
    from ...call import Call
    from ...pipeline import Pipeline
    from ..events import Event
    from .access_log import AccessLog

__all__ = ["Sent"]

NOTHING = 0
"""The status where there is none."""


class Sent:
    """Follows the call. It keeps the request until the end, and never the call, which holds it."""

    __slots__ = ("_around", "_at", "_door", "_endpoint", "_log", "_pipeline", "_status", "_version", "request")

    detailed = False
    sending = answering = left = None

    def __init__(self, log: AccessLog, pipeline: Pipeline, call: Call, at: float) -> None:
        self._log = log
        self._pipeline = pipeline.name
        self._door: Any = call.door
        self._at = at
        self._around = Around(pipeline, call) if log.format == "json" else None
        self._endpoint: Any = None
        self._status: int | None = None
        self._version = ""
        self.request = call.request

    def answered(self, call: Call, result: Any, /) -> None:
        self._status = result.status_code
        self._version = str(getattr(result, "http_version", ""))

    def __call__(self, event: Event, /) -> None:
        if isinstance(event, AttemptBegan):
            self._endpoint = event.endpoint
        elif isinstance(event, CallEnded):
            try:
                about = self._door.about(self)
                raw, _, query = self.request.url.raw_path.partition(b"?")
            finally:
                self.request = None
            target = self._log.target(raw, about["path"], query)
            status = event.failure.status if self._status is None and event.failure is not None else self._status
            if self._around is None:
                self._log.write(self._line(about, target, status))
            else:
                self._log.tell(self._known(event, about, target, status), event, self._around)

    def _known(self, event: CallEnded, about: dict[str, Any], target: bytes, status: int | None) -> dict[str, Any]:
        return {
            "time": iso(self._at),
            "kind": "client",
            "pipeline": shown(self._pipeline, NAME),
            "method": shown(about["method"], METHOD),
            "scheme": shown(about["scheme"], METHOD),
            "host": shown(about["host"], NAME),
            "port": about["port"],
            "path": shown(target, TARGET),
            "status": status,
            "endpoint": None if self._endpoint is None else text(self._endpoint),
            "error": None if event.failure is None else cause(event.failure)["error"],
            "outcome": event.outcome,
            "attempts": event.attempts,
            "duration": round(event.duration, 6),
        }

    def _line(self, about: dict[str, Any], target: bytes, status: int | None) -> str:
        method = escaped(about["method"], METHOD, alone=True)
        where = escaped(authority(about).encode("utf-8", "backslashreplace") + target, TARGET)
        version = escaped(protocol(self._version.removeprefix("HTTP/") or "1.1"), METHOD, alone=True)
        line = f'- - - {stamp(self._at)} "{method} {where} {version}" {status or NOTHING:03d} -'
        return line if self._log.format == "common" else f'{line} "-" "-"'
