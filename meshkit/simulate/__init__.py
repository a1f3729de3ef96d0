"""What would happen? The third shell: the very same policies, on virtual time.

A simulation runs millions of calls through real pipelines in minutes, with servers, users and troubles made up, and the
same each time by one seed.
"""

from .attempt import Attempt
from .door import FULL, GOOD, RESET, UNAVAILABLE, Outcome, SimulatedDoor
from .server import Server
from .service import constant, exponential, lognormal, normal, pareto
from .sharing import ProcessorSharing
from .shell import Shell
from .simulation import Simulation
from .tally import Tally, imbalance, quantile
from .timeline import Timeline
from .traffic import poisson, zipf
from .trouble import antagonists, cold, fail, flap, slow
from .walk import Walk

__all__ = [
    "FULL",
    "GOOD",
    "RESET",
    "UNAVAILABLE",
    "Attempt",
    "Outcome",
    "ProcessorSharing",
    "Server",
    "Shell",
    "SimulatedDoor",
    "Simulation",
    "Tally",
    "Timeline",
    "Walk",
    "antagonists",
    "cold",
    "constant",
    "exponential",
    "fail",
    "flap",
    "imbalance",
    "lognormal",
    "normal",
    "pareto",
    "poisson",
    "quantile",
    "slow",
    "zipf",
]
