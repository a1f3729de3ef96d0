"""All the cases, in the order of the table."""

from __future__ import annotations

from .answers import ANSWERS, ENDS
from .bodies import BODIES, EXPECT
from .case import Case
from .chunks import CHUNKS, TRAILERS
from .framing import CODINGS, LENGTHS
from .heads import FIELDS
from .hops import BACK, HOPS
from .hosts import HOSTS
from .lines import LINES, PIPELINED
from .paths import PATHS, REWRITTEN
from .sizes import SIZES
from .times import LEAVES, SLOW
from .trust import TRUST

__all__ = ["CASES", "SECTIONS"]

SECTIONS: dict[str, tuple[Case, ...]] = {
    "A request's length": LENGTHS,
    "A request's transfer coding": CODINGS,
    "Chunks": CHUNKS,
    "Trailers": TRAILERS,
    "Lines and fields": FIELDS,
    "The request line": LINES,
    "Several requests": PIPELINED,
    "Host and authority": HOSTS,
    "Paths": PATHS,
    "What a rewriting has captured": REWRITTEN,
    "Too much": SIZES,
    "Fields for one connection": HOPS,
    "The same of an answer": BACK,
    "Who the client is": TRUST,
    "Expect": EXPECT,
    "Bodies that are no business of a gateway": BODIES,
    "Answers of the upstream": ANSWERS,
    "How they end": ENDS,
    "Time": SLOW,
    "The client leaves": LEAVES,
}
"""Cases by what they are about."""
CASES = [case for cases in SECTIONS.values() for case in cases]
