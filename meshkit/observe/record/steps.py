"""How is a single step of a record told? A line for each, with the numbers there are.

======================  ==============================================================================
``attempt-began``       the second attempt goes, on orders-b (cluster orders); of a server: the app is asked
``attempt-ended``       the second attempt, on orders-b, was answered with status 503 (all over after 0.2 s)
``rejected``            RateLimit refused it: limit of 10/s reached; try again in 0.1 s (remaining 0, burst 10)
``retried``             the retry waits 0.1 s, then tries again (the budget has 3 more, after 1 retry for 12 calls)
``passed``              ConcurrencyLimit let it stand in its queue, 3 before it (limit 10, in flight 10)
``picked``              orders picked orders-b, one of 3: orders-a (in flight 4), orders-b (in flight 1)
``routed``              Router takes route orders-v2, to orders; Router takes route old, where Redirect answers
======================  ==============================================================================

A kind that is not known, of a newer version, is told by its name and its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .endings import ending
from .phrases import (
    budget,
    flag,
    named,
    number,
    numbers,
    on,
    ordinal,
    part,
    policy,
    refusal,
    seconds,
    text,
    whole,
    why,
)

__all__ = ["line"]

CANDIDATES = 12
"""Endpoints of a pick that are told."""


def line(step: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The step of a record in words, without its time; empty where there is nothing worth a line."""
    what = text(step, "what")
    told = LINES.get(what)
    if told is not None:
        return told(step)
    if what in ATTEMPTS:
        return ATTEMPTS[what](step, data)
    known = {name: value for name, value in step.items() if name not in {"at", "what"}}
    return " ".join(word for word in (what, numbers(known)) if word)


def _which(step: Mapping[str, Any]) -> str:
    which = whole(step, "number") or whole(step, "attempt")
    return f"the {ordinal(which)} attempt" if which else "an attempt"


def _shown(shown: str) -> str:
    return f" ({shown})" if shown else ""


def _began(step: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    if _serves(data):
        return "the app is asked"
    cluster, where = text(step, "cluster"), on(step)
    return f"{_which(step)} goes{f',{where}' if where else ''}{_shown(f'cluster {cluster}' if cluster else '')}"


def _ended(step: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    latency, duration = number(step, "latency"), number(step, "duration")
    end = ending(step, data)
    over = latency is not None and duration is not None and duration > latency and seconds(duration) not in end
    who = "the app" if _serves(data) else f"{_which(step)}{f',{on(step)},' if on(step) else ''}"
    return f"{who} {end}" + _shown(f"all over after {seconds(duration or 0.0)}" if over else "")


def _serves(data: Mapping[str, Any]) -> bool:
    return text(part(data, "call"), "kind") == "server"


def _rejected(step: Mapping[str, Any]) -> str:
    who, says = text(step, "policy"), text(step, "says")
    because = _without(says, who) or refusal(step)
    return f"{who or 'a policy'} refused it{on(step)}: {because}{_shown(numbers(part(step, 'numbers')))}"


def _without(says: str, who: str) -> str:
    """What an error says, without the policy that says it, and where."""
    begins, colon, rest = says.partition(": ")
    return rest if colon and (begins == who or begins.startswith(f"{who}/")) else says


def _retried(step: Mapping[str, Any]) -> str:
    delay = number(step, "delay")
    wait = f"waits {seconds(delay)}, then tries again" if delay else "tries again at once"
    return f"{policy(step, 'retry', 'Retry')} {wait}{_shown(budget(part(step, 'numbers')))}"


def _gave_up(step: Mapping[str, Any]) -> str:
    known = "" if text(step, "reason") == "budget" else budget(part(step, "numbers"))
    because = why(step, {})
    if known and because.endswith(")"):
        because, known = f"{because[:-1]}; {known})", ""
    return f"{policy(step, 'retry', 'Retry')} makes no further attempt: {because}{_shown(known)}"


def _fell_back(step: Mapping[str, Any]) -> str:
    failure = part(step, "failure")
    return f"{policy(step, 'fallback', 'Fallback')} takes the place of {named(failure) if failure else 'what failed'}"


def _hedged(step: Mapping[str, Any]) -> str:
    which = whole(step, "attempt")
    place = f"number {which} of the race" if which else ""
    return f"{policy(step, 'hedge', 'Hedge')} begins a further attempt{_shown(place)}"


def _fault(step: Mapping[str, Any]) -> str:
    return f"{text(step, 'policy') or 'a policy'} injects a fault on purpose{on(step)}"


def _would_reject(step: Mapping[str, Any]) -> str:
    who, says = text(step, "policy") or "a policy", _without(text(step, "says"), text(step, "policy"))
    return f"{who}, on trial, would have refused it{on(step)}{f': {says}' if says else ''}"


def _changed(step: Mapping[str, Any]) -> str:
    who = text(step, "policy") or "a policy"
    return f"{who}{on(step)} went from {text(step, 'before') or '?'} to {text(step, 'after') or '?'}"


def _passed(step: Mapping[str, Any]) -> str:
    who = text(step, "policy") or "a policy"
    shown = numbers(part(step, "numbers"))
    wait = number(step, "wait")
    if flag(step, "load", True):
        return f"the load measure of the cluster counts it{on(step)}{_shown(shown)}"
    if "balance" in part(step, "numbers"):
        return f"{who} counts it in its budget{_shown(budget(part(step, 'numbers')))}"
    if flag(step, "queued", True):
        return f"{who}{on(step)} keeps it in its queue{_shown(shown)}"
    if wait:
        return f"{who}{on(step)} lets it go in {seconds(wait)}{_shown(shown)}"
    return f"{who}{on(step)} lets it go ({shown})" if shown else ""


def _bounded(step: Mapping[str, Any]) -> str:
    within = number(step, "seconds")
    return "" if within is None else f"{text(step, 'policy') or 'a policy'} leaves it {seconds(within)}"


def _picked(step: Mapping[str, Any]) -> str:
    given = step.get("candidates")
    told = [
        each[0] + _shown(_load(each[1]) if len(each) > 1 and isinstance(each[1], dict) else "")
        for each in (given[:CANDIDATES] if isinstance(given, list) else ())
        if isinstance(each, list) and each and isinstance(each[0], str)
    ]
    of = whole(step, "of")
    more = of - len(told) if of is not None and told else 0
    told += [f"{more} more"] if more > 0 else []
    who = text(step, "policy") or "the cluster"
    one = "" if of is None else f", one of {of}"
    return f"{who} picked {text(step, 'endpoint') or 'nobody'}{one}{': ' if told else ''}{', '.join(told)}"


def _routed(step: Mapping[str, Any]) -> str:
    who, kind, route, to = (text(step, name) for name in ("policy", "kind", "route", "to"))
    leads = f", where {to or 'this process'} answers" if flag(step, "here", True) else f", to {to}" if to else ""
    return f"{who or 'a router'} takes {kind or 'route'} {route or '?'}{leads}"


def _load(known: Mapping[str, Any]) -> str:
    """Its load; that it is up goes without saying."""
    return numbers({name: value for name, value in known.items() if name != "up" or value is not True})


def _step(step: Mapping[str, Any]) -> str:
    took = number(step, "seconds")
    return f"{_which(step)}: {text(step, 'name') or 'a step'}" + ("" if took is None else f" took {seconds(took)}")


ATTEMPTS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], str]] = {
    "attempt-began": _began,
    "attempt-ended": _ended,
}
LINES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "bounded": _bounded,
    "changed": _changed,
    "fault": _fault,
    "fell-back": _fell_back,
    "gave-up": _gave_up,
    "hedged": _hedged,
    "passed": _passed,
    "picked": _picked,
    "rejected": _rejected,
    "retried": _retried,
    "routed": _routed,
    "step": _step,
    "would-reject": _would_reject,
}
