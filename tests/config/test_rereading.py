"""A file that is read again in part says what it says when all of it is read, also where it is odd, or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshkit.config import FileErrors, MeshSpec, loads
from meshkit.config.rereading import MeshSource

AROUND = """\
mesh: shop
policies:
  careful: [timeout: 2s]
clusters:
  orders: {endpoints: [10.0.0.1:80]}
  payments: {endpoints: [10.0.0.2:80]}
"""
AFTER = """\
listeners:
  public: {hosts: ["*.shop"], routes: [r1]}
nodes:
  web: {calls: ["r3.shop", orders]}
"""
ROUTES = [f"  - name: r{n}\n    match: {{host: r{n}.shop}}\n    to: orders\n" for n in range(9)]


def told(text: str) -> str | MeshSpec:
    try:
        return loads(text, "mesh.yaml", imports=True)
    except FileErrors as error:
        return str(error)


class Reader:
    """Reads one text after the other as a file that changes, and all of it beside that."""

    def __init__(self, *, fewest: int = 3) -> None:
        self.source = MeshSource("mesh.yaml", imports=True, fewest=fewest)

    def read(self, text: str) -> Any:
        try:
            found: str | MeshSpec = self.source.read(text.encode())
        except FileErrors as error:
            found = str(error)
        assert found == told(text)
        return found

    def counts(self) -> tuple[int, int]:
        return self.source.in_full, self.source.in_part


def text(routes: list[str] = ROUTES, around: str = AROUND, after: str = AFTER) -> str:
    return f"{around}routes:\n{''.join(routes)}{after}"


def test_of_many_routes_those_are_read_that_are_others_and_the_first_and_the_last() -> None:
    reader = Reader()
    before = reader.read(text())
    changed = [*ROUTES]
    changed[4] = changed[4].replace("orders", "payments")
    after = reader.read(text(changed))
    assert [one is other for one, other in zip(before.routes, after.routes, strict=True)] == [
        False, True, True, True, False, True, True, True, False,
    ]  # fmt: skip
    moved = [ROUTES[0], *ROUTES[5:8], *ROUTES[1:4], "  - {name: new, to: passthrough}\n", ROUTES[8]]
    again = reader.read(text(moved))
    assert set(map(id, after.routes[5:8] + after.routes[1:4])) < set(map(id, again.routes))
    assert reader.counts() == (1, 2)


def test_the_same_text_is_the_same_mesh_and_is_not_read() -> None:
    reader = Reader()
    assert reader.read(text()) is reader.read(text())
    assert reader.counts() == (1, 0)


def test_a_comment_around_the_routes_has_none_of_them_read() -> None:
    reader = Reader()
    before = reader.read(text())
    after = reader.read(text(around="# the shop\n" + AROUND))
    assert after == before
    assert sum(one is other for one, other in zip(before.routes, after.routes, strict=True)) == 7
    assert reader.counts() == (1, 1)


def test_what_mentions_a_cluster_or_a_stack_that_is_another_is_read() -> None:
    routes = [*ROUTES]
    routes[2] = routes[2].replace("orders", "payments")
    routes[3] += "    policies: careful\n"
    reader = Reader()
    before = reader.read(text(routes))
    after = reader.read(text(routes, AROUND.replace("10.0.0.2:80", "10.0.0.3:80").replace("2s", "3s")))
    same = [one is other for one, other in zip(before.routes, after.routes, strict=True)]
    assert same == [False, True, False, False, True, True, True, True, False]
    assert after.routes[2].to.endpoints[0].address == "10.0.0.3:80"
    assert reader.counts() == (1, 1)


def test_a_name_may_be_written_in_escapes() -> None:
    routes = [*ROUTES]
    routes[4] = routes[4].replace("to: orders", r'to: "\x6frders"')
    reader = Reader()
    reader.read(text(routes))
    after = reader.read(text(routes, AROUND.replace("10.0.0.1:80", "10.0.0.9:80")))
    assert after.routes[4].to.endpoints[0].address == "10.0.0.9:80"


def test_a_new_name_may_be_the_word_of_a_destination() -> None:
    routes = [*ROUTES]
    routes[4] = "  - name: r4\n    to: respond\n"
    reader = Reader()
    reader.read(text(routes))
    after = reader.read(text(routes, AROUND + "  respond: {endpoints: [10.0.0.7:80]}\n"))
    assert after.routes[4].to.name == "respond"
    assert reader.counts() == (1, 1)


def test_namespaces_have_their_routes_behind() -> None:
    more = "namespaces:\n  pay:\n    clusters: {bank: {endpoints: [10.0.0.5:80]}}\n    routes: [{name: n, to: bank}]\n"
    reader = Reader()
    reader.read(text(after=AFTER + more))
    changed = [*ROUTES[:5], *ROUTES[6:]]
    found = reader.read(text(changed, after=AFTER + more))
    assert [route.name for route in found.routes][-2:] == ["r8", "pay/n"]
    granted = more + "    grants: {default: [bank]}\n"
    changed[3] = changed[3].replace("orders", "pay/bank")
    reader.read(text(changed, after=AFTER + granted))
    refused = reader.read(text(changed, after=AFTER + more))
    assert "not granted" in refused
    assert reader.counts() == (2, 1)


@pytest.mark.parametrize(
    ("place", "written"),
    [
        (4, "  - &a\n    name: r4\n    to: orders\n"),
        (
            4,
            "  - name: r4\n    match: {host: &h r4.shop}\n    to: orders\n  - {name: a, match: {host: *h}, to: a}\n",
        ),
        (4, "  - name: r4\n    to: {respond: {body: |\n      - name: x\n  }}\n"),
        (4, '  - name: "r4\n  - name: x"\n    to: orders\n'),
        (4, "  - name: r4\n    to: orders\r\n"),
        (4, "  - name: r4\r    to: orders\r"),
        (4, "  - name: r1\n    to: orders\n"),
        (4, "  - name: r4\n    to: nobody\n"),
        (4, "  - name: 'r4\n    to: orders\n"),
        (4, "  - name: r4\n   to: orders\n"),
        (4, "  - name: r4\n    to: orders\n...\n"),
        (4, "  - name: r4\n    to: orders\n---\n"),
        (4, "  - name: r4\n    to: orders\n# more\n"),
        (4, "  - name: r4\n    to: orders\nmesh: twice\n"),
        (4, "  - name: r4\n\tto: orders\n"),
        (4, "  - name: r4\n    to: {<<: orders}\n"),
        (4, "  - name: !!str r4\n    to: orders\n"),
        (4, "    - name: r4\n      to: orders\n"),
        (4, "  -\n    name: r4\n    to: orders\n"),
        (4, ROUTES[2]),
        (4, "  - {to: orders}\n  - {to: orders}\n"),
        (4, "  - name: r4\n    to: {respond: {status: 200, body: |\n\n"),
        (4, "  - name: r4\n    to:\n      respond:\n        body: |+\n          a\n\n\n"),
        (0, "  - name: r0\n    to: orders\n"),
        (0, "   - name: r0\n     to: orders\n"),
        (8, "  - name: r8\n    to: orders"),
        (8, '  - name: "r8\n    to: orders\n'),
        (8, '  - {name: r8, to: orders, match: {headers: {x: "\nmesh: c"}}}\n'),
    ],
)
def test_what_is_odd(place: int, written: str) -> None:
    """It comes, is there while something else changes, and goes; read in one way or the other, it is the same."""
    odd = [*ROUTES]
    odd[place] = written
    reader = Reader()
    reader.read(text())
    reader.read(text(odd))
    odd[6] = odd[6].replace("orders", "payments")
    reader.read(text(odd))
    reader.read(text())
    fresh = Reader()
    fresh.read(text(odd))
    fresh.read(text())


def test_a_text_that_begins_before_the_routes_and_ends_in_one_of_them() -> None:
    routes = [each.replace("r4.shop", '"r4.shop"') for each in ROUTES]
    reader = Reader()
    reader.read(text(routes))
    assert isinstance(reader.read(text(routes, around=AROUND.replace("mesh: shop", 'mesh: "shop'))), str)
    routes[4] = ROUTES[4]
    assert isinstance(reader.read(text(routes, around=AROUND.replace("mesh: shop", 'mesh: "shop'))), str)


def test_anchors_around_the_routes_stay_anchors() -> None:
    around = AROUND.replace("timeout: 2s", "timeout: &two 2s")
    routes = [*ROUTES]
    routes[4] += "    policies: [timeout: *two]\n"
    reader = Reader()
    assert reader.read(text(routes, around)).routes[4].policies[0].seconds == 2.0
    assert reader.read(text(routes, around.replace("2s", "3s"))).routes[4].policies[0].seconds == 3.0
    assert reader.counts() == (1, 1)


def test_what_is_about_all_routes_has_all_of_them_read() -> None:
    routes = [*ROUTES]
    routes[4] = routes[4].replace("host: r4.shop", "host: r4.shop, path: /a//b")
    reader = Reader()
    kept = AROUND + "paths: {slashes: keep}\n"
    reader.read(text(routes, kept))
    assert "normal form" in reader.read(text(routes, AROUND))
    reader.read(text(ROUTES, AROUND))
    reader.read(text(ROUTES, "order: envoy\n" + AROUND))
    assert reader.counts() == (3, 0)


def test_few_routes_and_other_formats_are_read_in_full(tmp_path: Path) -> None:
    reader = Reader(fewest=10)
    reader.read(text())
    reader.read(text(ROUTES[:-1]))
    assert reader.counts() == (2, 0)
    path = tmp_path / "mesh.json"
    path.write_text('{"clusters": {"a": {"endpoints": ["10.0.0.1:80"]}}}')
    source = MeshSource(path, fewest=0)
    before = source.read()
    path.write_text('{"clusters": {"a": {"endpoints": ["10.0.0.2:80"]}}}')
    assert source.read() != before
    assert (source.in_full, source.in_part) == (2, 0)


def test_much_that_has_changed_is_read_in_full() -> None:
    reader = Reader()
    reader.read(text())
    reader.read(text([each.replace("orders", "payments") for each in ROUTES]))
    assert reader.counts() == (2, 0)


def test_what_is_wrong_leaves_what_was_read_before() -> None:
    reader = Reader()
    before = reader.read(text())
    assert isinstance(reader.read(text().replace("to: orders", "to: order", 1)), str)
    assert reader.read(text()) is before
    with pytest.raises(FileErrors, match="no UTF-8"):
        reader.source.read(b"\xff")
    with pytest.raises(FileErrors, match="more than"):
        reader.source.read(b"#" * 10_000_001)
    assert reader.read(text()) is before


PIECES = [
    *ROUTES[:5],
    "  - name: a\n    match:\n      prefix: /a\n      headers: {x: '''s'}\n    to: {split: {orders: 9, payments: 1}}\n",
    '  - name: "b"\n    policies: [careful, retry: 5xx]\n    to: payments\n',
    "  # a comment\n  - {name: c, to: {redirect: {scheme: https}}}  # and one more\n\n",
    "  - name: d\n    to:\n      respond:\n        body: |\n          routes:\n          - name: e\n",
    "  - to: orders\n",
    "  - name: f\n    match: [{path: /f}, {path: /g}]\n    actions:\n    - rewrite: {path: /h}\n    to: orders\n",
    "- {to: orders}\n",
    "  - &g {name: g, to: orders}\n",
    "\n",
]
EDITS = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 12), st.sampled_from(PIECES)),
    st.tuples(st.just("delete"), st.integers(0, 12), st.just("")),
    st.tuples(st.just("swap"), st.integers(0, 12), st.just("")),
    st.tuples(
        st.just("change"), st.integers(0, 12), st.sampled_from(["payments", "careful", "/z", "'", '"', "|", "{"])
    ),
    st.tuples(
        st.just("type"),
        st.integers(0, 900),
        st.sampled_from([*"\"'[]{}:#&*-|>!%\t\n\r x", "\r\n", "\n  - ", "\n---\n"]),
    ),
    st.tuples(st.just("around"), st.integers(0, 8), st.just("")),
)
SURROUNDINGS = [
    (AROUND, AFTER),
    (AROUND.replace("10.0.0.2", "10.0.0.9"), AFTER),
    (AROUND.replace("2s", "3s"), AFTER),
    (AROUND + "  more: {endpoints: [10.0.0.3:80]}\n", AFTER),
    (AROUND, AFTER.replace("[r1]", "[r4]")),
    (AROUND.replace("orders", "order"), AFTER),
    (AROUND + "paths: {slashes: keep}\n", AFTER),
    ("order: envoy\n" + AROUND, AFTER),
    (AROUND, ""),
]


def edited(routes: list[str], around: tuple[str, str], edit: Any) -> tuple[list[str], tuple[str, str], str]:
    kind, place, word = edit
    routes = [*routes]
    at = min(place, len(routes))
    if kind == "insert":
        routes.insert(at, word)
    elif kind == "delete":
        del routes[at : at + 1]
    elif kind == "swap":
        routes[at : at + 2] = routes[at : at + 2][::-1]
    elif kind == "change" and at < len(routes):
        routes[at] = routes[at].replace("orders", word)
    elif kind == "around":
        around = SURROUNDINGS[place]
    whole = text(routes, *around)
    if kind == "type":
        whole = whole[:place] + word + whole[place:]
    return routes, around, whole


@settings(max_examples=25)
@given(st.lists(EDITS, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]))
@example([("swap", 3, ""), ("type", 250, '"'), ("delete", 4, "")], "\n")
@example([("insert", 3, PIECES[-2]), ("around", 1, ""), ("insert", 2, PIECES[8])], "\r\n")
def test_whatever_is_edited_it_says_what_it_says_when_all_of_it_is_read(edits: list[Any], newline: str) -> None:
    reader = Reader()
    routes, around = [*ROUTES], (AROUND, AFTER)
    reader.read(text(routes).replace("\n", newline))
    for edit in edits:
        routes, around, whole = edited(routes, around, edit)
        reader.read(whole.replace("\n", newline))
