"""What in a mesh file is hardly ever meant? Each such thing has a word, by which it is told and can be passed over.

What a rule says is certain, or it says nothing: what cannot be decided is let be, and what may well be meant is a note.
The rules of the order of policies are those of `meshkit.order`; where the others stand, the table of `WORDS` tells.
"""

from __future__ import annotations

from .doors import doors
from .ends import ends
from .findings import NOTE, below
from .seeming import seeming
from .stacks import stacks
from .unused import unused
from .view import View

__all__ = ["WORDS", "lint"]

WORDS = {
    # The order of policies, on each way: `stacks`, by `meshkit.order`.
    "breaker-outside-retry": "a circuit breaker that sees only the last attempt of a call",
    "fallback-inside-timeout": "a fallback that cannot answer when time has run out",
    "fault-injection": "faults that are injected on purpose, and were left in",
    "fault-outside-retry": "injected faults that strike whole calls",
    "hedge-inside-retry": "attempts that may all be sent twice",
    "load-shed-inside-retry": "a load shedder that asks its signal once for all attempts",
    "no-timeout": "a way without any timeout",
    "nobody-is-found-down": "priorities or localities without checks and outliers",
    "pace-outside-retry": "a pace that sees only the last attempt of a call",
    "retry-without-budget": "a retry that multiplies the load on an upstream that fails",
    "retry-without-deadline": "a note: a retry without a timeout outside it",
    "retry-without-timeout": "a retry that never repeats an attempt that hangs",
    "single-flight-inside-hedge": "a second attempt that waits for the first one",
    "stale-inside-retry": "a stale answer that ends the retry",
    "stale-inside-timeout": "a stale answer that cannot be given when time has run out",
    "throttle-outside-retry": "a throttle that sees only the last attempt of a call",
    "timeout-never-strikes": "a timeout that is not shorter than the one outside it",
    "timeout-not-repeated": "a retry that does not repeat attempts that time out",
    "too-few-ejected": "an outlier detection that never makes room for the next priority",
    "two-retries": "two retries on one way, which multiply",
    # What nobody uses: `unused`.
    "duplicate-match": "a match that says nothing another one of its route does not say",
    "shadowed-match": "a match that gets no request, since another route takes them all",
    "shadowed-route": "a route that gets no request, since another one takes them all",
    "unreachable-cluster": "a cluster that no route leads to, and whose host no node calls",
    "unreachable-route": "a route whose hosts no node calls, and no listener serves",
    "unused-policies": "a stack of policies that nothing refers to",
    # Where routes lead: `ends`.
    "needs-re2": "a note: an expression that needs meshkit[re2]",
    "no-weight": "a split or a canary that nobody gets",
    "one-branch": "a split with one branch",
    "redirect-loop": "a redirect that leads to its own route",
    "unsafe-mirror": "copies of requests that change something",
    # What clients and servers know of requests, and do: `doors`.
    "needs-gateway": "a note: a listener with routes to clusters, for a gateway, and to an app, for a middleware",
    "only-for-servers": "an action for the answers of a server, on a route that only clients use",
    "unknown-fact": "a condition or a key that is unknown where it is asked",
    # What a match seems to ask for: `seeming`.
    "literal-pattern": "a value with a * at an end, which is compared as it is",
    "literal-truth": "a note: a value such as yes, which is a text",
    "own-host-uncovered": "routes with policies on a cluster's own host that leave some of it to the cluster alone",
    "unusual-method": "a method that is nearly a usual one",
    # What is open to all: here.
    "egress-any": "a note: calls to hosts that are not in the mesh are let pass",
    "plain-listener": "a note: a listener on all addresses, without TLS",
}
EVERYWHERE = ("0.0.0.0", "::", "[::]", "*")  # noqa: S104  # that is what is looked for


def lint(view: View) -> None:
    """Notes all of it."""
    stacks(view)
    unused(view)
    ends(view)
    doors(view)
    seeming(view)
    _open(view)


def _open(view: View) -> None:
    if view.spec.egress == "any":
        text = "calls to hosts that are not in the mesh pass to where they were going"
        view.findings.note("egress-any", view.file.top["egress"], text, "write listed, if none are meant", level=NOTE)
    for listener in view.spec.listeners:
        if listener.address in EVERYWHERE and listener.scheme == "http":
            node = below(view.named("listeners", listener.name), "address")
            text = "it listens on all addresses of the machine, without TLS"
            fix = "give the address of one network, or 127.0.0.1 behind a proxy that ends TLS"
            view.findings.note("plain-listener", node, text, fix, level=NOTE)
