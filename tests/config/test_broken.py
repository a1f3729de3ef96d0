"""Mistakes as a user sees them: each file in ``broken``, and the exact message that it gives.

``python -m tests.config.broken`` writes the messages anew. Read them then: is it clear what is wrong, where, and what
to write instead; is it short; does each mistake make one message?
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from meshkit import Ceilings, ConfigError, Endpoint
from meshkit.condition import WORDS
from meshkit.config import FileErrors, Mesh, MeshSpec, load, loads
from meshkit.config.alone import ALONE
from meshkit.config.document import LARGEST
from meshkit.config.file import TOP, MeshFile
from meshkit.config.foreign import FOREIGN
from meshkit.config.kinds.failures import ERRORS
from meshkit.config.meant import snake
from meshkit.config.mistakes import lines_of
from meshkit.config.spec import EGRESS
from meshkit.route.branch import Branch
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import ORDERS
from meshkit.route.value import Value

from .broken.__main__ import FILES, golden, told, without

SHORT = 260
"""Characters of a message, without the name of its file and its path."""
LONG = {"balancers.yaml", "rates.yaml"}
"""Those with a message that tells all words there are."""


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_a_broken_file_says_what_is_wrong_with_it(file: Path) -> None:
    error = told(file)
    assert error is not None
    assert f"{error}\n" == golden(file).read_text("utf-8")


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_each_mistake_has_a_place_in_the_file_and_is_short(file: Path) -> None:
    error = told(file)
    assert error is not None
    lines = lines_of(file.read_bytes().decode("utf-8", "replace"))
    places = [(each.line, each.column) for each in error.mistakes]
    assert len({*places}) == len(places)  # none is told twice, in other words
    for each in error.mistakes:
        if each.line:
            assert each.line <= len(lines)
            assert 1 <= each.column <= len(lines[each.line - 1]) + 1
        else:
            assert file.suffix == ".conf" or file.stem == "utf-16"
        assert len(each.text) + len(each.suggestion) <= SHORT or file.name in LONG
        assert "Traceback" not in each.text
        assert each.text[0] != " "
        assert each.text[-1] not in ".;: "


def test_there_are_enough_of_them_and_none_without_its_file() -> None:
    assert len(FILES) > 100
    assert {golden(file) for file in FILES} == {*FILES[0].parent.glob("*.txt")}


def test_no_message_shows_a_secret() -> None:
    for file in FILES:
        assert "hunter2" not in golden(file).read_text("utf-8")


# What is no text in a file.


def test_where_there_is_no_file(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(FileErrors) as caught:
            load(path)
        return str(caught.value).removeprefix(f"{tmp_path}{os.sep}")

    assert said(tmp_path / "mesh.yaml") == "mesh.yaml: there is no such file"
    (tmp_path / "folder.yaml").mkdir()
    assert said(tmp_path / "folder.yaml") == "folder.yaml: a directory; give the path of a file"
    os.mkfifo(tmp_path / "pipe.yaml")
    assert said(tmp_path / "pipe.yaml") == "pipe.yaml: no regular file; give the path of a file"
    (tmp_path / "large.yaml").write_bytes(b"#" * (LARGEST + 1))
    assert said(tmp_path / "large.yaml") == "large.yaml: more than 10000000 bytes; write less"
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "gone.yaml")
    assert said(tmp_path / "dangling.yaml") == "dangling.yaml: there is no such file"


def test_where_pyyaml_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "meshkit.config.from_yaml", raising=False)
    with without("yaml"):
        with pytest.raises(ConfigError) as caught:
            loads("mesh: shop", "mesh.yaml")
        assert str(caught.value) == (
            "a mesh file in YAML needs pyyaml: install meshkit with its extra, meshkit[config]"
        )
        assert loads('mesh = "shop"', "mesh.toml") == MeshSpec(name="shop")


def test_a_mesh_of_a_broken_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("cluster: {}\n")
    with pytest.raises(FileErrors, match=r"mesh\.yaml:1:1: cluster: a mesh file has no section cluster; did you mean"):
        Mesh.from_file(path)


# Words of other tools.


def ours() -> dict[str, set[str]]:
    """What there is of each thing: options of a spec, words of a group, sections of a file."""
    file = MeshFile()
    kinds = file.kinds
    found: dict[str, set[str]] = {
        "mesh file": {*TOP},
        "egress": {*EGRESS},
        "order": {*ORDERS},
        "failure": {*WORDS, *ERRORS},
    }
    specs: dict[str, Any] = {
        snake(each.__name__): kinds.named(each, "").inner for each in (Branch, Ceilings, Match, Value, Endpoint)
    }
    specs |= {"cluster": file.sections["clusters"].inner, "route": kinds.named(Route, "").inner}
    specs |= {"listener": file.sections["listeners"].inner, "node": file.sections["nodes"].inner}
    for name, group in kinds.groups.items():
        found[name] = {*group.members}
        specs |= {word: member for word, member in group.members.items() if word not in specs}
    return found | {word: {*spec.options} for word, spec in specs.items() if hasattr(spec, "options")}


OURS = ours()


@pytest.mark.parametrize(("where", "words"), FOREIGN.items(), ids=FOREIGN)
def test_words_of_other_tools_are_none_of_ours_and_what_to_write_is(where: str, words: dict[str, str]) -> None:
    assert not OURS[where] & words.keys()
    for word, advice in words.items():
        assert word == "*" or (snake(word) == word and "-" not in word)
        assert len(advice) <= 100
        told = re.match(r"write (?:\[|\{)?([a-z_]+)(?=:|$)", advice)
        assert told is None or told[1] in OURS[where], advice


def test_what_stands_where_options_should_is_known_of_things_that_there_are() -> None:
    assert ALONE.keys() <= OURS.keys()


def test_thousands_of_mistakes_are_told_in_a_moment() -> None:
    """What was meant is only thought of for what is told, and among many names only for those one letter away."""
    many = range(3000)
    text = "".join(f"  service-{number}: [10.0.0.7:80]\n" for number in many)
    routes = "".join(f"- {{match: {{host: h{number}}}, to: servise-{number}}}\n" for number in many)
    began = process_time()
    with pytest.raises(FileErrors) as caught:
        loads(f"clusters:\n{text}routes:\n{routes}", "mesh.yaml")
    assert process_time() - began < 30  # it was minutes
    assert caught.value.mistakes[7].suggestion == "did you mean service-7?"
