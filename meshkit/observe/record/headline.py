"""Why did it end as it did, in one sentence, and what did the policies do about it?

::

    who      what came of it      why: the last attempt first                      what the policies did
    charge() failed after 1.2 s:  the second attempt, on b, was ...; the first ... The retry made no third: ...

It is made of the steps: the attempts by their number, and what stands before, between and after them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .phrases import (
    budget,
    cause,
    flag,
    named,
    number,
    ordinal,
    part,
    parts,
    policy,
    refusal,
    seconds,
    subject,
    text,
    whole,
)

__all__ = ["Headline"]

TOLD = 4
"""Attempts that are told one by one."""
VERBS = {
    "success": "succeeded",
    "failure": "failed",
    "overloaded": "failed",
    "rejected": "was rejected",
    "cancelled": "was cancelled",
    "ignored": "failed",
}
UNSENT = {"function": ", and was not made", "client": ", and nothing was sent", "server": ", before the app was asked"}


class _Attempt:
    """One attempt: where its story stands among the steps, and how it ended."""

    __slots__ = ("ended", "endpoint", "instead", "number", "place")

    def __init__(self, number: int, place: int, endpoint: str) -> None:
        self.number = number
        self.place = place
        self.endpoint = endpoint
        self.ended: dict[str, Any] | None = None
        self.instead = False
        """Whether it is one of a fallback's."""

    @property
    def verdict(self) -> str:
        return "" if self.ended is None else text(self.ended, "verdict")


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

    def _attempts(self) -> list[_Attempt]:
        found: dict[int, _Attempt] = {}
        instead = False
        for place, step in enumerate(self.steps):
            what = text(step, "what")
            instead = instead or what == "fell-back"
            if what not in {"attempt-began", "attempt-ended"}:
                continue
            which = whole(step, "number") or whole(step, "attempt") or len(found) + 1
            attempt = found.get(which)
            if attempt is None:
                attempt = found[which] = _Attempt(which, place, text(step, "endpoint"))
                attempt.instead = instead
            if what == "attempt-ended":
                attempt.ended = step
        return sorted(found.values(), key=lambda attempt: attempt.number)

    def __str__(self) -> str:
        reasons = "; ".join(self._reasons())
        first = f"{subject(self.call)} {self._verb()}{': ' if reasons else ''}{reasons}."
        return " ".join([first, *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in self._afterwards())])

    def _verb(self) -> str:
        duration = number(self.data, "duration")
        after = "" if duration is None else f" after {seconds(duration)}"
        if self.data.get("outcome") is None:
            return "is still under way" if flag(self.data, "complete", False) else "has not been told to the end"
        if self.outcome == "timeout":
            within = number(part(self.data, "deadline"), "seconds")
            late = text(self.failure, "error") == "DeadlineExceeded"
            of = f", its deadline of {seconds(within)}" if late and within is not None else ""
            return f"{'ran out of time' if late else 'timed out'}{after}{of}"
        verb = VERBS.get(self.outcome) or f"ended as {self.outcome}"
        if self.outcome == "ignored":
            return f"{verb}{after}, in a way that counts against nobody"
        if self.outcome == "success" and self.fallen:
            return f"{verb}{after}, by {policy(self.fallen[-1], 'fallback', 'Fallback')}"
        if self.outcome == "rejected" and not self.sent:
            return f"{verb}{after}{UNSENT.get(text(self.call, 'kind'), '')}"
        if self.outcome == "success" and len(self.attempts) == 1 and (endpoint := self.attempts[0].endpoint):
            return f"{verb}{after} on {endpoint}"
        if self.outcome == "success" and not self.sent:
            return f"{verb}{after} without an attempt of its own"
        return f"{verb}{after}"

    @property
    def sent(self) -> int:
        return max(whole(self.data, "attempts") or 0, len(self.attempts))

    def _reasons(self) -> Iterator[str]:
        """Clauses: what the call has come to, where no attempt says it; then the attempts, the last one first."""
        if self.outcome == "success" and len(self.attempts) == 1 and not self.attempts[0].instead:
            return
        if self.outcome == "rejected":
            yield refusal(self.failure)
        elif self.outcome == "cancelled" and not self.attempts:
            yield "nothing had been sent"
        elif self.failure and self.outcome != "cancelled" and not any(map(self._said, self.attempts)):
            yield f"the caller was given {named(self.failure)}" if self.attempts else f"it {cause(self.failure, None)}"
        if waiting := self._waiting():
            yield waiting
        last = self.attempts[: -TOLD - 1 : -1]
        if self.outcome == "success":
            last.sort(key=lambda attempt: attempt.verdict != "success")  # the one that answered, first
        ends = {self._end(attempt) for attempt in last}
        if 1 < len(last) == self.sent and len(ends) == 1 and not any(each.endpoint or each.instead for each in last):
            yield f"{'both' if len(last) == 2 else 'all three'} attempts {ends.pop()}"  # as many as are told
            return
        for place, attempt in enumerate(last):
            yield self._told(attempt, short=place > 0)
        if before := self.attempts[:-TOLD]:
            failed = all(attempt.verdict in {"failure", "overloaded"} for attempt in before)
            yield f"{self.sent - TOLD} before {'failed as well' if failed else 'are told below'}"

    def _said(self, attempt: _Attempt) -> bool:
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

    def _told(self, attempt: _Attempt, *, short: bool = False) -> str:
        if len(self.attempts) == 1 and self.sent <= 1:
            who = f"the only attempt, on {attempt.endpoint}," if attempt.endpoint else "it"
        else:
            who = f"the {ordinal(attempt.number)}{'' if short else ' attempt'}"
            notes = [f"on {attempt.endpoint}"] if attempt.endpoint else []
            notes = ["the fallback's", *notes] if attempt.instead else notes
            who += f", {', '.join(notes)}," if notes else ""
        return f"{who} {self._end(attempt)}"

    def _end(self, attempt: _Attempt) -> str:
        ended = attempt.ended
        if ended is None:
            return "has not ended" if self.data.get("outcome") is None else "had not ended by then"
        took = number(ended, "latency")
        took = number(ended, "duration") if took is None else took
        failure = part(ended, "failure")
        if not failure and attempt.verdict not in {"success", "ignored"} and attempt is self.attempts[-1]:
            failure = self.failure
        if failure:
            return cause(failure, took)
        after = "" if took is None else f" after {seconds(took)}"
        if attempt.verdict == "ignored":
            raced = any(text(step, "what") == "hedged" for step in self.steps)
            won = raced and any(each.verdict == "success" for each in self.attempts)
            return f"was given up{after}{', as another was quicker' if won else ''}"
        return {"success": f"succeeded{after}", "": "ended"}.get(attempt.verdict, f"failed{after}")

    # What the policies did about it.

    def _afterwards(self) -> Iterator[str]:
        refused = [step for step in self.after if text(step, "what") == "rejected"]
        stopped = [step for step in self.steps if text(step, "what") in {"gave-up", "retried"}]
        if refused and self.attempts and self.outcome not in {"rejected", "success"}:
            yield f"no {ordinal(self.attempts[-1].number + 1)} was made: {refusal(refused[-1])}"
        elif stopped and text(stopped[-1], "what") == "gave-up":
            yield self._stopped(stopped[-1])
        elif not self.fallen and self._could_be_repeated():
            yield self._unrepeated()
        for place, step in enumerate(self.steps):
            if text(step, "what") == "hedged":
                yield self._hedged(step, place)
        for step in self.fallen:
            failure = part(step, "failure")
            why = f" because {refusal(failure)}" if text(failure, "kind") == "rejected" else ""
            failed = "" if self.outcome in {"success", ""} else ", and failed as well"
            if why or failed or not self.outcome:
                yield f"{policy(step, 'fallback', 'Fallback')} was taken{why}{failed}"
        faults = [step for step in self.steps if text(step, "what") == "fault"]
        if faults:
            times = "" if len(faults) == 1 else f", {len(faults)} times"
            yield f"{text(faults[0], 'policy') or 'a policy'} injected a fault on purpose{times}"

    def _stopped(self, step: Mapping[str, Any]) -> str:
        attempt = whole(step, "attempt") or 0
        all_of_it = attempt > 0 and attempt == (self.attempts[-1].number if self.attempts else 0)
        what = ordinal(attempt + 1) if all_of_it else "further attempt"
        reason, known = text(step, "reason"), part(step, "numbers")
        shown = budget(known)
        if reason == "attempts":
            why = f"{attempt} attempt{'' if attempt == 1 else 's'} {'is' if attempt == 1 else 'are'} all it makes"
        elif reason == "budget":
            why = f"its budget was used up{f' ({shown})' if shown else ''}"
        elif reason == "deadline":
            left = number(known, "left")
            known_left = "" if left is None else f" ({seconds(left)} left)"
            why = f"the deadline would have passed before it{known_left}" if left != 0 else "no time was left"
        elif reason == "retry-after":
            asked, most = number(part(step, "failure") or self.failure, "retry_after"), number(known, "retry_after_cap")
            why = f"the wait asked for{'' if asked is None else f', {seconds(asked)},'} is too long"
            why += "" if most is None else f" (it waits {seconds(most)} at most)"
        else:
            why = reason or "it does not say why"
        return f"{policy(step, 'retry', 'Retry')} made no {what}: {why}"

    def _could_be_repeated(self) -> bool:
        """Whether a retry might have done something: a call that was made, failed, and had time left."""
        late = text(self.failure, "error") == "DeadlineExceeded" or text(self.call, "kind") == "server"
        return bool(self.attempts) and not late and self.outcome in {"failure", "overloaded", "timeout"}

    def _unrepeated(self) -> str:
        method = text(self.call, "method")
        why = ""
        if method in {"POST", "PATCH"} and not flag(self.failure, "sent", False):
            why = f" (a {method} that may have been sent is repeated only where the retry says so)"
        return f"no retry was for this failure{why}"

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
