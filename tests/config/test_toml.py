"""TOML: what ``tomllib`` reads, with a place for each value and each key."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.config import FileErrors, from_toml, parse
from meshkit.config.located import Located, plain

TEXT = '''# a mesh
name = "shop"
"quoted key".a = 1   # dotted
[clusters.orders]
endpoints = [
  "10.0.0.7:80",  # with a comment ]
  {address = "10.0.0.8:80", weight = 2},
]
text = """
]] "" \\""" [not.a.table]
"""
[[routes]]
to = 'x'
  [routes.match]
  path = "/"
[[routes]]
to.split = 0x1F
[[routes.policies]]
timeout = 1_0
'''


def places(node: Located, path: str = "") -> dict[str, tuple[int, int]]:
    found = {path: (node.line, node.column)}
    if isinstance(node.value, dict):
        for name, each in node.value.items():
            found |= places(each, f"{path}.{name}".removeprefix("."))
    elif isinstance(node.value, list):
        for number, each in enumerate(node.value):
            found |= places(each, f"{path}[{number}]")
    return found


def test_each_value_knows_its_place() -> None:
    root = parse(TEXT, "a.toml").root
    assert plain(root) == tomllib.loads(TEXT)
    assert places(root) == {
        "": (1, 1),
        "name": (2, 8),
        "quoted key": (3, 1),
        "quoted key.a": (3, 18),
        "clusters": (4, 2),
        "clusters.orders": (4, 11),
        "clusters.orders.endpoints": (5, 13),
        "clusters.orders.endpoints[0]": (6, 3),
        "clusters.orders.endpoints[1]": (7, 3),
        "clusters.orders.endpoints[1].address": (7, 14),
        "clusters.orders.endpoints[1].weight": (7, 38),
        "clusters.orders.text": (9, 8),
        "routes": (12, 3),
        "routes[0]": (12, 3),
        "routes[0].to": (13, 6),
        "routes[0].match": (14, 11),
        "routes[0].match.path": (15, 10),
        "routes[1]": (16, 3),
        "routes[1].to": (17, 1),
        "routes[1].to.split": (17, 12),
        "routes[1].policies": (18, 10),
        "routes[1].policies[0]": (18, 10),
        "routes[1].policies[0].timeout": (19, 11),
    }


def test_a_number_knows_how_it_is_written_and_a_key_where() -> None:
    root = parse(TEXT, "a.toml").root
    route = root.value["routes"].value[1]
    assert route.value["to"].value["split"].written == "0x1F"
    assert route.value["policies"].value[0].value["timeout"].written == "1_0"
    assert {name: divmod(at, 1 << 24) for name, at in route.keys.items()} == {"to": (17, 1), "policies": (18, 10)}


def said(text: str) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        parse(text, "a.toml").mistakes.check()
    return [str(each).removeprefix("a.toml:") for each in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a = 1\na = 2\n", "2:6: no TOML: cannot overwrite a value; it stands here twice: leave one out"),
        ("a = \n", "1:5: no TOML: invalid value; a text stands in quotes"),
        ("[a.b]\n[a.b]\n", "2:5: a.b stands here twice; write all of it in one place"),
        ("a = 1 b = 2", "1:7: no TOML: expected newline or end of document after a statement"),
        ("a = [1", "1:7: no TOML: unclosed array"),
        ('a = "', "1:6: no TOML: unterminated string"),
        ("a = 2026-01-02\n", "1:5: a date or a time; put it in quotes"),
        ("b = [1, 07:30:00]\n", "1:9: a date or a time; put it in quotes"),
        ("a = " + "[" * 65, "1:68: more than 64 levels; write it flatter"),
        (".".join("a" * 70) + " = 1", "1:129: more than 64 levels; write it flatter"),
        ("a = " + "1" * 401, "1:5: a number of 401 characters; 400 are read at most"),
        ("# nothing\n", "1:1: it is empty"),
    ],
)
def test_what_is_refused(text: str, mistake: str) -> None:
    assert said(text) == [mistake]


def test_values_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_toml, "NODES", 5)
    assert said("a = [1, 1, 1, 1]") == ["1:15: more than 5 values; write less"]


PARTS = [
    "a", "b = ", "[a]\n", "[[a]]\n", "[[a.b]]\n", "a.b = 1\n", "=", "'''", '"""', "'", '"', "[", "]", "{", "}", ",",
    "\n", "#c", "1", "true", "2026-01-02 01:02:03", " ", "\\", "\r\n", "x = 1\n", "y = [1, {a = 2}]\n", '"q" = 3\n',
    "a = {b.c = 1}\n",
]  # fmt: skip


@settings(max_examples=80)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_whatever_tomllib_takes_has_places(text: str) -> None:
    try:
        expected: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(FileErrors):
            parse(text, "a.toml")
        return
    if not expected:
        assert said(text) == ["1:1: it is empty"]
        return
    document = parse(text, "a.toml")
    assert len(document.mistakes) or plain(document.root) == expected
    lines = text.replace("\r\n", "\n").split("\n")
    for line, column in [*places(document.root).values()][1:]:
        assert lines[line - 1][column - 1 : column].strip()
