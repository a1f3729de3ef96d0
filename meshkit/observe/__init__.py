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
    from .access_log import AccessLog
    from .graph import Graph
    from .journal import Journal
    from .log import Log
    from .meters import Meters
    from .metrics import Metrics
    from .record import Record
    from .recorder import Recorder, explaining, last_call
    from .tracing import Tracing

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
    ".access_log": ("AccessLog",),
    ".graph": ("Graph",),
    ".journal": ("Journal",),
    ".log": ("Log",),
    ".meters": ("Meters",),
    ".metrics": ("Metrics",),
    ".record": ("Record",),
    ".recorder": ("Recorder", "explaining", "last_call"),
    ".tracing": ("Tracing",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
