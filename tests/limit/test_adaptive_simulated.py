"""Does the limit find the knee, and follow it? A server in computed time, which halves, and recovers.

What is near depends on the rule. Where the knee is K:

- `AIMD` climbs to where the server drops, here at 1.5 K, and goes a tenth below it: from 1.35 K to 1.5 K, and one more
  window either way: a tenth below, one call above. Where clients lose patience it sees that late, by the 2.2 service
  times of their patience: it drops anywhere from there to twice the knee.
- `Vegas` lets 3 to 6 calls queue. It goes by the lowest of a moving mean, and by one window where it probed. A window
  of 0.1 s has some 25 calls or more of 0.5 to 1.5 times the mean (a deviation of 29%), so its own deviates by 6%:
  three of these below are a fifth of K less.
- `Gradient2` gives way where latency is 1.5 times the usual: at 1.5 K, or a sixth above and below, for the same noise.

Each mean is taken over as many seconds as it was given to settle. Seeded, so it holds or it does not.
"""

from random import Random
from statistics import mean

import pytest

from meshkit.limit.adaptive import AdaptiveConcurrency
from meshkit.limit.aimd import AIMD
from meshkit.limit.gradient import Gradient2
from meshkit.limit.vegas import Vegas

from .simulated_server import Server

NEAR = {
    "aimd": (AIMD(), {"room": 1.5}, 1.35 * 0.9, 1.55),
    "aimd, timeouts": (AIMD(), {"patience": 0.11}, 1.2, 2.0),
    "vegas": (Vegas(), {}, 0.8, 1.3),
    "gradient2": (Gradient2(), {}, 1.25, 1.75),
}
"""The algorithm, what the server does with too much, and the least and most mean limit, in knees."""


def settled(server, seconds=10):
    server.run(seconds)
    return mean(server.run(seconds))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", NEAR)
def test_it_finds_the_knee_and_follows_it(name, seed):
    algorithm, drops, least, most = NEAR[name]
    gate = AdaptiveConcurrency(algorithm, queue=1000).start(Random(seed))
    server = Server(gate, workers=50, clients=200, seed=seed, **drops)
    full = settled(server, 15)
    assert least * 50 <= full <= most * 50
    server.resize(25)
    half = settled(server)
    assert least * 25 <= half <= most * 25
    server.resize(50)
    assert least * 50 <= settled(server, 15) <= most * 50


@pytest.mark.parametrize("algorithm", [Vegas(), Gradient2()])
def test_one_that_began_in_an_overload_finds_out(algorithm):
    """The knee is at 5, and the first window has 20 at once: the baseline is an overload's, until probes have told.

    A probe at half the limit sees half the queue. In ten minutes there are ten to twenty: each takes the limit, at
    worst, to three quarters, and from 20 to 1.5 knees takes four. Vegas keeps 3 to 6 in the queue of whatever knee.
    """
    gate = AdaptiveConcurrency(algorithm, queue=1000).start(Random(1))
    server = Server(gate, workers=5, clients=100)
    server.run(600)
    assert 5 <= mean(server.run(60)) <= 11


def test_a_server_twice_as_slow_for_good_is_used_as_before():
    """More latency and the same knee: what a latency that only ever falls would take for an overload, for good."""
    gate = AdaptiveConcurrency(Gradient2(), queue=1000).start(Random(1))
    server = Server(gate, workers=50, clients=200)
    server.run(20)
    server.service *= 2
    server.run(120)
    assert 1.25 * 50 <= mean(server.run(20)) <= 1.75 * 50


@pytest.mark.parametrize("algorithm", [AIMD(), Vegas(), Gradient2()])
def test_the_server_never_idles_for_want_of_permits(algorithm):
    """Of what it can do, 1000 calls a second, at least four fifths are done, from half a minute on."""
    gate = AdaptiveConcurrency(algorithm, queue=1000).start(Random(1))
    server = Server(gate, workers=50, clients=200, room=1.5)
    server.run(30)
    before = server.served
    server.run(30)
    assert server.served - before >= 0.8 * 30_000
