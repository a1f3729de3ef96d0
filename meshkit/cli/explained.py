"""What does ``meshkit explain --json`` print? All that it knows of a request, for programs; times in microseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config.mistakes import SECRET

if TYPE_CHECKING:
    from ..config.explained import Explained, Step, Told
    from ..config.lookup import Found, Missed, Share

__all__ = ["as_data", "visible"]


def as_data(told_of: Explained, file: str, lines: list[int]) -> dict[str, Any]:
    """All of it. ``lines``: of the file's routes."""
    found, request = told_of.found, told_of.request
    headers = {name: "***" if SECRET.search(name) else value for name, value in request.headers.items()}
    head = {"method": request.method, "url": request.url, "headers": headers, "client": request.client}
    return {
        "request": head,
        "seen": told_of.seen,
        "route": _route(told_of, file, lines),
        "reason": found.reason or None,
        "to": found.to or None,
        "status": found.status,
        "location": found.location,
        "actions": [*told_of.actions],
        "sent": _sent(found, request.head()[1]),
        "policies": [_step(each) for each in told_of.steps],
        "policies_us": _us(told_of.seconds),
        "match_us": _us(told_of.match),
        "routes": told_of.routes,
        "shares": [_share(each) for each in found.shares],
        "clusters": [_cluster(each) for each in told_of.clusters],
        "others": [_other(each, _line(told_of, each.route, lines)) for each in found.missed],
        "more": found.others,
    }


def _line(told_of: Explained, route: Any, lines: list[int]) -> int | None:
    number = told_of.numbers.get(id(route))
    return None if number is None else lines[number]


def _route(told_of: Explained, file: str, lines: list[int]) -> dict[str, Any] | None:
    route = told_of.found.route
    if route is None:
        return None
    return {"name": str(route), "number": told_of.number, "file": file, "line": _line(told_of, route, lines)}


def _other(missed: Missed, line: int | None) -> dict[str, Any]:
    return {"name": str(missed.route), "line": line, "matches": missed.matches, "why": missed.why}


def _sent(found: Found, scheme: str) -> dict[str, Any] | None:
    if found.route is None or found.status is not None or found.decision is None:
        return None
    plan = found.decision.plan
    edits = {"request": _edits(plan.request), "answer": _edits(plan.answer)}
    return {"method": found.method, "url": f"{scheme}://{found.host}{found.path}", **edits}


def _edits(edit: Any) -> dict[str, Any]:
    return {"without": sorted(name.decode("latin-1") for name in edit.gone), "with": visible(edit)}


def visible(edit: Any) -> list[tuple[str, str]]:
    """The fields that come, without the values of those that look as if they were secrets."""
    named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in edit.come]
    return [(name, "***" if SECRET.search(name) else value) for name, value in named]


def _step(step: Step) -> dict[str, Any]:
    return {"policy": step.said, "of": step.owner, "does": step.does, "us": _us(step.seconds)}


def _share(share: Share) -> dict[str, Any]:
    plain = {"name": share.name, "to": share.to, "share": share.share, "sure": share.sure}
    return {**plain, "ways": [_share(each) for each in share.ways]}


def _cluster(each: Told) -> dict[str, Any]:
    from ..cluster import Endpoint

    endpoints = [
        {
            "address": endpoint.address,
            "name": endpoint.name,
            "weight": endpoint.weight,
            "priority": endpoint.priority,
            "locality": endpoint.locality,
        }
        if isinstance(endpoint, Endpoint)
        else {"source": endpoint}
        for endpoint in each.endpoints
    ]
    steps = [_step(step) for step in each.steps]
    return {"name": each.spec.name, "balancer": each.balancer, "endpoints": endpoints, "policies": steps}


def _us(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e6, 3)
