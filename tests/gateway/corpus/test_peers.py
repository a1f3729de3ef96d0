"""What do the others do with bad input? And would what asks them notice a gateway that lets everything through?"""

from __future__ import annotations

import asyncio

import pytest

from ..visiting import ASYNCIO
from .corpus import CASES
from .peers import PEERS, missing
from .playing import played
from .relay import relay


@ASYNCIO
async def test_the_others_beside_it() -> None:
    """What they do is written down, and not judged; but asked they are, and know a plain request when they see one."""
    for name in PEERS:
        absent = missing(name)
        if absent:
            pytest.skip(f"no {absent} installed")
    results = await asyncio.gather(*(played(CASES, front) for front in PEERS.values()))
    for name, seen in zip(PEERS, results, strict=True):
        plain = next(each for each in seen if each.case.name == "a plain request")
        assert (plain.words(), plain.flaws()) == ("200", []), name


@ASYNCIO
async def test_a_gateway_that_looks_at_nothing_is_found_out() -> None:
    wanted = FOUND | HOPS
    cases = [case for case in CASES if (case.name in FOUND and case.must.saw == 0) or case.name in HOPS]
    assert {case.name for case in cases} == wanted.keys()
    for each in await played(cases, relay):
        assert any(wanted[each.case.name] in flaw for flaw in each.flaws()), each.case.name
        assert each.misses(), each.case.name


FOUND = {
    "a length, then chunks": "both framings",
    "two lengths": "two lengths",
    "a plus before a length": "Content-Length",
    "chunked, then identity": "Transfer-Encoding",
    "a folded field": "no field",
    "a bare CR in a value": "no field",
    "a NUL in a value": "no field",
    "a space before the colon": "no field",
    "no Host": "0 Host fields",
    "two Hosts": "2 Host fields",
    "HTTP/2.0": "no request line",
    "two blanks after the method": "no request line",
    "a blank in the target": "no request line",
}
HOPS = {
    "Keep-Alive, not named": "passes on keep-alive",
    "Proxy-Connection": "passes on proxy-connection",
    "Upgrade: h2c": "passes on upgrade",
}
