"""Which parser is taken? The quick one; else the other, and a line in the log says once what is missed."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from meshkit.upstream import parser
from meshkit.upstream.llhttp import LlhttpParser
from meshkit.upstream.pure import PureParser


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if nobody had been chosen, or httptools looked for, before."""
    monkeypatch.setattr(parser, "_told", False)
    monkeypatch.delitem(sys.modules, "meshkit.upstream.llhttp")
    return monkeypatch


def test_the_quick_one() -> None:
    assert parser.best() is LlhttpParser


def test_the_other_where_httptools_is_missing(without: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    without.setitem(sys.modules, "httptools", None)
    caplog.set_level(logging.INFO, "meshkit")
    assert parser.best() is PureParser
    assert parser.best() is PureParser
    (record,) = caplog.records
    assert record.name == "meshkit"
    assert record.levelno == logging.INFO
    assert "h11" in record.getMessage()
    assert "pip install meshkit[fast]" in record.getMessage()


def test_the_other_where_httptools_is_old(without: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It takes a space before a colon, and more."""

    class Lax:
        def __init__(self, protocol: Any) -> None: ...

        def feed_data(self, data: bytes) -> None: ...

    old = ModuleType("httptools")
    vars(old).update(HttpResponseParser=Lax, HttpParserError=ValueError, HttpParserCallbackError=ValueError)
    without.setitem(sys.modules, "httptools", old)
    caplog.set_level(logging.INFO, "meshkit")
    assert parser.best() is PureParser
    assert "older than 0.6.3" in caplog.text


def test_neither_is_loaded_before_it_is_needed() -> None:
    code = "import sys, meshkit.upstream.parser; print(*{'h11', 'httptools'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
