"""Why did serving a request end as it did, and what was its client answered?

::

    Serving GET /buy/7 failed after 1 s: stock, which it called, ran out of time after 1 s. Its client was answered with
    status 504.

A server has no attempts to tell of: it asks the app. What fails is mostly a call that the app makes, which stands in
the ledger by its name; that one is told by its name where it is certain to be the one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .phrases import flag, named, number, part, parts, refusal, seconds, several, text, whole

__all__ = ["answered", "reasons"]

VERBS = {"failure": "failed", "overloaded": "failed", "ignored": "came to nothing"}


def reasons(data: Mapping[str, Any]) -> Iterator[str]:
    """Clauses: what the request has come to."""
    failure, answer = part(data, "failure"), part(data, "answer")
    outcome = data.get("outcome")
    status = whole(answer, "status") if text(answer, "by") == "app" else None
    below, named_alone = _below(data, failure)
    if outcome == "success" or outcome is None:
        return
    if outcome == "rejected":
        yield refusal(failure)
        return
    gone = flag(answer, "gone", True)
    if gone:
        yield "its client had gone"
    if outcome == "timeout":
        yield "the app had no answer by then" if status is None else "the answer was not complete by then"
    elif named_alone:
        yield below
        return
    elif text(failure, "error") and outcome != "cancelled":
        inner = flag(failure, "own", False) and text(failure, "kind") in {"rejected", "timeout"} and "policy" in failure
        yield f"a call it made {_met(failure)}" if inner else f"the app raised {named(failure)}"
    elif status is not None and outcome != "cancelled":
        yield f"the app answered with status {status}"
    elif parts(data, "steps") and outcome != "cancelled" and not gone:
        yield "the app returned without a whole answer"
    if below:
        yield below


def _met(failure: Mapping[str, Any]) -> str:
    """The predicate of a call further in, of whose pipeline this error is."""
    if text(failure, "kind") == "rejected":
        return f"was refused: {refusal(failure)}"
    return f"ran out of time ({named(failure)})"


def _below(data: Mapping[str, Any], failure: Mapping[str, Any]) -> tuple[str, bool]:
    """The calls below that failed, and whether that says it all: there was one, and the error is of its kind."""
    lines = [each for each in parts(data, "ledger") if whole(each, "depth") in {0, None} and text(each, "who")]
    failed = [each for each in lines if text(each, "verdict") not in {"success", ""}]
    if not failed:
        return "", False
    last = failed[-1]
    who, took, attempts = text(last, "who"), number(last, "seconds"), whole(last, "attempts")
    after = "" if took is None else f" after {seconds(took)}"
    ours = flag(failure, "own", False) and "policy" in failure
    if len(failed) == 1 and ours and text(failure, "kind") == "timeout":
        return f"{who}, which it called, ran out of time{after}", True
    if len(failed) == 1 and ours and text(failure, "kind") == "rejected":
        return f"{who}, which it called, was refused{after}: {refusal(failure)}", True
    made = f" in {several(attempts, 'attempts', 'attempt')}" if attempts and attempts > 1 else ""
    verb = VERBS.get(text(last, "verdict"), "failed")
    if len(failed) == 1:
        return f"{who}, which it called, {verb}{after}{made}", False
    return f"{len(failed)} calls it made failed, the last of them {who}{after}{made}", False


def answered(data: Mapping[str, Any]) -> Iterator[str]:
    """Sentences: what its client was answered, where the headline has not said it yet."""
    failure, answer = part(data, "failure"), part(data, "answer")
    status, by = whole(answer, "status"), text(answer, "by")
    outcome = data.get("outcome")
    if outcome in {None, "success"} or not answer:
        return
    if by == "app" and status is not None and (text(failure, "error") or outcome in {"timeout", "cancelled"}):
        yield f"its answer, of status {status}, broke off"
    elif by == "pipeline" and status is not None:
        yield f"its client was answered with status {status}"
    elif status is None and not flag(answer, "gone", True) and outcome != "cancelled":
        yield "nothing was answered: servers make a 500 of that"
