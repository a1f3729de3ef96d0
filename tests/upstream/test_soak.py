"""A short soak in the suite, with each parser: `make soak` runs the long one."""

from __future__ import annotations

from .soak import soak
from .ways import OUR_WAYS, Way

REQUESTS = 1500


@OUR_WAYS
async def test_nothing_is_left_and_no_answer_is_anothers(way: Way) -> None:
    report = await soak(way, REQUESTS, seconds=60.0, seed=hash(way.parser == "h11"))
    assert not report.wrong, report
    assert report.requests == REQUESTS
    assert report.restarts == 1
    outcomes = {outcome for _, outcome in report.outcomes}
    assert {"200", "413", "503", "cancelled", "left early", "ReadError", "RemoteProtocolError"} <= outcomes
