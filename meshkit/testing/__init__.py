"""What do tests of calls need? Time that moves when told, and the laws of policies as a suite.

================  ===========================================================================================
`ManualClock`     time moves by ``advance``; for threads, and for tables of instants
`run`             an async ``main`` on asyncio or trio in virtual time: a second of sleep takes no time at all
`virtual_clock`   the clock of a pipeline within `run`
`VirtualLoop`     the event loop behind it, for a runner of one's own
`check`           the law suite over a policy of ours or yours; asks for hypothesis
================  ===========================================================================================
"""

from .clock import ManualClock
from .laws import check
from .virtual import VirtualLoop, run, virtual_clock

__all__ = ["ManualClock", "VirtualLoop", "check", "run", "virtual_clock"]
