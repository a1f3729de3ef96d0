"""A mesh file with many routes, as they come: exact paths, prefixes, expressions, methods and header fields."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["large"]


def large(routes: int) -> str:
    """With so many of them, twenty for each host, ten for each cluster. Nothing in it is odd."""
    return "\n".join(_lines(routes)) + "\n"


def _lines(routes: int) -> Iterator[str]:
    yield "mesh: large"
    yield "policies:"
    yield "  careful: [timeout: 5s, retry: 5xx]"
    yield "clusters:"
    for number in range((routes + 9) // 10):
        yield f'  c{number}: {{endpoints: ["10.0.{number // 250}.{number % 250}:8080"]}}'
    yield "routes:"
    for number in range(routes):
        paths = (
            f"path: /p{number}",
            f"prefix: /p{number}",
            f"prefix: /q{number // 7}/x{number}, method: [GET, POST]",
            f'prefix: /a{number}, headers: {{x-v: "{number}"}}',
            f'regex: "/r{number}/[0-9]+"',
        )
        yield f"- name: r{number}"
        yield f"  match: {{host: h{number // 20}.example, {paths[number % 5]}}}"
        yield "  policies: careful"
        yield f"  actions: [request_headers: {{set: {{x-route: r{number}}}}}]"
        yield f"  to: c{number // 10}"
