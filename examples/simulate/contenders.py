"""Who runs? The balancers, by the names they have on the pages."""

from __future__ import annotations

from typing import Any

from meshkit.balance import LeastRequest, PeakEwma, Prequal, RandomChoice, RoundRobin, WeightedByReports

__all__ = ["ALL", "LOCAL", "TOLD", "percent", "row", "shown"]

LOCAL: dict[str, Any] = {
    "random": RandomChoice(),
    "round robin": RoundRobin(),
    "least request": LeastRequest(),
    "peak EWMA": PeakEwma(),
}
"""They know what their own client has seen."""
TOLD = ("round robin by reports", "Prequal")
"""They are told by the servers."""


ALL: dict[str, Any] = {**LOCAL, **dict(zip(TOLD, (WeightedByReports(), Prequal()), strict=True))}


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def percent(share: float, digits: int = 1) -> str:
    return "-" if share != share else f"{share:.{digits}%}"  # noqa: PLR0124  # NaN


def shown(seconds: float) -> str:
    if seconds != seconds:  # noqa: PLR0124  # NaN
        return "-"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
