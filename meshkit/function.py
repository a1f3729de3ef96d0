"""The door for functions: any ``def`` or ``async def`` behind a pipeline.

A call that returns is a success, one that raises a failure, unless ``judge`` says otherwise. The upstream is whatever
the function does. A function with a parameter ``endpoint`` is given the endpoint the pipeline's cluster picked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .call import Call, Failure, Verdict
from .errors import Rejected

__all__ = ["FunctionDoor", "Judge"]

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED

Judge = Callable[[Any, BaseException | None], Verdict]
"""``(result, error)`` to a verdict; exactly one of the two is meant, and a result may be ``None``."""


class FunctionDoor:
    """Translates one function's calls."""

    __slots__ = ("_judge", "_parameters", "address", "judges_results")

    enforces_deadline = False
    takes_request = False
    hold = None
    discard = None

    def __init__(self, fn: Callable[..., Any], judge: Judge | None = None) -> None:
        self._judge = judge
        self.judges_results = judge is not None
        try:
            self._parameters: inspect.Signature | None = inspect.signature(fn)
        except (TypeError, ValueError):  # a builtin without a signature
            self._parameters = None
        wanted = self._parameters is not None and "endpoint" in self._parameters.parameters
        self.address = self._with_endpoint if wanted else None

    def _with_endpoint(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, kwargs = call.request
        return args, kwargs if call.endpoint is None else {**kwargs, "endpoint": call.endpoint}

    def judge(self, call: Call, result: Any, error: BaseException | None) -> Verdict:
        if self._judge is not None:
            return self._judge(result, error)
        if error is None:
            return SUCCESS
        return IGNORED if isinstance(error, Rejected) else FAILURE

    def failure(self, call: Call, result: Any, error: BaseException | None) -> Failure:
        return Failure(error)

    def fact(self, call: Call, name: str) -> Any:
        """The argument of that name; with dots, an attribute of it: ``"request.client.host"``."""
        args, kwargs = call.request
        first, *attributes = name.split(".")
        if self._parameters is None:
            value = kwargs[first]
        else:
            bound = self._parameters.bind_partial(*args, **kwargs)
            bound.apply_defaults()
            value = bound.arguments[first]
        for attribute in attributes:
            value = getattr(value, attribute)
        return value
