"""What becomes of a file before anybody looks at what it says."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meshkit import ConfigError
from meshkit.config import FileErrors, document, parse, read
from meshkit.config.located import plain


def said(text: str | bytes, name: str = "a.yaml") -> list[str]:
    with pytest.raises(FileErrors) as caught:
        parse(text, name)
    return [str(each).removeprefix(f"{name}:").strip() for each in caught.value.mistakes]


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", "a: [1, b]"), ("a.YML", "a: [1, b]"), ("a.json", '{"a": [1, "b"]}'), ("a.toml", 'a = [1, "b"]')],
)
def test_the_name_tells_the_format(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert plain(read(path).root) == {"a": [1, "b"]}
    (tmp_path / "mesh").write_text(text)
    assert plain(read(str(tmp_path / "mesh"), format=document.FORMATS[path.suffix.lower()]).root) == {"a": [1, "b"]}


def test_another_name_tells_none() -> None:
    assert said("a: 1", "mesh.conf") == [
        "neither YAML nor TOML nor JSON, by its name; let it end in .yaml, .toml or .json"
    ]


def test_what_is_no_file_that_can_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "dir.yaml").mkdir()
    reasons = {
        "none.yaml": "there is no such file",
        "dir.yaml": "a directory",
        "pipe.yaml": "no regular file",
        "a\0.yaml": "a path with NUL",
        "x" * 300 + ".yaml": "it cannot be read: File name too long",
    }
    for name, reason in reasons.items():
        with pytest.raises(ConfigError, match=reason):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (b"a: 1\nb: \xff\n", "2:4: the byte 0xff, which is no UTF-8; save it as UTF-8"),
        (b"\xff\xfea\0", "it is UTF-16; save it as UTF-8"),
        ("a: 1\r\nb: x\x00y", "2:5: the character U+0000, which cannot be seen; leave it out"),
        ("a: 1\rb: \x1b[2J", "2:4: the character U+001B, which cannot be seen; leave it out"),
        ("a: \u2028", "1:4: the character U+2028, which cannot be seen; leave it out"),
        ("a: 1\n\ufeffb: 2", "2:1: the character U+FEFF, which cannot be seen; leave it out"),
        ("", "1:1: it is empty"),
        ("# nothing\n\n", "1:1: it is empty"),
    ],
)
def test_what_is_no_text(text: str | bytes, mistake: str) -> None:
    assert said(text) == [mistake]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse(b"\xef\xbb\xbfa: 1", "a.yaml").root.keys == {"a": (1 << 24) + 1}
    assert plain(parse("\ufeff[1]", "a.json").root) == [1]


def test_characters_that_cannot_be_seen_are_told_up_to_a_number() -> None:
    assert len(said("\x01" * 1000)) == document.UNSEEN


def test_lines_end_as_editors_say() -> None:
    root = parse("a: 1\r\nb: 2\rc: 3\nd: 4", "a.yaml").root
    assert [each.line for each in root.value.values()] == [1, 2, 3, 4]


def test_size_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "LARGEST", 10)
    assert plain(parse("a: 1234567", "a.yaml").root) == {"a": 1234567}
    assert said("a: 12345678") == ["more than 10 bytes; write less"]


def test_garbage_is_collected_afterwards_as_before() -> None:
    assert gc.isenabled()
    parse("a: 1", "a.yaml")
    assert gc.isenabled()
    gc.disable()
    try:
        parse("a: 1", "a.yaml")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_without_pyyaml_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['yaml'] = None\n"
        "from meshkit.config import parse\n"
        "print(parse('[1]', 'a.json').root.value)\n"
        "try: parse('a: 1', 'a.yaml')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.splitlines() == [
        "[Located(1, 1:2)]",
        "ConfigError a mesh file in YAML needs pyyaml: install meshkit with its extra, meshkit[config]",
    ]
