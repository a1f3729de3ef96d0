"""The door for functions: any ``def`` or ``async def`` behind a pipeline.

A call that returns is a success, one that raises a failure, unless ``judge`` says otherwise. The upstream is whatever
the function does. A function with a parameter ``endpoint`` is given the endpoint the pipeline's cluster picked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import Any

from .call import Call, Failure, Verdict
from .deadline import impatient
from .engine import survive
from .errors import ConfigError, Rejected, TimedOut
from .policy import Pairs

__all__ = ["FunctionDoor", "Judge", "Spent", "cost_of", "judged"]

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED

Judge = Callable[[Any, Any], Verdict | None]
"""``(result, error)`` to a verdict; ``error`` is ``None`` where the function returned. ``None``: as without a judge."""


Spent = Callable[[Any], float]
"""What a result turned out to cost: for limits that settle."""


def judged(verdict: Any) -> Verdict | None:
    """What a judge answered, if it is an answer."""
    if verdict is None or isinstance(verdict, Verdict):
        return verdict
    raise TypeError(f"a judge answers a Verdict, or None for the usual one, not {verdict!r}")


def cost_of(spent: Spent, result: Any) -> float | None:
    """What a result has cost; ``None`` where that cannot be told. An answer is not lost to a look into it."""
    try:
        return spent(result)
    except Exception as error:
        survive(error)
        return None


class FunctionDoor:
    """Translates one function's calls."""

    __slots__ = ("_fn", "_judge", "_name", "_parameters", "_rest", "_spent", "address", "judges_results")

    answers_early = False
    enforces_deadline = False
    opens = True
    reserve = 0.0
    takes_request = False
    hold = None
    discard = None
    copies = None

    def __init__(self, fn: Callable[..., Any], judge: Judge | None = None, spent: Spent | None = None) -> None:
        self._fn = fn
        self._judge = judge
        self._spent = spent
        self._name = getattr(fn, "__qualname__", type(fn).__name__).replace("<locals>.", "")
        # A wrapper, a lambda or an object may turn out to hand on a coroutine, and then nothing would be guarded.
        self.judges_results = (
            judge is not None
            or spent is not None
            or not (inspect.isfunction(fn) and fn.__name__.isidentifier())
            or (hasattr(fn, "__wrapped__"))
        )
        try:
            self._parameters: inspect.Signature | None = inspect.signature(fn)
        except (TypeError, ValueError):  # a builtin without a signature
            self._parameters = None
        parameters = {} if self._parameters is None else self._parameters.parameters
        self._rest = next((each.name for each in parameters.values() if each.kind is each.VAR_KEYWORD), None)
        """What the parameter is called that takes further keywords."""
        wanted = "endpoint" in parameters
        self.address = self._with_endpoint if wanted else None

    def _with_endpoint(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, kwargs = call.request
        return args, kwargs if call.endpoint is None else {**kwargs, "endpoint": call.endpoint}

    def judge(self, call: Call, result: Any, error: BaseException | None) -> Verdict:
        if self._spent is not None and error is None:
            call.spent = cost_of(self._spent, result)
        if self._judge is not None:
            verdict = judged(self._judge(result, error))
            if verdict is not None:
                return verdict
        if error is None:
            if inspect.isawaitable(result):
                close = getattr(result, "close", None)
                if close is not None:
                    close()
                raise TypeError("the function returned an awaitable, which nothing guards: make it an async def")
            return SUCCESS
        if isinstance(error, Rejected) or (isinstance(error, TimedOut) and impatient(call)):
            return IGNORED
        return FAILURE

    def failure(self, call: Call, result: Any, error: BaseException | None) -> Failure:
        return Failure(error)

    def fact(self, call: Call, name: str) -> Any:
        """The argument of that name; with dots, an attribute of it: ``"request.client.host"``."""
        args, kwargs = call.request
        first, *attributes = name.split(".")
        if self._parameters is None:
            known = kwargs
        else:
            bound = self._parameters.bind_partial(*args, **kwargs)
            bound.apply_defaults()
            known = bound.arguments
            if self._rest is not None:
                known = {**known, **known.get(self._rest, {})}
        if first not in known:
            if self._parameters is not None and first in self._parameters.parameters:
                raise TypeError(f"{self._name}() missing a required argument: {first!r}")
            raise ConfigError.of(self._name, "argument", first, f"the call has none of that name, only {list(known)}")
        value = known[first]
        for attribute in attributes:
            value = getattr(value, attribute)
        return value

    def knows(self, name: str) -> None:
        """Raises `ConfigError` where the function certainly has no argument of that name."""
        first = name.partition(".")[0]
        if self._parameters is None or self._rest is not None or first in self._parameters.parameters:
            return
        names = [*self._parameters.parameters]
        fix = f"name an argument of the function, one of {names}" if names else "the function has no arguments"
        raise ConfigError.of(self._name, "argument", name, fix)

    def same(self, call: Call, own: Hashable | None = None) -> Hashable | None:
        """The function with its arguments, told apart as by ``functools.lru_cache(typed=True)``; ``own`` instead."""
        if own is not None:
            return self._fn, own
        args, kwargs = call.request
        if not kwargs:
            return self._fn, args, tuple(map(type, args))
        named = sorted(kwargs.items())
        return self._fn, args, tuple(map(type, args)), tuple((name, value, type(value)) for name, value in named)

    def twice(self, call: Call) -> tuple[bool, bool]:
        return True, True

    def respond(self, call: Call, status: int, headers: Pairs = (), body: bytes = b"") -> Any:
        """A function has no status: raises `ConnectionError`."""
        raise ConnectionError(f"injected fault: status {status}")

    def about(self, call: Call) -> dict[str, Any]:
        """What may be told of the call: nothing of its arguments."""
        return {"kind": "function", "name": self._name}

    def who(self, call: Call) -> str:
        return self._name
