"""What do tests of calls need? Time that moves when told, an upstream that answers as told, and laws to hold.

==================  =========================================================================================
time                `ManualClock`: moves by ``advance``; for threads, and for tables of instants
                    `run`: an async ``main`` in virtual time, on asyncio or trio; `virtual_clock`: a pipeline's
                    clock within; `VirtualLoop`: the event loop behind it, for a runner of one's own
an upstream         `Upstream`: a script of outcomes for any door; its steps are statuses, exceptions, values, and
                    `answer`, `after`, `hang`, `stream`, `timetable`, `brown_out`, `value`
endpoints           `Upstreams`: an `Upstream` for each endpoint of a cluster
what happened       `assert_attempts` asks an upstream, `record` a pipeline
laws                `check`: the law suite over a policy of ours or yours; asks for hypothesis
routes              `routes`: a table of requests and where a mesh sends them
==================  =========================================================================================

``meshkit.testing.strategies`` has what hypothesis draws from, ``meshkit.testing.plugin`` is the plugin for pytest. A
name is loaded when it is first asked for: the plugin stands in every session of pytest, and must cost it nothing.
"""

import typing

from ..lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .attempts import Attempt, assert_attempts
    from .clock import ManualClock
    from .decisions import Decisions, record
    from .laws import check
    from .outcomes import Answer, after, answer, brown_out, hang, stream, timetable, value
    from .table import Routes, routes
    from .upstream import Upstream
    from .upstreams import Upstreams
    from .virtual import VirtualLoop, run, virtual_clock

__all__ = [
    "Answer",
    "Attempt",
    "Decisions",
    "ManualClock",
    "Routes",
    "Upstream",
    "Upstreams",
    "VirtualLoop",
    "after",
    "answer",
    "assert_attempts",
    "brown_out",
    "check",
    "hang",
    "record",
    "routes",
    "run",
    "stream",
    "timetable",
    "value",
    "virtual_clock",
]

_HOMES = {
    ".attempts": ("Attempt", "assert_attempts"),
    ".clock": ("ManualClock",),
    ".decisions": ("Decisions", "record"),
    ".laws": ("check",),
    ".outcomes": ("Answer", "after", "answer", "brown_out", "hang", "stream", "timetable", "value"),
    ".table": ("Routes", "routes"),
    ".upstream": ("Upstream",),
    ".upstreams": ("Upstreams",),
    ".virtual": ("VirtualLoop", "run", "virtual_clock"),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
