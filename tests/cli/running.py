"""Runs a command as somebody at a terminal would, or a program."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from meshkit.cli import app

__all__ = ["run"]


def run(*arguments: object, status: int | None = 0, **env: str) -> Any:
    """What came of it; whatever is raised within is raised here. ``status``: with which it must end; ``None``: any."""
    done = CliRunner(env=env).invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert status in {None, done.exit_code}, done.output
    return done
