"""What came of a case: as it must be, as it must never be, and in a few words?

Whatever else is expected, with no case (`flaws`)

- does the upstream see more requests than are in it, or one that a strict receiver could read otherwise;
- is `NEXT`, sent on the same connection, lost, changed, or given another's answer;
- does the client get bytes that are no answer, or one answer too many;
- is anything held beyond its bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from .case import Case, Must
from .client import Talk
from .reading import Message, answers, requests
from .upstream import Came, is_next

__all__ = ["Seen"]

HOPS = ("keep-alive", "proxy-connection", "proxy-authenticate", "te", "upgrade")
KEPT = {b"", b"close", b"keep-alive", b"te"}
"""What ``Connection`` may say of the connection itself."""


@attrs.define
class Seen:
    """A case, what the client got and what its upstream saw."""

    case: Case
    talk: Talk
    came: list[Came]

    @property
    def saw(self) -> list[Message]:
        """The requests that reached the upstream, without `NEXT`."""
        return [each for came in self.came for each in requests(bytes(came.data)) if not is_next(each)]

    @property
    def told(self) -> list[Message]:
        """The answers that the client got, without that to `NEXT`."""
        closed = self.talk.ended == "eof"
        found = answers(bytes(self.talk.data), [*self.case.methods], closed=closed)
        if self.talk.went_on:
            finals = [each for each in found if not _interim(each)]
            if len(finals) > self.case.asks:
                found = found[: found.index(finals[self.case.asks])]
        return found

    @property
    def final(self) -> Message | None:
        """The first final answer; `None`: there is none, or what there is in its place is no answer."""
        first = next((each for each in self.told if not _interim(each)), None)
        return first if first is not None and first.status else None

    @property
    def tunnels(self) -> bool:
        """Whether the upstream was asked for a tunnel, and agreed: what follows is no request any more."""
        final = self.final
        return final is not None and 200 <= final.status < 300 and any(each.method == b"CONNECT" for each in self.saw)

    def flaws(self) -> list[str]:
        """What no gateway should do, whatever the case."""
        return list(dict.fromkeys(self._flaws()))

    def _flaws(self) -> Iterator[str]:
        if self.talk.hung:
            yield "hangs"
        asks = self.case.asks
        saw = self.saw
        if self.tunnels:
            yield "makes a tunnel"
        elif len(saw) > asks:
            yield f"{len(saw)} requests for {asks}"
        for message in saw:
            for each in message.wrong:
                yield f"passes on {each}"
            for name in HOPS:
                if any(value != b"trailers" for value in message.all(name)) and self.case.site != "upgrades":
                    yield f"passes on {name}"
            if not {value.lower() for value in message.all("connection")} <= KEPT and self.case.site != "upgrades":
                yield "passes on Connection"
        for came in self.came:
            if came.waits():
                yield "leaves the upstream waiting"
        if self.talk.http2:
            return
        everything = answers(bytes(self.talk.data), [*self.case.methods], closed=self.talk.ended == "eof")
        for message in everything:
            for each in message.wrong:
                yield f"answers {each}"
            if not message.whole and not self.talk.ended and not self.talk.hung:
                yield "answers in part"
        finals = [each for each in everything if not _interim(each)]
        if len(finals) > asks + self.talk.went_on and not self.tunnels:
            yield f"{len(finals)} answers for {asks + self.talk.went_on}"
        if self.talk.went_on and not self.tunnels:
            following = [each for came in self.came for each in requests(bytes(came.data)) if is_next(each)]
            rest = finals[asks:]
            if rest and (len(following) != 1 or (rest[0].status, rest[0].body) != (200, b"next")):
                yield "the next request goes astray"

    def misses(self, name: str = "") -> list[str]:
        """What is not as it must be, under the server of this name."""
        case = self.case
        return list(self._misses(case.granian if name == "granian" and case.granian else case.must))

    def _misses(self, must: Must) -> Iterator[str]:
        final, saw = self.final, self.saw
        status = final.status if final else 0
        if must.statuses and status not in must.statuses:
            yield f"status {status}, not {' or '.join(map(str, must.statuses))}"
        if must.saw is not None and len(saw) != must.saw:
            yield f"the upstream saw {len(saw)} requests, not {must.saw}"
        if must.ends is not None and bool(self.talk.ended) != must.ends:
            yield "the connection is left open" if must.ends else "the connection is closed"
        if must.whole is not None and final is not None and final.whole != must.whole:
            yield "the answer is cut short" if must.whole else "the answer seems to be whole"
        if must.interim is not None:
            interim = tuple(each.status for each in self.told if each.status < 200)
            if interim != must.interim:
                yield f"interim answers {interim}, not {must.interim}"
        if saw:
            first = saw[0]
            for name in ("target", "method", "body"):
                wanted = getattr(must, name)
                if wanted is not None and getattr(first, name) != wanted:
                    yield f"{name} {getattr(first, name)[:80]!r}, not {wanted[:80]!r}"
            yield from _differing(first, must.fields)
        if final is not None:
            yield from _differing(final, must.told)
            if must.answer is not None and final.body != must.answer:
                yield f"answer {final.body[:80]!r}, not {must.answer[:80]!r}"

    def words(self) -> str:
        """For the table."""
        final, saw = self.final, self.saw
        if final is None:
            said = "hangs" if self.talk.hung else {"left": "gone"}.get(self.talk.ended, "closed")
            if said == "closed" and any(not _interim(each) for each in self.told):
                said = "malformed"
            if self.talk.http2:
                said = "HTTP/2"
        else:
            finals = [each for each in self.told if not _interim(each)]
            said = " ".join(str(each.status) for each in finals)
            if not finals[-1].whole:
                said += ", broken off"
        if saw and (final is None or final.status >= 400) and said != "gone" and self.case.answer[:1] != (b"",):
            said += "" if self._of_the_upstream() else ", passed on"
        if not saw and final is not None and final.status < 400:
            said += ", by itself"
        shown = [text for name in self.case.shows for text in self._shown(name, saw[:1])]
        return "; ".join([said, *shown])

    def _of_the_upstream(self) -> bool:
        """Whether the case is about what the upstream does, so that a request is passed on in any case."""
        return self.case.answer != attrs.fields(Case).answer.default and len(self.case.answer) > 0

    def _shown(self, name: str, first: list[Message]) -> Iterator[str]:
        for message in first:
            if name in ("target", "method"):
                yield f"`{getattr(message, name).decode('latin-1')}`"
            else:
                values = b", ".join(message.all(name)).decode("latin-1")
                yield f"{name}: `{_without_ports(values)}`" if message.all(name) else f"no {name}"


def _interim(message: Message) -> bool:
    return 100 <= message.status < 200 and message.status != 101


def _differing(message: Message, fields: dict[str, bytes | None]) -> Iterator[str]:
    for name, wanted in fields.items():
        values = message.all(name)
        value = b", ".join(values) if values else None
        if value != wanted:
            yield f"{name}: {value!r}, not {wanted!r}"


def _without_ports(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:*", text)
