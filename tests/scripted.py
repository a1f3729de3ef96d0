"""Policies that do what a test tells them, and write down what happens to them."""

from __future__ import annotations

from meshkit import Constant, Failure, Pipeline, Rejected, Retry, Verdict
from meshkit.observe.events import AttemptBegan, CallEnded, GaveUp, Retried
from meshkit.testing import ManualClock

EVERY_CALL = AttemptBegan, CallEnded, GaveUp, Retried
"""What calls that end as one should expect have as well."""


def told_to(events):
    """A listener that keeps what is not of `EVERY_CALL`."""
    return lambda event: None if isinstance(event, EVERY_CALL) else events.append(event)


class Gate:
    """Does what it is told, one thing for each entry: nothing, wait so many seconds, or raise an error."""

    def __init__(self, name="gate", log=None, does=(), exits=None):
        self.name = name
        self.log = [] if log is None else log
        self.does = list(does)
        self.inside = 0
        self.exits = exits
        """What its first exit raises."""

    def start(self, rng):
        return self

    def enter(self, call, now):
        self.log.append(f"{self.name} enter")
        answer = self.does.pop(0) if self.does else None
        if isinstance(answer, BaseException):
            raise answer
        self.inside += 1
        return answer

    def exit(self, call, began, now, verdict):
        self.inside -= 1
        self.log.append(f"{self.name} exit {verdict.value}{' early' if now < began else ''}")
        if self.exits is not None:
            error, self.exits = self.exits, None
            raise error

    def idle(self):
        return self.inside == 0


class Sees:
    """Calls ``see(call, now)`` for each entry."""

    exit = None

    def __init__(self, see):
        self.see = see

    def start(self, rng):
        return self

    def enter(self, call, now):
        self.see(call, now)


class Branches:
    """A choice among branches by name: the first that is not to be avoided, else the last."""

    name = "branches"

    def __init__(self, **branches):
        self.branches = branches

    def start(self, rng):
        return self

    def fold(self, fold):
        self.sections = {name: fold(states) for name, states in self.branches.items()}

    def pick(self, call, now):
        names = list(self.branches)
        call.endpoint = next((name for name in names if name not in call.avoid), names[-1])
        return self.sections[call.endpoint]


class Door:
    """Any function's, and without the checks of a pipeline that binds one."""

    answers_early = enforces_deadline = judges_results = opens = takes_request = False
    reserve = 0.0
    address = hold = discard = None

    def judge(self, call, result, error):
        return Verdict.IGNORED if isinstance(error, Rejected) else Verdict.FAILURE

    def failure(self, call, result, error):
        return Failure(error)


def fails(*errors):
    """A function that raises each of these once, then returns "done"."""
    left = list(errors)

    def fn():
        if left:
            raise left.pop(0)
        return "done"

    return fn


def fails_async(*errors):
    fn = fails(*errors)

    async def async_fn():
        return fn()

    return async_fn


def pipeline(*policies, **options):
    return Pipeline(*policies, clock=ManualClock(), **options)


def retry(attempts=3, backoff=0.0, on=ConnectionError):
    return Retry(on=on, attempts=attempts, backoff=Constant(backoff), budget=None)
