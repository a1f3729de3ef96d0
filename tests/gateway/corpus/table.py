"""What did each of them do? The page `docs/explanation/bad-input.md`, written anew by `make corpus`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from .corpus import CASES, SECTIONS
from .peers import version
from .seen import Seen

__all__ = ["COLUMNS", "PAGE", "Results", "cell", "escaped", "page", "read"]

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "bad-input.md"

COLUMNS = {
    "llhttp": "meshkit",
    "granian": "under granian",
    "nginx": "nginx",
    "haproxy": "haproxy",
    "Envoy": "Envoy",
}
"""Who was asked, and what the table calls them."""

FLAWS = (
    "more requests than were sent, or the next one astray",
    "something malformed passed on to the upstream",
    "something malformed passed on to the client",
    "what concerns one connection passed on",
    "something waits beyond its bound",
)
REFUSED = "refused, and the upstream saw nothing"

Results = dict[str, dict[int, Seen]]
"""For each of them what came of each case, by its place in the corpus."""

TOP = """# What becomes of bad input?

{count} cases, each of them raw bytes sent to a running gateway whose upstream writes down the raw bytes that it gets,
and answers with raw bytes of its own. The same ones go to nginx {nginx}, haproxy {haproxy} and Envoy {envoy} beside it.
The gateway runs under `meshkit serve`'s own HTTP/1.1, here with httptools {httptools} (without it every case comes to
what it must as well), and under granian {granian}, where hyper reads the requests. `make corpus` asks all of them anew
and writes this page; the cases are in `tests/gateway/corpus/`.

Of meshkit's two columns the tests hold that each case comes to what is expected of it, and that in no case

- the upstream sees a request more than there are in it, or one that a strict receiver could read in another way;
- the next request on the same connection is lost, changed, or given somebody else's answer;
- the client gets bytes that are no answer, an answer too many, or half an answer that looks whole;
- anything waits beyond its bound, or is held when all is over: no connection, no task, no permit.

Where one of the others does one of these things, it stands in **bold**. That is no verdict on them: much of it is a
choice (nginx relays what it takes for an answer of HTTP/0.9; haproxy leaves the fields of a connection to those at its
ends), options would change some of it, newer versions more, and whether any harm is done is decided by who stands
behind. They are configured as a careful person would, see `tests/gateway/corpus/peers.py`.

## How to read it

| in the table | means |
|---|---|
| `400` | the answer's status; the upstream saw nothing of the request |
| `200` | the upstream saw one request, well-formed, and its answer came back |
| `400, passed on` | refused, after the upstream had seen it, or a part of it |
| `200, by itself` | answered without asking the upstream |
| `200, broken off` | the answer's head came, and then the connection ended before the body did, plainly |
| `closed` | the connection was closed without an answer |
| `malformed` | what came was no answer of HTTP/1.1 |
| `gone` | it was the client who left |
| what stands behind `;` | what the upstream was told |

The two seconds that each of them is given for whatever it waits for are not in the table.

## In short

"""


def page(results: Results) -> str:
    """The whole of it."""
    versions = {name: version(name) for name in ("nginx", "haproxy")}
    versions |= {"envoy": version("Envoy"), "granian": installed("granian"), "httptools": installed("httptools")}
    parts = [TOP.format(count=len(CASES), **versions), *_summary(results)]
    start = 0
    for title, cases in SECTIONS.items():
        parts.append(f"\n## {title}\n\n")
        parts.append(_row(["", *COLUMNS.values(), "source"]))
        parts.append(_row(["---"] * (len(COLUMNS) + 2)))
        for place, case in enumerate(cases, start):
            cells = [cell(results[name][place], name) for name in COLUMNS]
            parts.append(_row([case.name, *cells, case.source]))
        start += len(cases)
    return "".join(parts)


def cell(seen: Seen, name: str) -> str:
    """What one of them did with one case; where it may be one thing or another, both."""
    must = seen.case.granian
    if seen.case.varies and name == "granian" and must is not None:
        return " or ".join(map(str, must.statuses))
    flaws = "; ".join(_shortened(flaw) for flaw in seen.flaws())
    return f"{seen.words()}; **{flaws}**" if flaws else seen.words()


def read(text: str) -> Iterator[tuple[str, list[str]]]:
    """The rows of a page, as they stand there: a case's name, and its columns."""
    for line in text.partition("\n## In short")[2].partition(f"\n## {next(iter(SECTIONS))}\n")[2].splitlines():
        cells = [each.strip() for each in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == len(COLUMNS) + 2 and cells[0] and cells[0] != "---":
            yield cells[0], cells[1:-1]


def escaped(text: str) -> str:
    """As it can stand in a cell."""
    text = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
    return text.replace("|", "\\|")


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(escaped(each) for each in cells)} |\n"


def _shortened(flaw: str) -> str:
    """Of bytes no more than a few, as code."""
    return re.sub(r"""b(['"])(.*)\1$""", lambda found: f"`{found[2][:40]}`", flaw)


def _summary(results: Results) -> Iterator[str]:
    yield _row(["", *COLUMNS.values()])
    yield _row(["---"] * (len(COLUMNS) + 1))
    counts: dict[str, Counter[str]] = {name: _counted(results[name]) for name in COLUMNS}
    for what in ("cases", REFUSED, *FLAWS):
        yield _row([what, *(str(counts[name][what]) for name in COLUMNS)])


def _counted(seen: dict[int, Seen]) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in seen.values():
        found["cases"] += 1
        final: Any = each.final
        if not each.saw and (final is None or final.status >= 400) and each.talk.ended != "left":
            found[REFUSED] += 1
        found.update({_kind(flaw) for flaw in each.flaws()})
    return found


def _kind(flaw: str) -> str:
    if "requests for" in flaw or "astray" in flaw or "answers for" in flaw:
        return FLAWS[0]
    if flaw in ("passes on Connection", "passes on upgrade", "passes on te", "makes a tunnel") or flaw.startswith(
        ("passes on keep-alive", "passes on proxy")
    ):
        return FLAWS[3]
    if flaw.startswith("passes on"):
        return FLAWS[1]
    return FLAWS[4] if flaw in ("hangs", "leaves the upstream waiting") else FLAWS[2]
