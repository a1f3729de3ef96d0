"""What happens next? The functions that walk a call through the folded policies, and back.

A pipeline is folded into `Section`s when it is built. `advance` walks from a section to the leaf, `again` walks back
to a retry or a fallback, `release` gives everything back. They are plain functions over plain data: no clock, no lock,
no await. The shells in ``runtime`` call them under the one lock and do what they answer.

What a call has taken stands in ``call.held``, an immutable linked list of frames ``(outer, exits, began)``: one for
each run of gates with something to settle. The places a walk may come back to stand in ``call.marks``, another such
list::

    (outer, section, held, deadline, route, attempt, delay)       a Repeat's section
    (outer, section, held, deadline, route, branch, refused)      a Choice's: the branch taken, those that rejected
    (outer, section, held, deadline, route)                       a Fallback's, a Race's, a Middleware's

``held``, ``deadline`` and ``route`` are the call's, as they were there: whoever comes back goes on with them, and not
with the request as a way that was given up has made it.

How a call has failed, while it goes on to a further attempt or a fallback, stands in ``call.failed``: ``(failure,
verdict, held since, the marks willing to deal with it, the marks since, attempts, its route)``.

The lists are found by walking, not by parent pointers: a cluster shared by a hundred routes is a graph.
"""

from .back import MANY, again, expired, fall, finish, first, release, survive, survived, willing
from .fork import adopt, fork, learn
from .forward import admit, advance, elsewhere, gather, outlived, patience

__all__ = [
    "MANY",
    "admit",
    "adopt",
    "advance",
    "again",
    "elsewhere",
    "expired",
    "fall",
    "finish",
    "first",
    "fork",
    "gather",
    "learn",
    "outlived",
    "patience",
    "release",
    "survive",
    "survived",
    "willing",
]
