"""What would happen? Servers, clients and their calls on one timeline; one seed decides all that is drawn.

::

    simulation = Simulation(seed=1)
    servers = [simulation.server(exponential(0.1)) for _ in range(10)]
    simulation.clients(1, Cluster("shop", simulation.endpoints, balancer=LeastRequest()))
    simulation.load(rate=80.0, seconds=60.0)
    tally = simulation.run()
    tally.quantiles(0.5, 0.99)

The policies, the balancers and the engine are those of real calls; only waiting, the servers and the users are made up.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from ..cluster import Endpoint
from ..errors import ConfigError
from ..pipeline import Pipeline
from .attempt import Attempt
from .server import Server
from .service import Service
from .sharing import ProcessorSharing
from .shell import Shell
from .tally import Tally
from .timeline import Timeline
from .traffic import poisson
from .walk import Then

__all__ = ["Simulation"]


class Simulation:
    """Nothing happens until `run`. Calls that began before ``since`` seconds are not counted: the warm-up."""

    def __init__(self, seed: int = 0, *, since: float = 0.0) -> None:
        self.seed = seed
        self.timeline = Timeline()
        self.tally = Tally(since)
        self.servers: list[Any] = []
        self.endpoints: list[Endpoint] = []
        self.shells: list[Shell] = []
        self.sent = 0
        """Attempts that went out, probes not counted."""
        self.probed = 0
        self.distance = 0.0
        """Seconds from a client to a server, and again back, for probes."""
        self._doors: dict[int, Callable[[Attempt], None]] = {}
        self._by_endpoint: dict[int, Any] = {}

    def rng(self, what: object) -> Random:
        """A generator of its own for each purpose: what one draws does not disturb the others."""
        return Random(f"{self.seed}/{what}")  # noqa: S311  # no secrets

    def server(
        self, service: Service, *, kind: type[Server | ProcessorSharing] = Server, weight: float = 1, **options: Any
    ) -> Any:
        """One more server, and its endpoint. ``options`` are those of the ``kind``."""
        k = len(self.servers)
        server = kind(self.timeline, service, self.rng(f"server {k}"), name=f"server-{k}", **options)
        endpoint = Endpoint(f"10.{k >> 16}.{k >> 8 & 255}.{k & 255}:80", weight=weight, name=server.name)  # type: ignore[arg-type]
        self.servers.append(server)
        self.endpoints.append(endpoint)
        self._doors[id(endpoint)] = server.take
        self._by_endpoint[id(endpoint)] = server
        return server

    def clients(self, count: int, *policies: Any, each: Callable[[int], tuple[Any, ...]] | None = None) -> list[Shell]:
        """So many clients, each with a pipeline, and so with a balancer, of its own."""
        first = len(self.shells)
        made = []
        for k in range(first, first + count):
            stack = policies if each is None else each(k)
            pipeline = Pipeline(*stack, seed=self.rng(f"client {k}").getrandbits(62), clock=self.timeline)
            made.append(Shell(pipeline, self.timeline, self._send, probe=self._probe))
        self.shells += made
        return made

    def load(
        self,
        rate: float | Callable[[float], float],
        seconds: float,
        *,
        request: Callable[[], Any] | None = None,
        begin: float = 0.0,
        then: Then | None = None,
    ) -> None:
        """Calls by users, each through a client drawn at random. ``request`` makes what is asked for, ``then`` is told
        of the end of each; without, the tally is.
        """
        shells, count = self.shells, float(len(self.shells))
        rng = self.rng("traffic")
        random = rng.random
        then = then or self.tally.count

        def call() -> None:
            shells[int(random() * count)].start(None if request is None else request(), then)

        poisson(self.timeline, rate, rng, call, begin=begin, end=begin + seconds)

    def run(self, until: float | None = None) -> Tally:
        """Let it happen: up to an instant, or until nothing is left to happen. The tally goes on from run to run."""
        self.timeline.run(*(() if until is None else (until,)))
        return self.tally

    def _send(self, attempt: Attempt) -> None:
        self.sent += 1
        self._doors[id(attempt.call.endpoint)](attempt)

    def _probe(self, member: Any, answer: Callable[[Any, Any], None]) -> None:
        self.probed += 1
        server = self._by_endpoint[id(member.endpoint)]
        if not hasattr(server, "latency"):
            raise ConfigError.of(
                "Simulation", "server", server, "make it kind=ProcessorSharing, which can answer probes"
            )

        def there(_: None) -> None:
            known = (server.in_flight, server.latency())
            self.timeline.after(self.distance, lambda _: answer(*known))

        self.timeline.after(self.distance, there)
