"""Nothing of one test left over for the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meshkit.deadline import CURRENT
from meshkit.runtime import alarm
from meshkit.runtime.lock import owned
from meshkit.runtime.settle import LEFT


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not owned()
    assert not LEFT
    assert CURRENT.get() is None
    assert all(not alarms for alarms in alarm._loops.values())
