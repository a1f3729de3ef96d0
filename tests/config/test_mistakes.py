"""How mistakes are told: all of them, by their place, escaped, cut short, and without secrets."""

from __future__ import annotations

import pickle

import pytest

from meshkit import ConfigError
from meshkit.config import Document, FileErrors, Mistake, parse
from meshkit.config.mistakes import MOST, Mistakes, shown


def of(text: str) -> tuple[Document, Mistakes]:
    document = parse(text, "mesh.yaml")
    return document, document.mistakes


def test_a_mistake_says_where_what_and_what_to_do() -> None:
    document, mistakes = of("routes:\n- retry:\n    attempts: three\n")
    retry = document.root.value["routes"].value[0].value["retry"]
    mistakes.wrong(retry.value["attempts"], "a whole number", "write 3")
    mistakes.note(retry, "there is no option atempts", key="attempts")
    mistakes.note(retry, "retry needs on", "add it", below="on")
    error = mistakes.error()
    assert isinstance(error, ConfigError)
    assert error.mistakes[2] == Mistake(
        file="mesh.yaml",
        line=3,
        column=15,
        path="routes[0].retry.attempts",
        text="expected a whole number, not the text 'three'",
        suggestion="write 3",
        excerpt=("        attempts: three", "                  ^"),
    )
    assert str(error).splitlines() == [
        "mesh.yaml:3:5: routes[0].retry.attempts: there is no option atempts",
        "        attempts: three",
        "        ^",
        "mesh.yaml:3:5: routes[0].retry.on: retry needs on; add it",
        "        attempts: three",
        "        ^",
        "mesh.yaml:3:15: routes[0].retry.attempts: expected a whole number, not the text 'three'; write 3",
        "        attempts: three",
        "                  ^",
    ]


def test_none_is_no_error() -> None:
    _, mistakes = of("a: 1")
    mistakes.check()
    assert len(mistakes) == 0


def test_they_are_in_the_order_of_the_file_and_told_once() -> None:
    document, mistakes = of("a: 1\nb: 2\n")
    for name in ("b", "a", "b"):
        mistakes.note(document.root.value[name], "no")
    assert [(each.line, each.path) for each in mistakes.error().mistakes] == [(1, "a"), (2, "b")]


def test_what_an_alias_stands_for_is_told_where_it_stands() -> None:
    document, mistakes = of("a: &x {y: 1}\nb: *x\nc: *x\n")
    for name in "cba":
        mistakes.note(document.root.value[name].value["y"], "no")
    assert [str(each) for each in mistakes.error().mistakes] == ["mesh.yaml:1:11: a.y: no"]


def test_their_number_is_bounded() -> None:
    document, mistakes = of("\n".join(f"- {number}" for number in range(3000)))
    for node in document.root.value:
        mistakes.note(node, "no")
    assert mistakes.full
    assert len(mistakes) == 3000
    error = mistakes.error()
    assert len(error.mistakes) == MOST
    assert error.more == 3000 - MOST
    assert [each.line for each in error.mistakes] == [*range(1, MOST + 1)]
    assert str(error).splitlines()[-1] == f"mesh.yaml: and {3000 - MOST} more"


def test_their_width_is_bounded() -> None:
    key = "k" * 1000
    document, mistakes = of(f"{key}: {'v' * 500_000}")
    node = document.root.value[key]
    mistakes.wrong(node, "a " + "very " * 1000 + "long thing", "do " + "this " * 1000)
    assert max(map(len, str(mistakes.error()).splitlines())) < 1000


def test_nothing_of_the_file_steers_the_terminal() -> None:
    text = '{"\\u202e": "a\\u001b]0;x\\u0007", "b": "\\u200f\\u0000"}'
    document = parse(text, "x\x1b[31m.json", "json")
    for name, node in document.root.value.items():
        document.mistakes.note(document.root, f"what is {name}?", f"not {name}", key=name)
        document.mistakes.wrong(node, "nothing")
    told = str(document.mistakes.error())
    assert all(each.isprintable() for each in told.replace("\n", ""))
    assert r"x\x1b[31m.json:1:2: " in told


def test_a_long_line_is_shown_around_the_place() -> None:
    document, mistakes = of("[" + ", ".join(f"item{number}" for number in range(1000)) + "]")
    mistakes.note(document.root.value[500], "no")
    line, sign = mistakes.error().mistakes[0].excerpt
    assert len(line) <= 110
    assert line[sign.index("^") :].startswith("item500")


@pytest.mark.parametrize("line", ["password: hunter2", "Authorization: Bearer x", "api-key: xyz", "my_secret: xyz"])
def test_a_line_with_a_secret_is_not_shown(line: str) -> None:
    document, mistakes = of(line)
    mistakes.note(document.root, "no")
    assert line.partition(": ")[2] not in str(mistakes.error())


def test_secretly_nothing_is_shown() -> None:
    document, mistakes = of("x: hunter2\ny: 12345\n")
    with mistakes.secretly():
        for node in document.root.value.values():
            mistakes.wrong(node, "a list", "write hunter2")
    told = str(mistakes.error())
    assert "expected a list, not a text" in told
    assert "expected a list, not a number" in told
    assert "hunter2" not in told
    assert "12345" not in told


def test_names_that_are_no_words_are_quoted_in_a_path() -> None:
    document, mistakes = of('{"a b": {"x-y": {"é": [1]}}}')
    mistakes.note(document.root.value["a b"].value["x-y"].value["é"].value[0], "no")
    assert mistakes.error().mistakes[0].path == '["a b"].x-y["é"][0]'


def test_an_error_can_be_pickled() -> None:
    document, mistakes = of("a: 1")
    mistakes.note(document.root, "no")
    error = pickle.loads(pickle.dumps(mistakes.error()))
    assert isinstance(error, FileErrors)
    assert error.mistakes[0].line == 1


def test_shown_is_cut_and_escaped() -> None:
    assert shown("a\x1b\u00a0é") == "a\\x1b\\xa0é"
    assert shown("x" * 100, 10) == "xxxxxxx..."
