"""What does ``python -m meshkit`` do, and the program ``meshkit``? What `meshkit.cli` says; without typer it says what
is missing.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from .errors import ConfigError

__all__ = ["main"]


def main() -> int:
    """Run the command line; answers the exit status where it did not get so far."""
    if sys.argv[1:2] == ["serve"] and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # who is to read its file again may be told so before it has
    try:
        from .cli import app
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201  # it is a program
        return 2
    app(prog_name="python -m meshkit" if Path(sys.argv[0]).name == "__main__.py" else "meshkit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
