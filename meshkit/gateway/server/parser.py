"""Which parser reads the requests? llhttp through httptools, or without it our own, with the same errors to catch."""

from __future__ import annotations

from typing import Any

from .plain import PlainParser, Upgrade

__all__ = ["BROKEN", "CALLED", "METHOD", "QUICK", "SWITCHED"]

QUICK: Any = PlainParser
BROKEN: Any = ()
"""What it raises for what is malformed;"""
CALLED: Any = ()
"""of that, where something was raised that it told;"""
METHOD: Any = ()
"""and where it does not know the method."""
SWITCHED: Any = (Upgrade,)
"""What is raised where the rest of the data is of another protocol."""

try:
    import httptools
except ImportError:
    pass
else:
    QUICK = httptools.HttpRequestParser
    BROKEN = httptools.HttpParserError
    CALLED = httptools.HttpParserCallbackError
    METHOD = httptools.HttpParserInvalidMethodError
    SWITCHED = (httptools.HttpParserUpgrade, Upgrade)
