"""How is one thing that happened said in words? A failure, a refusal, a number, a time: each as part of a sentence.

::

    1.2345 -> "1.23 s"      0.0012 -> "1.2 ms"      2 -> "second"
    {"remaining": 0.25, "full_in": 0.05} -> "remaining 0.25, full in 0.05 s"
    {"status": 503} -> "was answered with status 503"

A record may come back from a file that anybody has written, or a newer version. So `plain` takes it first: it keeps
what JSON has, bounded in number, depth and length, with every character escaped that a terminal would not print
(ECMA-48 control sequences, line ends, changes of direction).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

__all__ = [
    "budget",
    "cause",
    "flag",
    "named",
    "number",
    "numbers",
    "on",
    "ordinal",
    "part",
    "parts",
    "plain",
    "plural",
    "policy",
    "refusal",
    "seconds",
    "several",
    "subject",
    "text",
    "way",
    "whole",
    "why",
]

LONGEST = 200
"""Characters of one string."""
MANY = 128
"""Entries of one mapping or list."""
DEEP = 6
"""A record, its steps, a step, its candidates, one of them, its numbers."""
FEW = 8
"""Numbers that are told of one thing."""
TIMES = frozenset({"baseline", "delay", "full_in", "latency", "more_in", "next_probe_in", "period"})
"""Numbers that are seconds."""
LARGEST = 2**53
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
PLURAL = {"was": "were", "has": "have"}
OF_OURS = frozenset({"AttemptTimedOut", "DeadlineExceeded", "TimedOut"})
REFUSALS = {
    "CircuitOpen": "the circuit breaker refused it",
    "NoEndpoint": "there was no endpoint to ask",
    "NoRoute": "no route was for it",
    "Overloaded": "there was no room for it",
    "RateLimited": "the limit of its rate was reached",
    "TooLarge": "its body was too long",
    "TooLate": "no time was left for it",
}


def plain(value: Any, deep: int = DEEP) -> Any:
    """The value without what could do harm: strings are safe to print, numbers finite; ``None`` for anything else."""
    if isinstance(value, str):
        return _safe(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) <= LARGEST else None  # nor NaN
    if not deep:
        return None
    if isinstance(value, dict):
        return {_safe(str(key)): plain(each, deep - 1) for key, each in islice(value.items(), MANY)}
    if isinstance(value, list | tuple):
        return [plain(each, deep - 1) for each in islice(value, MANY)]
    return None


def _safe(value: str) -> str:
    if len(value) <= LONGEST and value.isprintable():
        return value
    value = value if len(value) <= LONGEST else value[: LONGEST - 3] + "..."
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in value)


# What a mapping has, if it is what it should be.


def text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def number(data: Mapping[str, Any], key: str) -> float | None:
    value = data.get(key)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def whole(data: Mapping[str, Any], key: str) -> int | None:
    value = data.get(key)
    return None if isinstance(value, bool) or not isinstance(value, int) else value


def flag(data: Mapping[str, Any], key: str, value: bool) -> bool:
    """Whether it says just that; not, if it says nothing."""
    return data.get(key) is value


def part(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def parts(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


# Words.


def seconds(value: float) -> str:
    """Three digits: ``1.23 s``, and below a hundredth of a second ``1.2 ms`` or ``67 µs``."""
    size = abs(value)
    if size >= 1000:
        return f"{value:.0f} s"
    if size >= 0.009995 or size < 5e-7:
        return f"{value if size >= 5e-7 else 0:.3g} s"
    return f"{value * 1e6:.3g} µs" if size < 0.0009995 else f"{value * 1e3:.3g} ms"


def ordinal(value: int) -> str:
    if 1 <= value <= len(ORDINALS):
        return ORDINALS[value - 1]
    ending = "th" if value % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def numbers(data: Mapping[str, Any]) -> str:
    """Name and value of each, comma between; what is no plain value is left out."""
    shown = []
    for name, value in data.items():
        said = name.replace("_", " ")
        if isinstance(value, bool):
            shown.append(f"{said} {'yes' if value else 'no'}")
        elif isinstance(value, int | float):
            digits = "d" if isinstance(value, int) else ".0f" if 1000 <= abs(value) < 1e6 else ".3g"
            shown.append(f"{said} {seconds(value) if name in TIMES else f'{value:{digits}}'}")
        elif isinstance(value, str):
            shown.append(f"{said} {value}")
    return ", ".join(shown[:FEW])


def budget(data: Mapping[str, Any]) -> str:
    """What is left of a retry's budget: ``the budget has 98 more, after 2 retries for 4 calls``."""
    balance, calls, retries = (whole(data, name) for name in ("balance", "calls", "retries"))
    if balance is None or calls is None or retries is None:
        return numbers(data)
    has = f"{balance} more" if balance else "none left"
    return f"the budget has {has}, after {several(retries, 'retries', 'retry')} for {several(calls, 'calls', 'call')}"


def why(step: Mapping[str, Any], failure: Mapping[str, Any]) -> str:
    """Why a retry made no further attempt; ``failure`` is what it had met."""
    reason, known = text(step, "reason"), part(step, "numbers")
    if reason == "attempts":
        made = whole(step, "attempt") or 0
        return f"{several(made, 'attempts are', 'attempt is')} all it makes"
    if reason == "budget":
        shown = budget(known).removeprefix("the budget has none left, after ")
        return f"its budget was used up{f' ({shown})' if shown else ''}"
    if reason == "deadline":
        left = number(known, "left")
        known_left = "" if left is None else f" ({seconds(left)} left)"
        return f"the deadline would have passed before it{known_left}" if left != 0 else "no time was left"
    if reason == "retry-after":
        asked, most = number(part(step, "failure") or failure, "retry_after"), number(known, "retry_after_cap")
        too_long = f"the wait asked for{'' if asked is None else f', {seconds(asked)},'} is too long"
        return too_long if most is None else f"{too_long} (it waits {seconds(most)} at most)"
    return reason or "it does not say why"


def several(count: int, many: str, one: str) -> str:
    """``2 retries``, or ``1 retry``."""
    return f"{count} {one if count == 1 else many}"


def policy(step: Mapping[str, Any], word: str, usual: str) -> str:
    """Which one it was: ``the retry``, or by the name it was given ``the retry "orders"``."""
    name = text(step, "policy")
    return f"the {word}" if name in {"", usual} else f'the {word} "{name}"'


def on(step: Mapping[str, Any]) -> str:
    """Where, if that is known: `` on orders-a``."""
    endpoint = text(step, "endpoint")
    return f" on {endpoint}" if endpoint else ""


def subject(call: Mapping[str, Any]) -> str:
    """What was called, as a sentence begins with it."""
    kind, path = text(call, "kind"), text(call, "path")
    if kind == "function":
        return f"{text(call, 'name') or 'a function'}()"
    if kind == "client":
        host, port = text(call, "host"), whole(call, "port")
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        where = f"{text(call, 'scheme') or 'http'}://{host}" + ("" if port is None else f":{port}")
        return f"{text(call, 'method') or 'A request to'} {where}{path}"
    if kind == "server":
        route = text(call, "route")
        shown = f"{route} ({path})" if route and path and route != path else route or path
        method = "the WebSocket" if text(call, "type") == "websocket" else text(call, "method")
        return " ".join(word for word in ("Serving", method, shown) if word)
    return "A call"


def way(data: Mapping[str, Any]) -> str:
    """By which route it went: `` by route orders-v2, branch canary``."""
    known = [f"{kind} {name}" for kind in ("route", "branch") if (name := text(data, kind))]
    return f" by {', '.join(known)}" if known else ""


def named(failure: Mapping[str, Any]) -> str:
    """An error by its class, and what may be said of it; or a status."""
    error, says, status = text(failure, "error"), text(failure, "says"), whole(failure, "status")
    if error:
        return f"{error}: {says}" if says else error
    return f"status {status}" if status is not None else says or "a failure"


def refusal(failure: Mapping[str, Any]) -> str:
    """Why a policy refused."""
    error, says = text(failure, "error"), text(failure, "says")
    again = number(failure, "retry_after")
    if not says:
        who = "/".join(name for name in (text(failure, "policy"), text(failure, "endpoint")) if name)
        says = "; ".join([*([who] if who else []), *([] if again is None else [f"try again in {seconds(again)}"])])
    reason = REFUSALS.get(error) or f"{error or 'a policy'} refused it"
    return f"{reason} ({says})" if says else reason


def cause(failure: Mapping[str, Any], took: float | None, *, own: bool = True) -> str:
    """What an attempt met that took so many seconds, as its predicate. An error that is not our ``own`` is that of
    another pipeline, further in.
    """
    error, says, kind = (text(failure, name) for name in ("error", "says", "kind"))
    after = "" if took is None else f" after {seconds(took)}"
    if (code := whole(failure, "status")) is not None:
        asked = number(failure, "retry_after")
        again = "" if asked is None else f", and asked to come back in {seconds(asked)}"
        return f"was answered with status {code}{again}"
    if flag(failure, "stale", True):
        return f"found its kept-alive connection closed before an answer began ({named(failure)})"
    if kind == "timeout":
        if error in OF_OURS and not own:
            return f"ran out of time further in{after} ({named(failure)})"
        if error == "DeadlineExceeded":
            return f"had no answer{after} when the deadline passed"
        if error == "AttemptTimedOut":
            return f"was given up{after} without an answer"
        unsent = ", before anything was sent" if flag(failure, "sent", False) else ""
        return f"timed out{after}{unsent} ({error if says == 'timed out' and error else named(failure)})"
    if kind == "rejected":
        return f"was refused further in: {refusal(failure)}"
    if kind == "cancelled":
        return f"was cut off{after}"
    if kind == "connection":
        words = f"{error} {says}".lower()
        if "refused" in words:
            return "found the connection refused"
        if "reset" in words:
            return "had its connection reset"
        return f"{'could not connect' if flag(failure, 'sent', False) else 'had a connection error'} ({named(failure)})"
    return f"raised {named(failure)}" if error or says else "failed"


def plural(end: str) -> str:
    """A predicate of one, said of several: not what stands in its brackets."""
    head, bracket, tail = end.partition(" (")
    verb, *rest = head.split(" ")
    several = [PLURAL.get(verb, verb), *("their" if word == "its" else word for word in rest)]
    return " ".join(several) + bracket + tail
