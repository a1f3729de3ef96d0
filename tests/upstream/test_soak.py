"""A short soak in the suite, with each parser: `make soak` runs the long one, and looks at memory as well."""

from __future__ import annotations

from .soak import soak
from .ways import PAIR, Way, each

REQUESTS = 1500


@each(PAIR)
async def test_nothing_is_left_and_no_answer_is_anothers(way: Way) -> None:
    report = await soak(way, REQUESTS, seconds=60.0, seed=1)
    assert not report.wrong, report
    assert report.requests == REQUESTS
    assert report.restarts == 1
    outcomes = {outcome for _, outcome in report.outcomes}
    assert {"200", "413", "503", "cancelled", "left early", "ReadError", "RemoteProtocolError"} <= outcomes
