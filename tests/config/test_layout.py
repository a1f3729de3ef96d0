"""A mesh file that is laid out anew says the same, with every comment; and doing it twice changes nothing more."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.config.document import parse
from meshkit.config.file import loads
from meshkit.config.layout.flow import flow
from meshkit.config.layout.formatted import formatted
from meshkit.config.located import plain
from meshkit.config.mistakes import FileErrors

from .large import large
from .test_form import WHOLE

ODD = """\
# yaml-language-server: $schema=mesh.schema.json
# The shop's mesh

# about routes
routes:
    # the canary
    - to: orders   # tail to
      match:   { host: 'shop' , "prefix": '/it''s' }
      policies: [timeout: 2s,
          # in flow
          retry: { on: 5xx }   ]   # after
      # end of the item
    # - commented: out

    # still about the list
    -   match: {host: a-very-long-host-name.example.com, headers: {x-one: "1", x-two: "2"}, method: [GET, POST]}
        to:
          respond:
              body: |   # literal
                   one
                     two

                   three
              status: 404
# last about routes

mesh:   shop


egress: listed
clusters:
  orders:
    endpoints:
      - 10.0.0.1:80   # a
      # - 10.0.0.2:80


      - &x "10.0.0.3:80"
    # trailing in orders
  # trailing in clusters
# eof
"""
EVEN = """\
# yaml-language-server: $schema=mesh.schema.json
# The shop's mesh

mesh: shop

egress: listed

clusters:
  orders:
    endpoints:
    - 10.0.0.1:80  # a
    # - 10.0.0.2:80

    - &x "10.0.0.3:80"
    # trailing in orders
  # trailing in clusters

# about routes
routes:
# the canary
- match: {host: "shop", "prefix": "/it's"}
  policies:  # after
  - timeout: 2s
  # in flow
  - retry: {on: 5xx}
  to: orders  # tail to
  # end of the item
# - commented: out

# still about the list
- match:
    host: a-very-long-host-name.example.com
    headers: {x-one: "1", x-two: "2"}
    method: [GET, POST]
  to:
    respond:
      body: |  # literal
        one
          two

        three
      status: 404
# last about routes
# eof
"""


def same(text):
    """Laid out anew; that it says the same, that all comments are there, and that it is done."""
    made = formatted(text)
    assert plain(parse(made, "a.yaml").root) == plain(parse(text, "a.yaml").root)
    assert sorted(re.findall(r"# [ct][0-9]+", made)) == sorted(re.findall(r"# [ct][0-9]+", text))
    assert formatted(made) == made
    assert not re.search(r"[ \t]$|\n\n\n|\A\n|\n\n\Z", made, re.MULTILINE) or "|" in text or ">" in text
    return made


def test_an_odd_one():
    assert same(ODD) == EVEN


def test_a_mesh_means_the_same():
    for text in (WHOLE.replace("policies: }", "policies: []}"), large(40)):
        assert loads(same(text), imports=True) == loads(text, imports=True)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("mesh:    a", "mesh: a\n"),
        ("---\nmesh: a\n...\n", "mesh: a\n"),
        ("%YAML 1.2\n--- # c\nmesh: a\n", "# c\nmesh: a\n"),
        ("mesh: a\r\negress: any\r\n", "mesh: a\negress: any\n"),
        ("\n\n\nmesh: a\n\n\n\negress: any\n\n", "mesh: a\n\negress: any\n"),
        ("egress: any\nmesh: a\n", "mesh: a\negress: any\n"),
        ("nodes: {}\nclusters: {}\nmesh: a\n", "mesh: a\nclusters: {}\nnodes: {}\n"),
        ("routes:\n- to: a\n  name: b\n", "routes:\n- name: b\n  to: a\n"),
        (
            "namespaces:\n  b:\n    routes:\n    - to: a\n      match: {}\n    clusters: {}\n",
            "namespaces:\n  b:\n    clusters: {}\n    routes:\n    - match: {}\n      to: a\n",
        ),
        ("clusters:\n  b: 1\n  a: 2\n", "clusters:\n  b: 1\n  a: 2\n"),
        ("routes:\n- to: {split: {b: 1, a: 2}}\n", "routes:\n- to: {split: {b: 1, a: 2}}\n"),
        ("mesh: 'a'", 'mesh: "a"\n'),
        ("mesh: 'say \"a\"'", "mesh: 'say \"a\"'\n"),
        ('mesh: "a\\n\\x41\\u2028"', 'mesh: "a\\nA\\L"\n'),
        ("mesh: 'a\\b'", "mesh: 'a\\b'\n"),
        ("mesh: it is\n  long", "mesh: it is long\n"),
        ("mesh: it is\n\n  long", 'mesh: "it is\\nlong"\n'),
        ('mesh: "a\n  b"', 'mesh: "a b"\n'),
        ("mesh: |+\n  a\n\n", 'mesh: "a\\n\\n"\n'),
        ("mesh: >-\n      a\n      b\n", "mesh: >-\n  a\n  b\n"),
        ("mesh: |2\n    a\n  b\n", "mesh: |2\n    a\n  b\n"),
        ("mesh: |\n\negress: any", "mesh: |\n\negress: any\n"),
        ("mesh: |1-  # c\n  a\n", "mesh: |2-  # c\n   a\n"),
        ("mesh: ~", "mesh: ~\n"),
        ("mesh:", "mesh:\n"),
        ("mesh: &a b\negress: *a", "mesh: &a b\negress: *a\n"),
        ("egress: &a b\nmesh: *a", "egress: &a b\nmesh: *a\n"),
        ("routes: &r\n  - &a {to: b}\n  - *a", "routes: &r\n- &a {to: b}\n- *a\n"),
        ("routes: [ {to: a},\n  {to: b} ]", "routes: [{to: a}, {to: b}]\n"),
        ("routes: [ # c\n  {to: a} ]", "routes: [{to: a}]  # c\n"),
        ("routes: [\n  # c\n]", "# c\nroutes: []\n"),
        ("routes: [[a, b], [c]]", "routes: [[a, b], [c]]\n"),
        ("routes:\n- - a\n  -   b\n- - c", "routes:\n- - a\n  - b\n- - c\n"),
        ("routes:\n-\n  to: a\n- # c\n  to: b", "routes:\n- to: a\n-  # c\n  to: b\n"),
        ("routes:\n- # c\n\n  # d\n  to: b", "routes:\n-  # c\n  # d\n  to: b\n"),
        ("{mesh: a, egress: any}", "{mesh: a, egress: any}\n"),
        ("{mesh: a, # c\n egress: any}", "mesh: a  # c\negress: any\n"),
        ("mesh: {a: , b}", "mesh: {a, b}\n"),
        ("? mesh\n: a", "mesh: a\n"),
        ("- a\n- b", "- a\n- b\n"),
        ("a", "a\n"),
        ("|\n  a\n  b", "|-\n  a\n  b\n"),
        ("mesh: |\n  a", "mesh: |-\n  a\n"),
        ("mesh: >2\n    a\n  b\n", "mesh: >2\n    a\n  b\n"),
        ("# only\nmesh: a # c # d", "# only\nmesh: a  # c # d\n"),
        ("mesh: a#b", "mesh: a#b\n"),
        ("mesh: 'a # b' # c", 'mesh: "a # b"  # c\n'),
        ("mesh: '[a]'", 'mesh: "[a]"\n'),
        (f"mesh: [{', '.join(['aaaaaaaa'] * 12)}]", "mesh:\n" + "- aaaaaaaa\n" * 12),
    ],
)
def test_pieces(text, made):
    assert same(text) == made


@pytest.mark.parametrize("text", ["mesh: {a", "a: 1\na: 2", "mesh: !!str a", "", "# nothing", "a: &a [*a]", "a\0b"])
def test_what_is_no_data_is_not_laid_out(text):
    with pytest.raises(FileErrors):
        formatted(text)


@pytest.mark.parametrize("name", ["mesh.json", "mesh.toml"])
def test_only_yaml_is(name):
    with pytest.raises(ConfigError, match="only YAML is laid out"):
        formatted('{"mesh": "a"}' if name.endswith("json") else 'mesh = "a"', name)


def test_what_is_wrong_as_a_mesh_is_laid_out_all_the_same():
    assert formatted("routez:   {a:   1}") == "routez: {a: 1}\n"


# Texts that nobody would write.


class Writer:
    """Writes random data in random ways, with comments wherever one may stand."""

    def __init__(self, seed):
        self.draw = Random(seed)
        self.lines = []
        self.anchors = []
        self.count = 0

    def whole(self):
        names = self.draw.sample(["routes", "mesh", "clusters", "nodes", "x", "policies"], self.draw.randrange(1, 6))
        for name in names:
            self.noise(0)
            self.value(0, 4, f"{name}:", beside=True)
        self.noise(0)
        return "\n".join(self.lines) + "\n"

    def comment(self, letter="c"):
        self.count += 1
        return f"# {letter}{self.count}"

    def noise(self, indent):
        while self.draw.random() < 0.25:
            blanks = " " * self.draw.randrange(indent + 5)
            self.lines.append("" if self.draw.random() < 0.4 else blanks + self.comment())

    def tail(self):
        return "  " + self.comment("t") if self.draw.random() < 0.15 else ""

    def scalar(self):
        plain = ["a", "b c", "10.0.0.1:80", "1", "http://a/b", "~", "", "x#y"]
        return self.draw.choice([*plain, "'it''s'", '"q"', '"\\n x"', "'a: b'", "'# x'"])

    def flow(self, depth):
        kind = self.draw.random()
        if depth == 0 or kind < 0.5:
            return self.scalar() or "''"
        inner = [self.flow(depth - 1) for _ in range(self.draw.randrange(4))]
        if kind < 0.75:
            return f"[{', '.join(inner)}]"
        return "{ " + ", ".join(f"k{number}: {each}" for number, each in enumerate(inner)) + " }"

    def value(self, indent, depth, head, *, beside):
        kind = self.draw.random()
        if depth == 0 or kind < 0.35:
            text = self.scalar()
            if self.anchors and self.draw.random() < 0.1:
                text = f"*{self.draw.choice(self.anchors)}"
            elif text and self.draw.random() < 0.1:
                self.anchors.append(f"a{len(self.anchors)}")
                text = f"&{self.anchors[-1]} {text}"
            self.lines.append(f"{head} {text}{self.tail()}")
        elif kind < 0.45:
            deeper = " " * (indent + self.draw.randrange(1, 4))
            style = self.draw.choice(["|", "|-", "|+", ">", ">-", ">+"])
            self.lines.append(f"{head} {style}{self.tail()}")
            self.lines += [f"{deeper}line # no", *self.draw.sample(["", f"{deeper}more", f"{deeper}  deep"], 2)]
        elif kind < 0.6:
            self.lines.append(f"{head} {self.flow(3)}{self.tail()}")
        else:
            self.lines.append(head + self.tail())
            mapping = kind < 0.8
            deeper = (
                indent if beside and not mapping and self.draw.random() < 0.5 else indent + self.draw.randrange(1, 4)
            )
            for number in range(self.draw.randrange(1, 4)):
                self.noise(deeper)
                inner = f"k{number}:" if mapping else "-"
                self.value(deeper, depth - 1, " " * deeper + inner, beside=mapping)
            self.noise(deeper)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_is_written(seed):
    text = Writer(seed).whole()
    try:
        parse(text, "a.yaml").mistakes.check()
    except FileErrors:
        return  # two anchors of one name, or none before an alias
    same(text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"timeout": "2s"}, "timeout: 2s"),
        ({"retry": {"on": ["5xx", 503], "budget": None}}, "retry: {on: [5xx, 503], budget: null}"),
        ({"a": "", "b": "true", "c": "1", "d": "x: y"}, '{a: "", b: "true", c: "1", d: "x: y"}'),
        ({"rate_limit": {"rate": "1/s", "key": "header:x-user"}}, "rate_limit: {rate: 1/s, key: header:x-user}"),
        ("circuit_breaker", "circuit_breaker"),
        ({"a": "b:"}, 'a: "b:"'),
        ({"a": "ö\n"}, 'a: "\\u00f6\\n"'),
    ],
)
def test_data_on_one_line(data, text):
    assert flow(data) == text
    assert plain(parse(text, "a.yaml").root) == data
