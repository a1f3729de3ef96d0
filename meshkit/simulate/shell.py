"""How is a pipeline driven on virtual time? One shell for each client: its own pipeline, balancer and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..call import Call
from ..errors import ConfigError
from ..runtime.telling import begun, left
from ..runtime.telling import told as told_of
from ..section import within
from .attempt import Attempt
from .door import SimulatedDoor
from .timeline import Timeline
from .walk import Then, Walk

__all__ = ["Shell"]

DOOR = SimulatedDoor()


class Shell:
    """Drives one pipeline, whose clock must be the ``timeline``.

    ``send(attempt)`` hands an attempt to its server (``attempt.call.endpoint`` says which), which sooner or later calls
    ``attempt.answer(outcome)``. Balancers that ask their servers by themselves (`Prequal`) are given
    ``probe(member, answer)``: it calls ``answer(in_flight, latency)`` when the server has said so, or ``answer(None,
    None)``. Raises `ConfigError` for another clock.
    """

    __slots__ = ("door", "judge", "judging", "probe", "send", "timeline", "tree")

    def __init__(
        self,
        pipeline: Any,
        timeline: Timeline,
        send: Callable[[Attempt], object],
        *,
        door: Any = DOOR,
        probe: Callable[[Any, Callable[[Any, Any], None]], None] | None = None,
    ) -> None:
        if pipeline.clock is not timeline:
            fix = "make the pipeline with clock=timeline, the one it is to be simulated on"
            raise ConfigError.of("Shell", "pipeline", pipeline, fix)
        self.tree = pipeline
        self.timeline = timeline
        self.send = send
        self.door = door
        self.judge = door.judge
        self.judging = door.judges_results
        self.probe = probe
        if probe is not None:
            for balancer in _probing(pipeline):
                self._attend(balancer, probe)

    def start(self, request: Any, then: Then) -> None:
        """Begin a call. ``then(walk, result, error)`` is called when it has ended, perhaps at once."""
        call = Call(self.door, request, self.timeline.now)
        section = self.tree.root if self.tree.watched is None else begun(self.tree, call)
        if call.events is not None:
            then = self._telling(then)
        Walk(self, call, then).begin(section)

    def _telling(self, then: Then) -> Then:
        def told(walk: Walk, result: Any, error: BaseException | None) -> None:
            told_of(self.tree, walk.call, self.timeline.now, walk.verdict, error)
            left(self.tree, walk.call, inner=False)
            then(walk, result, error)

        return told

    def _attend(self, balancer: Any, probe: Callable[[Any, Callable[[Any, Any], None]], None]) -> None:
        """Run the errands of a balancer as they come."""

        def drain(_: None) -> None:
            while balancer.errands:
                run(balancer.errands.popleft())

        def run(member: Any) -> None:
            def answer(in_flight: float | None, latency: float | None) -> None:
                if in_flight is None:
                    balancer.unanswered(member, self.timeline.now)
                else:
                    balancer.answered(member, in_flight, latency, self.timeline.now)

            probe(member, answer)

        balancer.wake = lambda: self.timeline.after(0.0, drain)


def _probing(pipeline: Any) -> list[Any]:
    """The balancers of a pipeline that have errands."""
    found = []
    left = [state.balancer for state in within(pipeline.states) if hasattr(state, "balancer")]
    while left:
        balancer = left.pop()
        if hasattr(balancer, "errands"):
            found.append(balancer)
        left += getattr(balancer, "within", ())
    return found
