"""Why does each policy stand where it stands, and what looks odd?

The stack is printed outermost first, a line for each policy; options that have their default are left out. Warnings
name orders that are legal and hardly ever meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from .breaker import CircuitBreaker
from .cluster import Cluster, Endpoint
from .errors import ConfigError
from .limit import ConcurrencyLimit, RateLimit
from .retry import Retry
from .shared import Shared, bare
from .timeout import Timeout

__all__ = ["attempt_timeouts", "explain", "warnings"]

REASONS: dict[type, tuple[str, str]] = {
    Timeout: ("the deadline of the whole call, its attempts and waits", "the deadline of each attempt"),
    Retry: ("all below is done again for each attempt", "a retry within a retry"),
    RateLimit: ("counts calls, not attempts", "counts every attempt"),
    ConcurrencyLimit: ("a permit for the whole call", "a permit for each attempt"),
    CircuitBreaker: ("judges whole calls", "judges every attempt"),
    Cluster: ("picks the endpoint", "picks an endpoint for each attempt"),
}
"""Outside a retry, and inside one."""


def explain(specs: tuple[Any, ...]) -> str:
    """The stack with its reasons, then the warnings."""
    rows = list(_rows(specs, False, 0))
    width = max((len(left) for left, _ in rows), default=0)
    lines = [f"{left:<{width}}  {right}".rstrip() for left, right in rows] or ["no policies: calls pass unchanged"]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in warnings(specs))])


def _rows(specs: tuple[Any, ...], repeated: bool, depth: int) -> Iterator[tuple[str, str]]:
    for spec in specs:
        reasons = REASONS.get(type(bare(spec)), ("around the whole call", "around each attempt"))
        yield "  " * depth + _text(spec), reasons[repeated] + (", shared" if isinstance(spec, Shared) else "")
        repeated = repeated or isinstance(bare(spec), Retry)
        if isinstance(bare(spec), Cluster):
            yield from _rows(bare(spec).pipeline, repeated, depth + 1)


def _text(value: Any) -> str:
    """A value as its user would write it."""
    if isinstance(value, Shared):
        return f"Shared({_text(value.spec)})"
    if isinstance(value, Endpoint):
        return repr(str(value))
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, type) or not attrs.has(type(value)):
        name = getattr(value, "__name__", None)
        return name if isinstance(name, str) else repr(value)
    parts = []
    for field in attrs.fields(type(value)):
        option = getattr(value, field.name)
        if option == _default(field, value) or (isinstance(value, Cluster) and field.name == "pipeline"):
            continue
        parts.append(f"{field.name}={_text(option)}" if field.kw_only else _text(option))
    return f"{type(value).__name__}({', '.join(parts)})"


def _default(field: attrs.Attribute[Any], value: Any) -> Any:
    default: Any = field.default
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default
    return default.factory(value) if default.takes_self else default.factory()


def warnings(specs: tuple[Any, ...]) -> list[str]:
    """Odd orders, in plain words."""
    found: list[str] = []
    path = _path(specs)
    retries = [k for k, spec in enumerate(path) if isinstance(spec, Retry)]
    deadline: float | None = None
    for k, spec in enumerate(path):
        if isinstance(spec, CircuitBreaker) and any(k < other for other in retries):
            found.append("a circuit breaker outside a retry sees only the last attempt of a call: put it inside")
        if isinstance(spec, Timeout):
            if deadline is not None and spec.seconds >= deadline:
                found.append(f"a timeout of {spec.seconds:g} s within one of {deadline:g} s never strikes")
            deadline = min(deadline or spec.seconds, spec.seconds)
    if len(retries) > 1:
        tries = 1
        for k in retries:
            tries *= path[k].attempts
        found.append(f"two retries on one path multiply: up to {tries} attempts for one call")
    if retries and deadline is None:
        found.append("a retry without a timeout: an attempt that hangs is never repeated")
    if any(path[k].budget is None and path[k].attempts > 1 for k in retries):
        found.append("a retry without a budget multiplies the load on an upstream that fails")
    return list(dict.fromkeys(found))


def attempt_timeouts(specs: tuple[Any, ...]) -> None:
    """Refuse a timeout inside a retry where nothing can end an attempt: raises `ConfigError`."""
    repeated = False
    for spec in _path(specs):
        if repeated and isinstance(spec, Timeout):
            fix = "a sync function cannot be cancelled: put the timeout outside the retry, or make the function async"
            raise ConfigError.of("Timeout", "seconds", spec.seconds, fix)
        repeated = repeated or isinstance(spec, Retry)


def _path(specs: tuple[Any, ...]) -> list[Any]:
    path = [bare(spec) for spec in specs]
    if path and isinstance(path[-1], Cluster):
        path += [bare(spec) for spec in path[-1].pipeline]
    return path
