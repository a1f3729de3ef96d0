"""Who answers within this process? A function of the request, or an ASGI app, in the place of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import is_function, no_decorator
from .answer import Destination

__all__ = ["App", "Function", "destination"]


def destination(value: Any) -> Any:
    """An attrs converter, of what a route or a branch leads to: a pipeline or a list is its policies, a function of the
    program's own a `Function`.
    """
    specs = getattr(value, "specs", None)
    if isinstance(specs, tuple):
        return specs
    if is_function(value) and not hasattr(value, "start") and not isinstance(value, type):
        return Function(value)
    return tuple(value) if isinstance(value, list) else value


def _callable(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not is_function(value):
        fix = "give a function of the request" if attribute.name == "fn" else "give an ASGI app, not its class"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


@attrs.frozen
class Function:
    """A Python function as the destination, plain or ``async``: called with the request as its route has made it, it
    answers what the door's callers expect (an ``httpx.Response``), or raises. Gloo's "function".
    """

    fn: Callable[..., Any] = attrs.field(validator=_callable)

    asked = ()
    """Nothing of a request, but that there is one; see `meshkit.fact.check`."""

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Destination:
        def answer(call: Call) -> Any:
            return call.door.hand(call, self.fn)

        return Destination("Function", answer, self, asks=True)


@attrs.frozen
class App:
    """An ASGI app as the destination, called within the process."""

    app: Any = attrs.field(validator=_callable)

    asked = ()
    """Nothing of a request, but that there is one; see `meshkit.fact.check`."""

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Destination:
        def answer(call: Call) -> Any:
            return call.door.serve(call, self.app)

        return Destination("App", answer, self, asks=True)
