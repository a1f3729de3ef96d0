"""Ordinary attrs classes are read by their types, and every mistake in them is told where it stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import attrs
import jsonschema
import pytest

from meshkit import ConfigError, Retry, Timeout
from meshkit import options as of
from meshkit.config import FileErrors, Kinds, parse, schema, standard, structure, unstructure
from meshkit.config.kinds.kind import Definitions, Kind, Schema
from meshkit.config.kinds.numbers import Seconds
from meshkit.config.kinds.several import Several, Via
from meshkit.config.located import Located
from meshkit.config.mistakes import Mistakes


@attrs.frozen
class Value:
    exact: str | None = None
    prefix: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen(kw_only=True)
class Match:
    path: str | None = None
    method: tuple[str, ...] = ()
    headers: dict[str, str | Value] = attrs.field(factory=dict)
    scheme: Literal["http", "https"] = "https"
    port: int | None = attrs.field(default=None, validator=of.optional(of.count(1, 65535)))


@attrs.frozen
class Redirect:
    host: str
    status: Literal[301, 302] = attrs.field(default=302, kw_only=True)


@attrs.frozen
class Branch:
    to: str
    weight: float = 1.0


@attrs.frozen
class Split:
    branches: tuple[Branch, ...]


@attrs.frozen
class Tree:
    name: str
    inner: tuple[Tree, ...] = ()


@attrs.frozen(kw_only=True)
class Route:
    match: tuple[Match, ...] = (Match(),)
    to: str | Redirect | Split | None = None
    policies: tuple[Any, ...] = ()
    within: Annotated[float, Seconds(zero=False)] = 1.0
    size: int = attrs.field(default=0, metadata={"kind": of.Kind("size", 0, 2**20)})
    share: tuple[float, float] = (0.0, 1.0)
    when: Callable[[Any], bool] | None = None
    secret: str = attrs.field(default="", repr=False)
    tags: Mapping[str, Any] = attrs.field(factory=dict)
    flags: list[bool] = attrs.field(factory=list)


def kinds() -> Kinds:
    made = standard()
    made.option(Route, "policies", Several(made.one_of("policy")))
    return made


KINDS = kinds()


def said(text: str, wanted: Any = Route, using: Kinds = KINDS) -> list[str]:
    with pytest.raises(FileErrors) as caught:
        structure(parse(text, "a.yaml"), wanted, using)
    return [str(each).removeprefix("a.yaml:") for each in caught.value.mistakes]


ROWS: list[tuple[str, Any]] = [
    ("{}", Route()),
    ("match: {path: /x, method: GET}", Route(match=(Match(path="/x", method=("GET",)),))),
    ("match: [{path: /x}, {port: 80}]", Route(match=(Match(path="/x"), Match(port=80)))),
    ("match: {headers: {a: b, c: {prefix: d}, e: {exact: f}}}",
     Route(match=(Match(headers={"a": "b", "c": Value(prefix="d"), "e": Value("f")}),))),
    ("match: {scheme: http, port: none}", Route(match=(Match(scheme="http"),))),
    ("to: orders", Route(to="orders")),
    ("to: {redirect: new.example}", Route(to=Redirect("new.example"))),
    ("to: {redirect: {host: new.example, status: 301}}", Route(to=Redirect("new.example", status=301))),
    ("to: {split: [{to: a, weight: 9}, b]}", Route(to=Split((Branch("a", 9), Branch("b"))))),
    ("to: {split: {branches: [a, b]}}", Route(to=Split((Branch("a"), Branch("b"))))),
    ("policies: [timeout: 2s, retry: 5xx]", Route(policies=(Timeout(2.0), Retry("5xx")))),
    ("policies: {timeout: 2s}", Route(policies=(Timeout(2.0),))),
    ("{within: 250ms, size: 64KiB, share: [0.5, 1], secret: xyz}",
     Route(within=0.25, size=65536, share=(0.5, 1), secret="xyz")),
    ("{tags: {a: [1, {b: null}]}, flags: [true, false]}", Route(tags={"a": [1, {"b": None}]}, flags=[True, False])),
]  # fmt: skip


@pytest.mark.parametrize(("text", "route"), ROWS, ids=[text for text, _ in ROWS])
def test_a_class_is_read_by_its_types(text: str, route: Route) -> None:
    assert structure(parse(text, "a.yaml"), Route, KINDS) == route
    written = unstructure(route, Route, KINDS)
    assert structure(parse(json.dumps(written), "a.json"), Route, KINDS) == route
    jsonschema.Draft202012Validator(schema(Route, KINDS)).validate(written)


def test_a_class_may_be_within_itself() -> None:
    tree = structure(parse("{name: a, inner: [b, {name: c, inner: d}]}", "a.yaml"), Tree, KINDS)
    assert tree == Tree("a", (Tree("b"), Tree("c", (Tree("d"),))))
    assert unstructure(tree, Tree, KINDS) == {"name": "a", "inner": ["b", {"name": "c", "inner": ["d"]}]}
    jsonschema.Draft202012Validator(schema(Tree, KINDS)).validate(unstructure(tree, Tree, KINDS))


ROUTE = "match, to, policies, within, size, share, when, secret, tags, flags"
MATCH = "path, method, headers, scheme, port"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("match: {pth: /x}", "1:9: match.pth: match has no option pth; did you mean path?"),
        ("match: {port: 0}", "1:15: match.port: expected a whole number from 1 to 65535, not the number 0"),
        (
            "match: 5",
            (f"1:8: match: expected the options of match, not the number 5; write some of {MATCH}, each with a value"),
        ),
        ("match: {path: 5}", '1:15: match.path: expected a text, not the number 5; put it in quotes, "5"'),
        ("match: {path: [a]}", "1:15: match.path: expected a text, not a list"),
        (
            "match: {scheme: htps}",
            "1:17: match.scheme: expected one of http, https, not the text 'htps'; did you mean https?",
        ),
        (
            "match: {headers: {a: 5}}",
            '1:22: match.headers.a: expected a text, not the number 5; put it in quotes, "5"',
        ),
        (
            "match: {headers: {a: {prefx: b}}}",
            ("1:23: match.headers.a.prefx: value has no option prefx; did you mean prefix?"),
        ),
        (
            "match: {headers: [a]}",
            ("1:18: match.headers: expected a mapping of names, each to a text, or the options of value, not a list"),
        ),
        (
            "to: {redirct: x}",
            ("1:6: to.redirct: 'redirct' is no redirect or split; did you mean redirect?"),
        ),
        ("to: {redirect: {status: 301}}", "1:16: to.redirect: redirect needs host; add host: a text"),
        ("to: {redirect: }", "1:16: to.redirect: redirect needs a value; write redirect: and then a text"),
        (
            "to: {redirect: {host: x, status: 303}}",
            "1:34: to.redirect.status: expected one of 301, 302, not the number 303",
        ),
        ("to: {split: [{weight: 1}, c]}", "1:14: to.split[0]: branch needs to; add to: a text"),
        ("within: 0s", "1:9: within: expected a duration above 0, not the text '0s'; such as 2s, or 500ms"),
        (
            "within: 5",
            "1:9: within: expected a duration above 0, not the number 5; give it a unit, such as 5s or 5ms",
        ),
        ("within: 5 sec", "1:9: within: expected a duration above 0, not the text '5 sec'; write 5s"),
        (
            "size: 2MiB",
            (
                "1:7: size: expected a size such as 64KiB, 10MB, or a number of bytes, not the text "
                "'2MiB'; give from 0 to 1MiB"
            ),
        ),
        ("share: [1]", "1:8: share: expected a list of a number, then a number, not a list"),
        ("secret: 12345", "1:9: secret: expected a text, not a number"),
        ("flags: [true, yes]", "1:15: flags[1]: expected true or false, not the text 'yes'; write true"),
        (
            "when: app:check",
            "1:7: when: app:check would be imported; allow it where the file is read, with imports=True",
        ),
        ('to: "a\\nb"', "1:5: to: there is a line break in it; write one line"),
        ('to: "a\\u0000b"', "1:5: to: there is the character U+0000 in it; leave it out"),
        ("[]", f"1:1: expected the options of route, not a list; write some of {ROUTE}, each with a value"),
    ],
)
def test_a_mistake_is_told_where_it_stands(text: str, mistake: str) -> None:
    assert said(text) == [mistake]


def test_all_mistakes_are_told_at_once() -> None:
    text = "match: {pth: /x, port: 0}\npolicies: [tmeout: 2s, timeout: 2]\nto: 5\n"
    assert [each.split(": ")[1] for each in said(text)] == [
        "match.pth", "match.port", "policies[0].tmeout", "policies[1].timeout", "to",
    ]  # fmt: skip


def test_what_was_wrong_already_is_not_told_again() -> None:
    assert len(said("match: !x {path: !y 5, <<: 3}")) == 3
    assert said("policies: [retry: {<<: *all}]")[0].startswith("1:20: << merges nothing")
    assert len(said("policies: [retry: {<<: {on: 5xx}}]")) == 1


# What classes themselves refuse.


def _even(spec: Any, attribute: Any, value: int) -> None:
    if value % 2:
        raise ConfigError.of("Pair", attribute.name, value, "give an even number, such as left=4, or None")


def _at_most(spec: Any, attribute: Any, value: int) -> None:
    if value > spec.left:
        raise ConfigError.of("Pair", attribute.name, value, f"give at most left={spec.left}")


@attrs.frozen
class Pair:
    left: int = attrs.field(validator=_even)
    right: int = attrs.field(default=0, validator=_at_most, kw_only=True)
    other: int = attrs.field(default=3, validator=_at_most, kw_only=True)
    word: str = attrs.field(default="", kw_only=True, validator=attrs.validators.max_len(3))
    secret: str = attrs.field(default="", kw_only=True, repr=False)
    fails: str = attrs.field(default="", kw_only=True, converter=lambda value: value[:1] or 1 / len(value or " "))

    def __attrs_post_init__(self) -> None:
        if self.left == 100:
            raise ConfigError("Pair: left=100 is not enough")
        if self.secret == "hunter2":
            raise ConfigError.of("Pair", "secret", "***", "take a longer one")


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("left: 3", ["1:7: left: the number 3 cannot stand here; give an even number, such as left: 4, or none"]),
        ("3", ["1:1: the number 3 cannot stand here; give an even number, such as left: 4, or none"]),
        ("{left: 5, right: 9}",
         ["1:8: left: the number 5 cannot stand here; give an even number, such as left: 4, or none",
          "1:18: right: the number 9 cannot stand here; give at most left: 5"]),
        ("{left: x, right: 9}", ["1:8: left: expected a whole number, not the text 'x'"]),
        ("{left: 2}", ["1:1: other: other is not given, and cannot be left out; give at most left: 2"]),
        ("2", ["1:1: other is not given, and cannot be left out; give at most left: 2"]),
        ("{left: 100}", ["1:1: left: 100 is not enough"]),
        ("{left: 4, word: long}", ["1:17: word: ValueError: Length of 'word' must be <= 3: 4"]),
        ("{left: 4, secret: hunter2}", ["1:19: secret: that cannot stand here; take a longer one"]),
        ("{left: 4, right: 9, wrd: a}",
         ["1:18: right: the number 9 cannot stand here; give at most left: 4",
          "1:21: wrd: pair has no option wrd; did you mean word?"]),
    ],
)  # fmt: skip
def test_what_a_class_refuses_is_told_at_the_option(text: str, mistakes: list[str]) -> None:
    assert said(text, Pair) == mistakes


def test_a_converter_that_fails_is_no_traceback() -> None:
    @attrs.frozen
    class Failing:
        size: int = attrs.field(converter=lambda value: 1 // (value - 4))

    assert said("size: 4", Failing) == ["1:7: size: ZeroDivisionError: integer division or modulo by zero"]


# Kinds of one's own.


class Upper(Kind):
    expects = "a text in capitals"
    shapes = classes = (str,)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        return value if isinstance(value, str) and value.isupper() else self.wrong(node, mistakes, "shout")

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "pattern": "^[A-Z]+$"}


def test_a_kind_of_ones_own_for_a_type_and_for_an_option() -> None:
    own = standard()
    own.register(Redirect, Via(Upper(), made=Redirect, told=lambda spec: spec.host))
    own.option(Match, "path", Upper())
    assert structure(parse("ABC", "a.yaml"), Redirect, own) == Redirect("ABC")
    assert unstructure(Redirect("ABC"), Redirect, own) == "ABC"
    assert said("path: abc", Match, own) == ["1:7: path: expected a text in capitals, not the text 'abc'; shout"]


def test_what_no_kind_is_known_for_is_said_to_the_programmer() -> None:
    with pytest.raises(TypeError, match=r"complex.*register a kind"):
        KINDS.of(complex)


def test_specs_by_name() -> None:
    named = KINDS.named(Timeout)
    text = "a: {seconds: 1s}\nb: 2s\n"
    found = structure(parse(text, "a.yaml"), named, KINDS)
    assert found == {"a": Timeout(1.0, name="a"), "b": Timeout(2.0, name="b")}
    assert unstructure(found, named, KINDS) == {"a": "1s", "b": "2s"}
    jsonschema.Draft202012Validator(schema(named, KINDS)).validate({"a": {"seconds": "1s"}, "b": "2s"})
    assert said("a: {name: x, seconds: 1s}\nb:\n", named)[0].startswith("1:5: a.name: timeout has no option name")
    assert said("a: {name: x, seconds: 1s}\nb:\n", named)[1].startswith("2:3: b: timeout needs seconds")


def test_what_cannot_be_written_says_so() -> None:
    for value, wanted in (
        (Retry(lambda failure: True), Retry),
        (Timeout(1e300), Timeout),
        (Route(to=3), Route),  # type: ignore[arg-type]
        (object(), KINDS.one_of("policy")),
        (Route(tags={"a": object()}), Route),
    ):
        with pytest.raises(ConfigError, match="cannot be written in a file"):
            unstructure(value, wanted, KINDS)


# Python objects by reference.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "when: nowhere.at_all:x",
            "nowhere.at_all:x cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
        ),
        (
            "when: json:nothing",
            "json:nothing cannot be imported: AttributeError: module 'json' has no attribute 'nothing'",
        ),
        ("when: json.dumps", "'json.dumps' names nothing to import; write json:dumps"),
        ("when: dumps", "'dumps' names nothing to import; write module:function, or one of loop_lag"),
        ("when: {import: 5}", "expected a function, module:function, not a mapping"),
    ],
)
def test_what_cannot_be_imported_is_told(text: str, says: str) -> None:
    (mistake,) = said(text, using=standard(imports=True))
    assert says in mistake


def test_a_function_is_imported_where_that_is_allowed() -> None:
    allowed = standard(imports=True)
    for text in ("when: json:dumps", "when: {import: json:dumps}"):
        route = structure(parse(text, "a.yaml"), Route, allowed)
        assert route == Route(when=json.dumps)  # type: ignore[arg-type]
        assert unstructure(route, Route, allowed) == {"when": "json:dumps"}


def test_a_module_that_ends_the_program_does_not(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaves_at_once.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    (mistake,) = said("when: leaves_at_once:x", using=standard(imports=True))
    assert "cannot be imported: SystemExit: 3" in mistake
