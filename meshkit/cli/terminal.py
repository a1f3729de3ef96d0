"""How is something said at the command line? In lines that fit, in colour where somebody looks, never by a traceback.

======================================  ==========================================================================
standard output                         then
======================================  ==========================================================================
is a terminal                           lines end at its width, or at `WIDEST` columns; there are colours
is one, and ``NO_COLOR`` says anything  the same, without colours (https://no-color.org); so does ``TERM=dumb``
is a file or a pipe                     one line for each thing, however long, without colours
has no such character                   it is escaped
is read by nobody any more              the command ends, with status 1
======================================  ==========================================================================
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from typing import NoReturn, ParamSpec

import typer

from ..config.mistakes import FileErrors, shown
from ..errors import ConfigError

__all__ = ["bad", "counted", "faint", "good", "odd", "say", "spoken", "stop", "strong", "told", "width"]

WIDEST = 100
"""Columns: longer lines are hard to read."""
LEAST = 40

P = ParamSpec("P")


def say(text: str = "", *, err: bool = False) -> None:
    """Print it."""
    stream = sys.stderr if err else sys.stdout
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a name may have what the terminal has not
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    typer.echo(text, err=err, color=False if plain else None)


def stop(reason: str, status: int = 1) -> NoReturn:
    """Say why there is no answer, and end."""
    say(reason, err=True)
    raise typer.Exit(status)


def spoken(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose errors are said in a sentence. Its status is 1 where a file is wrong, 2 for what cannot be
    understood, or is not installed, 3 for a fault of its own.
    """

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ConfigError as error:
            stop(str(error), 1 if isinstance(error, FileErrors) else 2)
        except (MemoryError, RecursionError) as error:
            stop(f"meshkit: it is too much: {type(error).__name__}")
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            what = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
            stop(f"meshkit: {shown(what, 200)}")
        except typer.Exit:
            raise
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{os.path.basename(where.filename)}:{where.lineno}"  # noqa: PTH119  # of a frame, not of a file
            text = f"{type(error).__name__}: {shown(str(error), 200)}"
            stop(f"meshkit: a fault of its own, which should be reported: {text} ({name})", 3)

    return run


def width() -> int | None:
    """How wide lines may be; ``None``: as wide as they are."""
    if not sys.stdout.isatty():
        return None
    return max(LEAST, min(WIDEST, shutil.get_terminal_size().columns))


def told(text: str, indent: str = "", further: str | None = None) -> str:
    """A text in lines that fit. ``further``: the indent of the second line, and of those after it."""
    columns = width()
    if columns is None:
        return indent + text
    rest = indent + "    " if further is None else further
    wrapper = textwrap.TextWrapper(columns, indent, rest, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def counted(number: int, one: str, several: str = "") -> str:
    """``1 route``, ``1,000 routes``."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def strong(text: str) -> str:
    return typer.style(text, bold=True)


def faint(text: str) -> str:
    return typer.style(text, dim=True)


def good(text: str) -> str:
    return typer.style(text, fg=typer.colors.GREEN)


def odd(text: str) -> str:
    return typer.style(text, fg=typer.colors.YELLOW, bold=True)


def bad(text: str) -> str:
    return typer.style(text, fg=typer.colors.RED, bold=True)
