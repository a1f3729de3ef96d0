"""What every test may rely on: asyncio and trio, examples without luck, no silent skips, garbage soon collected."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import hypothesis
import pytest

IN_CI = os.environ.get("CI") == "true"
MISSING_INTERPRETER = "no CPython"

hypothesis.settings.register_profile(
    "dev",
    deadline=None,  # a shared machine stalls; time limits of one example say nothing
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # for the same reason
)
hypothesis.settings.register_profile(
    "ci",
    parent=hypothesis.settings.get_profile("dev"),
    derandomize=True,  # a change lands or not by what it is, not by the draw
    print_blob=True,
    database=None,
)
hypothesis.settings.register_profile(
    "elsewhere",  # the second and third interpreter (.ci/test)
    parent=hypothesis.settings.get_profile("ci" if IN_CI else "dev"),
    max_examples=20,
)
hypothesis.settings.load_profile("ci" if IN_CI else "dev")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both."""
    return str(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The tests stay: they are not searched for garbage, neither while they come nor in their own `gc.collect()`."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        stays()


@pytest.fixture(autouse=True, scope="module")
def what_stays() -> None:
    """So do the reports on those that have run, and what they imported."""
    stays()


def stays() -> None:
    gc.collect()
    gc.freeze()


class SkipWatch:
    """In CI a test that is skipped has not been passed: the session fails, unless an interpreter was missing."""

    def __init__(self) -> None:
        self.unexpected: list[str] = []

    def _see(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MISSING_INTERPRETER not in reason:
            self.unexpected.append(f"{report.nodeid}: {reason}")

    pytest_runtest_logreport = _see
    pytest_collectreport = _see

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.unexpected:
            terminalreporter.write_line(f"skipped, though CI=true: {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if IN_CI and not hasattr(config, "workerinput"):  # a worker of xdist reports to the session that started it
        config.pluginmanager.register(SkipWatch())
