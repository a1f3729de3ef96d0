"""YAML by the core schema of 1.2, with a place for each value, and with guards against what a file can do."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.config import FileErrors, from_yaml, parse
from meshkit.config.located import Located, plain


def said(text: str) -> list[str]:
    """The mistakes, each ``line:column: text; suggestion``."""
    with pytest.raises(FileErrors) as caught:
        parse(text, "a.yaml").mistakes.check()
    return [str(each).removeprefix("a.yaml:") for each in caught.value.mistakes]


def data(text: str) -> Any:
    document = parse(text, "a.yaml")
    document.mistakes.check()
    return plain(document.root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("TRUE", True),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("Off", "Off"), ("y", "y"),
        ("null", None), ("~", None), ("Null", None),
        ("12", 12), ("-3", -3), ("+5", 5), ("010", 10), ("0o14", 12), ("0x1F", 31), ("0b1", "0b1"), ("1_000", "1_000"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-1.5E-3", -0.0015), ("1.2.3", "1.2.3"),
        ("1:30", "1:30"), ("2026-01-02", "2026-01-02"), ("5xx", "5xx"), ("2s", "2s"), ("100/s", "100/s"),
        ("10.0.0.7:8080", "10.0.0.7:8080"), ("'true'", "true"), ('"12"', "12"), ("|\n  a\n  b\n", "a\nb\n"),
        ("[on, off, 010]", ["on", "off", 10]), ("{on: 5xx, 404: a, true: b, null: c}",
        {"on": "5xx", "404": "a", "true": "b", "null": "c"}), ("--- 1\n", 1), ("--- 1\n...\n", 1),
    ],
)  # fmt: skip
def test_the_core_schema(text: str, value: Any) -> None:
    found = data(text)
    assert (found, type(found)) == (value, type(value))


def test_a_value_and_a_key_know_their_place() -> None:
    root = parse("a: 1\nb:\n  - c: [x, 0x1F]\n", "a.yaml").root
    inner = root.value["b"].value[0]
    assert {name: divmod(at, 1 << 24) for name, at in root.keys.items()} == {"a": (1, 1), "b": (2, 1)}
    assert (inner.line, inner.column) == (3, 5)
    assert [(each.line, each.column, each.written) for each in inner.value["c"].value] == [
        (3, 9, "x"),
        (3, 12, "0x1F"),
    ]


def test_an_alias_is_the_value_that_it_stands_for() -> None:
    root = parse("a: &it {x: 1}\nb: *it\nc: [*it, *it]\n", "a.yaml").root
    assert root.value["b"] is root.value["a"]
    assert plain(root) == {"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]}


NO_TAG = "leave it out: no value of this file needs one"
NO_MERGE = "write the values out, or give the whole value a name with & and use it with *"


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("a: 1\nb: 2\na: 3\n", ["3:1: 'a' stands here twice; the first is on line 1"]),
        ("a: !!python/name:os.system x", [f"1:4: a tag, !!python/name:os.system; {NO_TAG}"]),
        ("!x {a: !!str 1}", [f"1:1: a tag, !x; {NO_TAG}", f"1:8: a tag, !!str; {NO_TAG}"]),
        ("a: &b {c: *b}", ["1:11: *b stands within itself"]),
        ("a: *b", ["1:4: *b is no anchor of this file; write &b before the value that is meant"]),
        ("a: {<<: {b: 1}}", [f"1:5: << merges nothing: YAML 1.2 has no merge keys; {NO_MERGE}"]),
        ("a: 1\n---\nb: 2\n", ["2:1: a second document begins; leave out ---, or make a file of each"]),
        ("[1]: a", ["1:1: a list or a mapping as a key; a key is a text: put one with [ or { in quotes"]),
        ("&a x: 1", ["1:1: an anchor on a key; put it on a value"]),
        ("a: &b x\n*b : 1", ["2:1: an alias as a key; write the key itself"]),
        ("'': 1", ["1:1: a key without a name; write one before the colon"]),
        (r'"a\u0000": 1', ["1:1: a key with characters that cannot be seen; leave them out"]),
        ("a:\n\tb: 1", ["2:1: a tab; indent with blanks"]),
        (f"a: {'1' * 401}", ["1:4: a number of 401 characters; 400 are read at most"]),
    ],
)
def test_what_is_refused(text: str, mistakes: list[str]) -> None:
    assert said(text) == mistakes


def test_several_mistakes_are_told_at_once_and_the_rest_is_read() -> None:
    document = parse("a: !x 1\nb: {c: 1, c: 2}\nd: 3\n", "a.yaml")
    assert len(document.mistakes) == 2
    assert document.root.value["b"].value["c"].value == 1
    assert document.root.value["d"].value == 3


def test_depth_has_an_end() -> None:
    deep = from_yaml.DEPTH
    assert data("[" * deep + "]" * deep)
    (mistake,) = said("[" * (deep + 1) + "]" * (deep + 1))
    assert mistake == f"1:{deep + 1}: more than {deep} levels; write it flatter"
    assert "exceeded maximum nesting depth" in said("{" * 100_000)[0] or "levels" in said("{" * 100_000)[0]


def test_depth_counts_what_aliases_stand_for() -> None:
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))]
    assert "levels, with what *a62 stands for" in said("\n".join(lines))[0]


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (mistake,) = said("\n".join(lines))
    assert mistake.startswith("5:5: more than 1000000 values, aliases counted as often as they are used")


def test_values_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_yaml, "NODES", 100)
    assert len(data("- 1\n" * 99)) == 99
    assert said("- 1\n" * 100) == ["100:3: more than 100 values, aliases counted as often as they are used; write less"]


KEYS = st.text("abc-_ é", min_size=1, max_size=5)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cn"], exclude_characters="\ufeff")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def places(node: Located) -> Any:
    value = node.value
    inner: Any = None
    if isinstance(value, dict):
        inner = {name: (node.keys and node.keys[name], places(each)) for name, each in value.items()}
    elif isinstance(value, list):
        inner = [places(each) for each in value]
    return node.at, inner


@settings(max_examples=40)
@given(JSON, st.sampled_from([None, 1]))
def test_json_reads_the_same_as_yaml_and_stands_at_the_same_places(value: Any, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    by_json, by_yaml = parse(text, "a.json").root, parse(text, "a.yaml").root
    assert plain(by_json) == plain(by_yaml) == value
    assert places(by_json) == places(by_yaml)


PARTS = [*"ab:-[]{},?&*!|>'\"#%@`\n\t 1", "- ", ": ", "a: ", "\n  ", "&x ", "*x", "<<: "]


@settings(max_examples=40)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_whatever_stands_there_it_is_data_or_mistakes(text: str) -> None:
    try:
        document = parse(text, "a.yaml")
    except FileErrors:
        return
    if not len(document.mistakes):
        assert _texts(document.root) == yaml.load(text, yaml.CBaseLoader)


def _texts(node: Located) -> Any:
    """As a loader that knows texts only."""
    value = node.value
    if isinstance(value, dict):
        return {name: _texts(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return value if node.written is None else node.written


def test_without_libyaml_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_yaml, "_Loader", yaml.SafeLoader)
    text = "a: &x [1, on, {b: '2'}]\nc: *x\n"
    pure = parse(text, "a.yaml").root
    monkeypatch.undo()
    assert places(pure) == places(parse(text, "a.yaml").root)
    assert plain(pure) == {"a": [1, "on", {"b": "2"}], "c": [1, "on", {"b": "2"}]}
