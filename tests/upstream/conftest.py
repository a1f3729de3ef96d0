"""Real servers, started once for the tests that ask them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .servers import Server, running


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The one of the name that the test is parametrised with."""
    with running(request.param) as server:
        yield server
