"""Texts: what each form says, and that nothing is left out of one that is not understood."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.cluster.endpoint import Endpoint
from meshkit.discover import endpoints_from
from meshkit.errors import ConfigError

WHOLE = (
    Endpoint("10.0.0.7:8080"),
    Endpoint(
        "https://[2001:db8::7]",
        weight=3,
        name="big",
        priority=1,
        locality="eu/a",
        tags={"stage": "canary", "version": "2"},
        hash_key="seven",
    ),
)


LINES = """# payments
10.0.0.7:8080

  https://[2001:db8::7] weight=3\tname=big priority=1 locality=eu/a tag.stage=canary tag.version=2 hash_key=seven #\r
"""
JSON = """
["10.0.0.7:8080", {"address": "https://[2001:db8::7]", "weight": 3, "name": "big", "priority": 1, "locality": "eu/a",
                   "tags": {"stage": "canary", "version": "2"}, "hash_key": "seven"}]
"""
TOML = """
[[endpoints]]
address = "10.0.0.7:8080"

[[endpoints]]
address = "https://[2001:db8::7]"
weight = 3
name = "big"
priority = 1
locality = "eu/a"
hash_key = "seven"
tags = { stage = "canary", version = "2" }
"""


@pytest.mark.parametrize(
    ("form", "text"), [("txt", LINES), ("json", JSON), ("toml", TOML)], ids=["txt", "json", "toml"]
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "marked"])
def test_three_forms_of_one_list(form: str, text: str, mark: str) -> None:
    assert endpoints_from(mark + text, form, "here") == WHOLE


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("txt", "10.0.0.7:80"),
        ("txt", " 10.0.0.7:80\t#\n#10.0.0.8:80"),
        ("txt", "10.0.0.7:80 # a line ends with \\n only, not with these: \u2028\x0b\x85"),
        ("json", '["10.0.0.7:80"]'),
        ("json", '{"endpoints": ["10.0.0.7:80"]}'),
        ("json", '{"endpoints": [{"address": "10.0.0.7:80"}]}'),
        ("toml", 'endpoints = ["10.0.0.7:80"]'),
    ],
    ids=range(7),
)
def test_one_endpoint(form: str, text: str) -> None:
    assert endpoints_from(text, form, "here") == (Endpoint("10.0.0.7:80"),)


@pytest.mark.parametrize(
    ("form", "text"),
    [("txt", ""), ("txt", "\n# nobody\n"), ("json", "[]"), ("json", '{"endpoints": []}'), ("toml", "endpoints = []")],
)
def test_nobody(form: str, text: str) -> None:
    assert endpoints_from(text, form, "here") == ()


ERRORS = [
    ("txt", "10.0.0.7:80\n10.0.0.8", "here, line 2: Endpoint: address='10.0.0.8': add the port"),
    ("txt", "10.0.0.7:80 weight", "here, line 1: Endpoint: option='weight': write name=value"),
    ("txt", "10.0.0.7:80 weigth=3", "here, line 1: Endpoint: option='weigth=3': write name=value, with one of weight,"),
    ("txt", "10.0.0.7:80 weight=", "line 1: Endpoint: option='weight=': write name=value"),
    ("txt", "10.0.0.7:80 weight=-1", "line 1: Endpoint: weight='-1': give a whole number"),
    ("txt", "10.0.0.7:80 weight=٣", "line 1: Endpoint: weight='٣': give a whole number"),
    ("txt", "10.0.0.7:80 weight=2000000", "line 1: Endpoint: weight=2000000: give a whole number"),
    ("txt", "10.0.0.7:80 tag.=x", "line 1: Endpoint: option='tag.=x': write name=value"),
    ("txt", "10.0.0.7:80 tags=x", "line 1: Endpoint: option='tags=x': write name=value"),
    ("txt", "10.0.0.7:80 address=x", "line 1: Endpoint: option='address=x': write name=value"),
    ("txt", "10.0.0.7:80 weight=1 weight=2", "line 1: Endpoint: option='weight=2': say it once"),
    ("txt", "10.0.0.7:80 10.0.0.8:80", "line 1: Endpoint: option='10.0.0.8:80': write name=value"),
    ("txt", "a:80\n#\nb:80\nA:80", "here, line 4: a:80 stands at line 1 already: list it once"),
    ("txt", "a:80 name=x\nb:80 name=x", "here, line 2: x stands at line 1 already: list it once"),
    ("txt", "http://u:secret@a", "line 1: Endpoint: address='***@a': leave out user and password"),
    ("json", "", "here, line 1, column 1: no JSON: Expecting value"),
    ("json", '["a:80",\n "b:8', "here, line 2, column 2: no JSON: Unterminated string"),
    ("json", "[NaN]", "here: no JSON: NaN is no number"),
    ("json", "7", "here: no list of endpoints"),
    ("json", '"a:80"', "here: no list of endpoints"),
    ("json", '{"endpoints": {"a": 1}}', "here: no list of endpoints"),
    ("json", "{}", 'here: nothing where only "endpoints" belongs'),
    ("json", '{"endpoint": []}', "here: ['endpoint'] where only \"endpoints\" belongs"),
    ("json", '[{"address": "a:80", "address": "b:80"}]', "here: no JSON: a key stands twice: 'address'"),
    ("json", '["a:80", 7]', "here, endpoints[1]: Endpoint: address=7: give a string, or a table"),
    ("json", '[{"weight": 3}]', 'here, endpoints[0]: Endpoint: no "address"'),
    ("json", '[{"address": "a:80", "weigth": 3}]', "endpoints[0]: Endpoint: option='weigth': write 'weight'"),
    ("json", '[{"address": "a:80", "zone": 3}]', "endpoints[0]: Endpoint: option='zone': write one of 'address',"),
    ("json", '[{"address": "a:80", "scheme": "http"}]', "endpoints[0]: Endpoint: option='scheme'"),
    ("json", '[{"address": "a:80", "weight": true}]', "endpoints[0]: Endpoint: weight=True: give a whole number"),
    ("json", '[{"address": "a:80", "weight": 1.5}]', "endpoints[0]: Endpoint: weight=1.5: give a whole number"),
    ("json", '[{"address": "a:80", "tags": {"x": [1]}}]', "endpoints[0]: Endpoint: tags={'x': [1]}"),
    ("json", '["a:80", "a:80"]', "here, endpoints[1]: a:80 stands at endpoints[0] already"),
    ("json", "[" * 100_000, "here: nested too deeply"),
    ("json", f"[{'1' * 5000}]", "here: no JSON: "),
    ("toml", "endpoints = [", "here: no TOML: "),
    ("toml", "endpoints = 1\nendpoints = 2", "here: no TOML: "),
    ("toml", "", 'here: nothing where only "endpoints" belongs'),
    ("toml", "endpoints = [1979-05-27]", "here, endpoints[0]: Endpoint: address="),
    ("toml", 'endpoint = ["a:80"]', "here: ['endpoint'] where only"),
]


@pytest.mark.parametrize(("form", "text", "said"), ERRORS, ids=range(len(ERRORS)))
def test_what_cannot_be_says_where(form: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        endpoints_from(text, form, "here")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_another_form() -> None:
    with pytest.raises(ConfigError, match="format='yaml': write one of 'json', 'toml', 'txt'"):
        endpoints_from("", "yaml", "here")


@pytest.mark.parametrize("form", ["txt", "json"])
def test_too_many(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshkit.discover.listing.MOST_ENDPOINTS", 100)
    some = [f"10.0.0.1:{port}" for port in range(1, 101)]

    def text() -> str:
        return "\n".join(some) if form == "txt" else json.dumps(some)

    assert len(endpoints_from(text(), form, "here")) == 100
    some.append("10.0.0.2:80")
    with pytest.raises(ConfigError, match="here: more than 100 endpoints"):
        endpoints_from(text(), form, "here")


@given(text=st.text(), form=st.sampled_from(["json", "toml", "txt"]))
def test_any_text_is_a_list_or_an_error(text: str, form: str) -> None:
    said, found = "here", ()
    try:
        found = endpoints_from(text, form, "here")
    except ConfigError as error:
        said = str(error)
    assert said.startswith("here")
    assert all(isinstance(each, Endpoint) for each in found)


@given(
    st.lists(
        st.builds(
            Endpoint,
            st.integers(1, 65535).map(lambda port: f"10.0.0.7:{port}"),
            weight=st.integers(0, 1000),
            priority=st.integers(0, 127),
            locality=st.sampled_from([None, "a", "eu/a/1"]),
            tags=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "x=y", "a#b"])),
        ),
        unique_by=lambda each: each.port,
    )
)
def test_what_is_written_is_read(endpoints: list[Endpoint]) -> None:
    lines, entries = [], []
    for each in endpoints:
        words = [each.address, f"weight={each.weight}", f"priority={each.priority}"]
        words += [f"locality={each.locality}"] if each.locality else []
        words += [f"tag.{name}={value}" for name, value in each.tags.items()]
        lines.append(" ".join(words))
        entry = {"address": each.address, "weight": each.weight, "priority": each.priority, "tags": dict(each.tags)}
        entries.append(entry | ({"locality": each.locality} if each.locality else {}))
    assert endpoints_from("\n".join(lines), "txt", "here") == tuple(endpoints)
    assert endpoints_from(json.dumps(entries), "json", "here") == tuple(endpoints)
