"""What does ``python -m meshkit`` do? What `meshkit.cli` says; without typer it says what is missing."""

from __future__ import annotations

import sys

from .errors import ConfigError

__all__ = ["main"]


def main() -> int:
    """Run the command line; answers the exit status where it did not get so far."""
    try:
        from .cli import app
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201  # it is a program
        return 2
    app(prog_name="python -m meshkit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
