"""Events out: what happened to a call, for those who ask; and what is made of it: records, metrics, traces, logs.

    payments.listen(Recorder(errors=True))      # why did it fail?    `Record`, `last_call`, `explaining`, `Journal`
    metrics.watch(payments)                     # how often, how slow?    `Metrics`, and over OpenTelemetry `Meters`
    payments.listen(Tracing())                  # where in the trace?
    payments.listen(Log())                      # what is to be read?     and of requests `AccessLog`
    graph.watch(payments)                       # who calls whom?         `Graph`

Under all of them is one stream of events (`meshkit.observe.events`), and one way to follow a call
(`meshkit.observe.trail`).
"""

import typing

from ..lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .graph.graph import Graph
    from .log.access_log import AccessLog
    from .log.log import Log
    from .metrics.meters import Meters
    from .metrics.metrics import Metrics
    from .record.journal import Journal
    from .record.record import Record
    from .record.recorder import Recorder, explaining, last_call
    from .trace.tracing import Tracing

__all__ = [
    "AccessLog",
    "Graph",
    "Journal",
    "Log",
    "Meters",
    "Metrics",
    "Record",
    "Recorder",
    "Tracing",
    "explaining",
    "last_call",
]

_HOMES = {
    ".graph.graph": ("Graph",),
    ".log.access_log": ("AccessLog",),
    ".log.log": ("Log",),
    ".metrics.meters": ("Meters",),
    ".metrics.metrics": ("Metrics",),
    ".record.journal": ("Journal",),
    ".record.record": ("Record",),
    ".record.recorder": ("Recorder", "explaining", "last_call"),
    ".trace.tracing": ("Tracing",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
