"""JSON by RFC 8259 and nothing else; that its places are those of YAML, `test_yaml` says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.config import FileErrors, from_json, parse
from meshkit.config.located import plain


def said(text: str) -> list[str]:
    """The mistakes, each ``line:column: text; suggestion``."""
    with pytest.raises(FileErrors) as caught:
        parse(text, "a.json").mistakes.check()
    return [str(each).removeprefix("a.json:") for each in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('{"a": 1,\n "b": 2, "a": 3}', "2:10: 'a' stands here twice; the first is on line 1"),
        ('{"a": 1,}', "1:8: a comma too many; nothing follows it but }"),
        ("[1, 2,\n]", "1:6: a comma too many; nothing follows it but ]"),
        ("[1 2]", "1:4: a comma or ] is wanted here"),
        ('{"a": 1 "b": 2}', "1:9: a comma or } is wanted here"),
        ('{"a" 1}', "1:6: a colon is wanted here"),
        ("{a: 1}", "1:2: a key is wanted here; a key stands in double quotes"),
        ("{'a': 1}", "1:2: a key is wanted here; a key stands in double quotes"),
        ("['a']", "1:2: a value is wanted here; a text stands in double quotes"),
        ("[yes]", "1:2: a value is wanted here; a text stands in double quotes"),
        ("[NaN]", "1:2: a value is wanted here; a text stands in double quotes"),
        ("[,]", "1:2: a value is wanted here"),
        ("mesh: shop", "1:1: no JSON; if it is YAML, let its name end in .yaml"),
        ("{ // x\n}", "1:3: a key is wanted here; JSON has no comments: leave it out"),
        ("[1, # x\n2]", "1:5: a value is wanted here; JSON has no comments: leave it out"),
        ("[1] // x", "1:5: something follows the value; a file holds one value"),
        ('["a', "1:2: no JSON: unterminated string starting at"),
        ('["a\\x"]', "1:4: no JSON: invalid \\escape"),
        ('["a\tb"]', "1:4: no JSON: invalid control character at"),
        (f"[{'1' * 401}]", "1:2: a number of 401 characters; 400 are read at most"),
        ("[" * 65, "1:65: more than 64 levels; write it flatter"),
        (" \n", "1:1: it is empty"),
    ],
)
def test_what_is_refused(text: str, mistake: str) -> None:
    assert said(text) == [mistake]


def test_values_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_json, "NODES", 10)
    assert said("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]") == ["1:29: more than 10 values; write less"]


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse(r'"\ud83d\ude00"', "a.json").root.value == "\U0001f600"


PARTS = [*'{}[],:01-"\\\n ', '"a"', "true", "null", "1.5", "e5", "nul", "\\u12"]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PARTS), max_size=10).map("".join))
def test_it_takes_what_json_takes(text: str) -> None:
    try:
        expected = json.loads(text, parse_constant=int)
    except ValueError:
        with pytest.raises(FileErrors):
            parse(text, "a.json").mistakes.check()
        return
    document = parse(text, "a.json")
    assert len(document.mistakes) or plain(document.root) == expected
