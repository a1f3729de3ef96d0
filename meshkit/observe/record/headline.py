"""Why did it end as it did, in one sentence, and what did the policies do about it?

::

    who      what came of it      why: the attempts in order                        what the policies did
    charge() failed after 1.2 s:  the first attempt, on a, ...; the second, on b... The retry made no third: ...

It is made of the steps: the attempts by their number, and what stands before, between and after them. Attempts that
ended alike are told together; of many, the last four. Of a server see `served`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import served
from .endings import Attempt, begun, ending, together
from .phrases import (
    cause,
    flag,
    named,
    number,
    ordinal,
    part,
    parts,
    plural,
    policy,
    refusal,
    seconds,
    subject,
    text,
    way,
    whole,
    why,
)

__all__ = ["TOLD", "Headline"]

TOLD = 4
"""Attempts that are told one by one."""
NEAR = 0.005
"""Seconds: a deadline of which no more is left has struck. Timers are late, and some early."""
WAITED = 0.01
"""Seconds before its first attempt from which on they are told, where they are a tenth of all."""
VERBS = {
    "success": "succeeded",
    "failure": "failed",
    "overloaded": "met an overloaded upstream",
    "rejected": "was rejected",
    "cancelled": "was cancelled",
    "ignored": "ended",
}
ALL = {2: "both", 3: "all three", 4: "all four"}
INSTEAD = {"timeout": ", and had no answer in time either", "cancelled": ", and was cut off"}
UNSENT = {"function": ", and was not made", "client": ", and nothing was sent", "server": ", before the app was asked"}


class Headline:
    """Of a record that is `plain`."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.call = part(self.data, "call")
        self.failure = part(self.data, "failure")
        self.outcome = text(self.data, "outcome")
        self.steps = parts(self.data, "steps")
        self.attempts = self._attempts()
        self.fallen = [step for step in self.steps if text(step, "what") == "fell-back"]
        last = self.attempts[-1].place if self.attempts else -1
        self.after = self.steps[last + 1 :]
        """What came after the last attempt had begun."""
        routed = [step for step in self.steps if text(step, "what") == "routed"]
        here = text(routed[-1], "to") if routed and flag(routed[-1], "here", True) else ""
        self.by = f" by {here}, within this process" if here else ""

    def _attempts(self) -> list[Attempt]:
        found: dict[int, Attempt] = {}
        instead = False
        for place, step in enumerate(self.steps):
            what = text(step, "what")
            instead = instead or what == "fell-back"
            if what not in {"attempt-began", "attempt-ended"}:
                continue
            which = whole(step, "number") or whole(step, "attempt") or len(found) + 1
            attempt = found.get(which)
            if attempt is None:
                attempt = found[which] = Attempt(which, place, text(step, "endpoint"))
                attempt.instead = instead
            if what == "attempt-ended":
                attempt.ended = step
        return sorted(found.values(), key=lambda attempt: attempt.number)

    def __str__(self) -> str:
        return self.told()

    def told(self, attempts: int = TOLD) -> str:
        """The sentences, with so many attempts one by one."""
        return " ".join(self.sentences(attempts))

    def sentences(self, attempts: int = TOLD) -> list[str]:
        reasons = "; ".join(served.reasons(self.data) if self.serves else self._reasons(attempts))
        afterwards = [*self._afterwards(), *(served.answered(self.data) if self.serves else ())]
        first = f"{subject(self.call)}{way(self.data)} {self._verb()}{': ' if reasons else ''}{reasons}."
        return [first, *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in afterwards)]

    @property
    def serves(self) -> bool:
        return text(self.call, "kind") == "server"

    def _verb(self) -> str:
        duration = number(self.data, "duration")
        after = "" if duration is None else f" after {seconds(duration)}"
        if self.data.get("outcome") is None:
            return "is still under way" if flag(self.data, "complete", False) else "has not been told to the end"
        if self.outcome == "timeout":
            late = text(self.failure, "error") == "DeadlineExceeded"
            return f"ran out of time{after}{self._deadline()}" if late else f"timed out{after}"
        verb = VERBS.get(self.outcome) or f"ended as {self.outcome}"
        if self.outcome == "overloaded" and self.serves:
            verb = "failed"
        if self.outcome == "cancelled":
            return f"{verb}{after}{self._deadline()}"
        if self.outcome == "ignored":
            return f"{verb}{after}, in a way that counts against nobody"
        if self.outcome == "success" and self.fallen:
            return f"{verb}{after}, by {policy(self.fallen[-1], 'fallback', 'Fallback')}"
        if self.outcome == "rejected" and not self.sent:
            return f"{verb}{after}{UNSENT.get(text(self.call, 'kind'), '')}"
        if self.outcome == "success" and self.by:
            return f"was answered{self.by}{after and ','}{after}"
        if self.outcome == "success" and len(self.attempts) == 1 and (endpoint := self.attempts[0].endpoint):
            return f"{verb}{after} on {endpoint}"
        if self.outcome == "success" and not self.sent:
            return f"{verb}{after} without an attempt of its own"
        return f"{verb}{after}"

    def _deadline(self) -> str:
        """Which one has struck, where that is certain: followed lightly, a call does not know those it sets itself."""
        known = part(self.data, "deadline")
        within, left = number(known, "seconds"), number(known, "left")
        if within is None or left is None or left > NEAR:
            return ""
        if flag(known, "inherited", True):
            return f", at the deadline it came with, of {seconds(max(0.0, within))}"
        return f", its deadline of {seconds(within)}" if self.outcome == "timeout" else ""

    @property
    def sent(self) -> int:
        return max(whole(self.data, "attempts") or 0, len(self.attempts))

    def _reasons(self, most: int) -> Iterator[str]:
        """Clauses: what the call has come to, where no attempt says it; then the attempts."""
        if self.outcome == "success" and len(self.attempts) == 1 and not self.fallen:
            return
        if self.outcome == "rejected":
            yield refusal(self.failure)
        elif self.outcome == "cancelled" and not self.attempts:
            yield "nothing had been sent"
        elif self.failure and self.outcome != "cancelled" and not any(map(self._said, self.attempts)):
            given = f"the caller was given {named(self.failure)}"
            faults = any(text(step, "what") == "fault" for step in self.steps)
            unsent = f"nothing was sent, and {given}" if faults else f"it {cause(self.failure, None)}{self.by}"
            yield given if self.attempts else unsent
        if alike := self._alike():
            yield alike
        else:
            last = sorted(self.attempts, key=lambda attempt: attempt.verdict == "success")[-most:]
            untold = [attempt for attempt in self.attempts if attempt not in last]
            if untold:
                first = untold == self.attempts[: len(untold)]
                which = "the first" if first else "the other"
                count = self.sent - len(last)
                yield f"{which}{'' if count == 1 else f' {count}'} {together(untold)}"
            told = [attempt for attempt in self.attempts if attempt in last]
            for place, attempt in enumerate(told):
                yield self._told(attempt, short=place > 0)
        if waiting := self._waiting():
            yield waiting

    def _alike(self) -> str:
        """All attempts in one, where each has ended the same way."""
        ends = {self._end(attempt) for attempt in self.attempts}
        count = len(self.attempts)
        if len(ends) != 1 or not 1 < count == self.sent or any(each.instead for each in self.attempts):
            return ""
        where = [attempt.endpoint for attempt in self.attempts]
        where = [*dict.fromkeys(where)] if len({*where}) == 1 or count > TOLD else where
        if not all(where) and any(where):
            return ""
        on = f", on {' and '.join([', '.join(where[:-1]), where[-1]] if where[1:] else where)}," if where[0] else ""
        [end] = ends
        return f"{ALL.get(count, f'all {count}')} attempts{on} {plural(end)}"

    def _said(self, attempt: Attempt) -> bool:
        """Whether it ended in the very thing that the call has come to."""
        known = part(attempt.ended or {}, "failure")
        if not known:
            return attempt is self.attempts[-1] and attempt.verdict != "success"
        return all(known.get(name) == self.failure.get(name) for name in ("error", "status"))

    def _waiting(self) -> str:
        """What it waits for, or waited for when it was cancelled."""
        last = self.steps[-1] if self.steps else {}
        if not (self.data.get("outcome") is None or self.outcome == "cancelled"):
            return ""
        if text(last, "what") == "passed" and flag(last, "queued", True):
            return f"it stood in the queue of {text(last, 'policy')}"
        if text(last, "what") == "passed" and number(last, "wait"):
            return f"{text(last, 'policy')} had it wait {seconds(number(last, 'wait') or 0.0)}"
        if text(last, "what") == "retried":
            return f"it was to wait {seconds(number(last, 'delay') or 0.0)} before the next attempt"
        return ""

    def _told(self, attempt: Attempt, *, short: bool = False) -> str:
        if len(self.attempts) == 1 and self.sent <= 1:
            only = "the only attempt" if self.fallen and not attempt.instead else "it"
            who = f"the only attempt, on {attempt.endpoint}," if attempt.endpoint else only
        else:
            who = f"the {ordinal(attempt.number)}{'' if short else ' attempt'}"
            notes = [f"on {attempt.endpoint}"] if attempt.endpoint else []
            notes = ["the fallback's", *notes] if attempt.instead else notes
            who += f", {', '.join(notes)}," if notes else ""
        return f"{who} {self._end(attempt)}"

    def _end(self, attempt: Attempt) -> str:
        if attempt.ended is None:
            return "has not ended" if self.data.get("outcome") is None else "had not ended by then"
        return ending(attempt.ended, self.data)

    # What the policies did about it.

    def _afterwards(self) -> Iterator[str]:
        refused = [step for step in self.after if text(step, "what") == "rejected"]
        stopped = [step for step in self.steps if text(step, "what") in {"gave-up", "retried"}]
        if waited := self._waited():
            yield f"it waited {seconds(waited)} before {'the app was asked' if self.serves else 'its first attempt'}"
        if refused and self.attempts and self.outcome not in {"rejected", "success"}:
            yield f"no {ordinal(self.attempts[-1].number + 1)} was made: {refusal(refused[-1])}"
        elif stopped and text(stopped[-1], "what") == "gave-up":
            yield self._stopped(stopped[-1])
        elif not self.fallen and flag(self.data, "retries", True) and self._could_be_repeated():
            yield self._unrepeated()
        for place, step in enumerate(self.steps):
            if text(step, "what") == "hedged":
                yield self._hedged(step, place)
        for step in self.fallen:
            failure = part(step, "failure")
            because = f" because {refusal(failure)}" if text(failure, "kind") == "rejected" else ""
            failed = "" if self.outcome in {"success", ""} else INSTEAD.get(self.outcome, ", and failed as well")
            if because or failed or not self.outcome:
                yield f"{policy(step, 'fallback', 'Fallback')} was taken{because}{failed}"
        faults = [step for step in self.steps if text(step, "what") == "fault"]
        if faults:
            times = "" if len(faults) == 1 else f", {len(faults)} times"
            yield f"{text(faults[0], 'policy') or 'a policy'} injected a fault on purpose{times}"

    def _waited(self) -> float:
        """Seconds from its beginning to its first attempt, in a queue or for a limit, if they are worth a sentence."""
        first = self.steps[self.attempts[0].place] if self.attempts else {}
        began, took = number(first, "at"), number(self.data, "duration")
        if text(first, "what") != "attempt-began" or began is None or took is None or began < max(WAITED, took / 10):
            return 0.0
        before = self.steps[: self.attempts[0].place]
        return 0.0 if any(text(step, "what") in {"retried", "fell-back"} for step in before) else began

    def _stopped(self, step: Mapping[str, Any]) -> str:
        attempt = whole(step, "attempt") or 0
        all_of_it = attempt > 0 and attempt == (self.attempts[-1].number if self.attempts else 0)
        what = ordinal(attempt + 1) if all_of_it else "further attempt"
        return f"{policy(step, 'retry', 'Retry')} made no {what}: {why(step, self.failure)}"

    def _could_be_repeated(self) -> bool:
        """Whether a retry might have done something: a call that was made, failed, and had time left."""
        late = text(self.failure, "error") == "DeadlineExceeded" and not flag(self.failure, "own", False)
        return bool(self.attempts) and not late and self.outcome in {"failure", "overloaded", "timeout"}

    def _unrepeated(self) -> str:
        method = text(self.call, "method")
        if begun(self.data) is not None and whole(self.failure, "status") is None:
            return "the retry could do nothing, for the answer had begun: with whole= its body is read before that"
        reason = ""
        if method in {"POST", "PATCH"} and not flag(self.failure, "sent", False):
            reason = f" (a {method} that may have been sent is repeated only where the retry says so)"
        return f"no retry was for this failure{reason}"

    def _hedged(self, step: Mapping[str, Any], place: int) -> str:
        sent = next((attempt for attempt in self.attempts if attempt.place > place), None)
        at = number(step, "at")
        after = "" if at is None else f" after {seconds(at)}"
        who = policy(step, "hedge", "Hedge")
        if sent is None:
            return f"{who} wanted a further attempt{after}, which was not sent"
        if sent.verdict == "success":
            how = "and it was quicker"
        elif any(each.verdict == "success" for each in self.attempts):
            how = "and it lost"
        else:
            how = "and none succeeded" if self.outcome else "and none has ended"
        return f"{who} sent the {ordinal(sent.number)} beside those under way{after}, {how}"
