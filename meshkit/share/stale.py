"""What was the last good answer, now that there is none? Better an old one than an error, and for so long only.

::

    the answer is good                                           it is given, and kept
    the call fails, is refused or times out further in           the kept answer, if it is no older than ``seconds``
        nothing is kept, or the call's own time is over          its own failure

The term is ``stale-if-error`` of RFC 5861 (4), and so is the bound. What stands outside sees the answer that is given:
a retry, a breaker or a fallback there has nothing to do. What stands inside sees the failure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from random import Random
from typing import Any

import attrs

from .. import fact, options
from ..call import Call, Verdict
from ..errors import Rejected
from ..observe.events import FellBack, Passed
from ..runtime.lock import LOCK
from . import likeness
from .answers import Answers
from .failure import spent

__all__ = ["StaleIfError", "StaleIfErrorState"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED


@attrs.frozen
class StaleIfError:
    """Keep the last good answer of each call for ``seconds``, and give it when the same call fails.

    ``key``: which calls are the same, as in `SingleFlight`: by default the arguments of a function, or the method, URL
    and header fields of a GET or HEAD. A call fails by the door's judgement; a refusal (`Rejected`) and a timeout
    further in are failures as well, cancellation and the call's own deadline are not. Put it outside the timeout.

    The answer of a function is kept and given as the same object. A response is kept once its caller has read its body
    to the end, unless that is longer than ``max_bytes`` or its ``Cache-Control`` forbids it; given again it has an
    ``Age`` and ``response.extensions["stale"]``, the seconds since it was received.

    ``max_keys`` answers are kept, and of responses ``max_total`` bytes; the least lately used make room. For async
    functions and clients.
    """

    seconds: float = attrs.field(validator=options.seconds())
    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    max_keys: int = attrs.field(default=1000, validator=options.count(), kw_only=True)
    max_bytes: int = attrs.field(default=2**20, validator=options.size(), kw_only=True)
    max_total: int = attrs.field(default=2**26, validator=options.size(), kw_only=True)
    name: str = attrs.field(default="StaleIfError", validator=fact.text, kw_only=True)

    asks = ("key",)
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> StaleIfErrorState:
        return StaleIfErrorState(self)


class StaleIfErrorState:
    """A `Middleware` that remembers."""

    __slots__ = ("_alike", "_most", "answers", "given", "name")

    def __init__(self, spec: StaleIfError) -> None:
        self.name = spec.name
        self.answers = Answers(float(spec.seconds), spec.max_keys, spec.max_total)
        self.given = 0
        self._alike = likeness.asking(spec.name, spec.key)
        self._most = spec.max_bytes

    def facts(self, call: Call, /) -> Hashable | None:
        return self._alike(call)

    async def __call__(self, call: Call, call_next: Callable[[], Awaitable[Any]], /) -> Any:
        key = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        if call.events is not None and call.events.detailed:
            with LOCK:
                now = call.clock()
                call.events.append(Passed(now, self.name, call.endpoint, self.numbers(call, now)))
        if key is None:
            return await call_next()
        result = None
        try:
            result = await call_next()
        except Exception as error:
            if call.verdict in (SUCCESS, IGNORED) and not isinstance(error, Rejected):
                raise
            found = self._find(call, key, error)
            if found is None:
                raise
        else:
            if call.verdict is SUCCESS:
                self._keep(call, key, result)
                return result
            found = None if call.verdict is IGNORED else self._find(call, key, None, result)
            if found is None:
                return result
            if call.door.discard is not None:
                from ..runtime.waiting import close  # anyio is loaded by those who need it

                await close(call.door.discard, result)
        age, answer = found
        return answer if call.door.copies is None else answer.response(call, age)

    def _keep(self, call: Call, key: Hashable, result: Any) -> None:
        copies = call.door.copies
        at: Any = call.answered_at  # it was
        if copies is None:
            with LOCK:
                self.answers.keep(key, result, 0, at)
        elif copies.keepable(result):
            copies.record(call, result, self._most, partial(self._whole, key, at))
        else:
            with LOCK:
                self.answers.forget(key)  # it holds no more

    def _whole(self, key: Hashable, at: float, copy: Any) -> None:
        with LOCK:
            self.answers.keep(key, copy, copy.size, at)

    def _find(self, call: Call, key: Hashable, error: Exception | None, result: Any = None) -> tuple[float, Any] | None:
        if spent(call):
            return None
        now = call.clock()
        with LOCK:
            found = self.answers.give(key, now)
            self.given += found is not None
        if found is not None and call.events is not None:
            call.events.append(FellBack(now, self.name, call.door.failure(call, result, error)))
        return found

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """How old an answer may be, and how old the one is that would be given now, where there is one."""
        key = call.facts[self]  # type: ignore[index]
        age = None if key is None else self.answers.age(key, now)
        shown = {"seconds": self.answers.seconds}
        return shown if age is None else {**shown, "age": age}

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """How many answers are kept, how large those with a size are, how often one was given."""
        return {"keys": len(self.answers), "bytes": self.answers.size, "given": self.given}

    def idle(self) -> bool:
        """What is kept is nobody's."""
        return True
