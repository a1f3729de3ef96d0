"""Does the tree keep its own rules? Read from the sources with `ast`: nothing is imported to find out.

Each rule is a function from a source tree to the list of what breaks it, so that each is also shown a tree that does.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import meshkit

ROOT = Path(__file__).parents[1]

POLICY_ROOMS = {"limit", "breaker", "retry", "timeout", "balance", "route", "fallback", "fault", "shadow"}
CONTRACT = {"call", "policy", "errors", "engine", "options", "section", "fields", "sketch", "condition", "fact"}
PURE = POLICY_ROOMS | CONTRACT
DOORS = {"httpx", "asgi", "grpc", "gateway"}
MAY_IMPORT = {"call", "policy", "errors", "options", "sketch", "condition", "fact", "lazy"}
"""What a policy room may import of meshkit besides itself."""
DIVERTS = {"fault": {"section"}, "route": {"section"}}
"""A fault sends the call to a section of its own, and so does a preflight."""
WHEELS = {"meshkit.balance.hashing.hashes": {"xxhash"}, "meshkit.route.regex": {"re2"}}
"""Optional ones that only compute."""
IMPURE = {
    "aiohttp", "anyio", "asyncio", "concurrent", "contextvars", "httpcore", "httpx", "httpx2", "io", "logging",
    "multiprocessing", "os", "pathlib", "queue", "sched", "secrets", "select", "selectors", "signal", "socket",
    "ssl", "subprocess", "tempfile", "threading", "time", "trio", "uuid", "warnings",
}  # fmt: skip
"""Clocks, luck, threads, loops, files and wires: the business of the shells and the doors."""
CLOCKS = {"now", "utcnow", "today"}
"""Of ``datetime`` and ``date``, which are otherwise arithmetic."""
CLIENTS = {"httpx", "httpx2", "httpcore", "httpcore2"}
HEAVY = {"anyio", "asyncio", "httpx", "httpx2", "trio"}
"""Loaded by those who await or come through a door. asyncio takes as long as attrs: 25 to 40 ms on CPython 3.11."""
FORBIDDEN_WORDS = {"manager", "handler", "helper", "helpers", "util", "utils", "base", "impl", "common", "core"}
LINES = 300


class Import(NamedTuple):
    line: int
    target: str
    """The full name of what is imported: ``random.Random``, ``meshkit.limit.rate``."""
    names_member: bool
    """``from module import member``: the target's last part may be a module or something in it."""
    typing_only: bool
    lazy: bool


class Module(NamedTuple):
    path: Path
    name: str
    tree: ast.Module

    @property
    def package(self) -> list[str]:
        parts = self.name.split(".")
        return parts if self.path.name == "__init__.py" else parts[:-1]

    @property
    def room(self) -> str:
        """``limit`` of ``meshkit.limit.rate``; empty for meshkit itself."""
        return self.name.partition(".")[2].partition(".")[0]

    def imports(self) -> Iterator[Import]:
        yield from self._imports(self.tree, typing_only=False, lazy=False)

    def _imports(self, node: ast.AST, *, typing_only: bool, lazy: bool) -> Iterator[Import]:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(node.lineno, alias.name, False, typing_only, lazy)
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = self.package[: len(self.package) - level + 1] if level else []
                source = ".".join([*parents, *([module] if module else [])])
                for alias in names:
                    yield Import(node.lineno, f"{source}.{alias.name}", True, typing_only, lazy)
            case ast.If(test=test) if ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
                for guarded in node.body:
                    yield from self._imports(guarded, typing_only=True, lazy=lazy)
                for other in node.orelse:
                    yield from self._imports(other, typing_only=typing_only, lazy=lazy)
            case _:
                inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                for child in ast.iter_child_nodes(node):
                    yield from self._imports(child, typing_only=typing_only, lazy=lazy or inside)


def read(root: Path, package: str = "meshkit", word: str = "") -> list[Module]:
    """Those of a package in which the word stands."""
    modules = []
    for path in sorted((root / package).rglob("*.py")):
        if word not in (text := path.read_text("utf-8")):
            continue
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules.append(Module(path, name, ast.parse(text, str(path))))
    return modules


# The rules.


def impure(modules: list[Module]) -> list[str]:
    """Pure rooms compute: they read no clock, draw no luck of their own, wait for nothing and talk to nobody."""
    found = []
    for module in modules:
        if module.room not in PURE:
            continue
        for each in module.imports():
            top = each.target.partition(".")[0]
            luck = top == "random" and each.target != "random.Random"
            stranger = top not in sys.stdlib_module_names | {"attrs", "meshkit"} | WHEELS.get(module.name, set())
            if not each.typing_only and (luck or stranger or top in IMPURE):
                found.append(f"{module.name}:{each.line} imports {each.target}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
                found.append(f"{module.name}:{node.lineno} is async")
            if (
                isinstance(node, ast.Attribute)
                and node.attr in CLOCKS
                and ast.unparse(node.value).endswith(("date", "datetime"))
            ):
                found.append(f"{module.name}:{node.lineno} reads a clock")
    return found


def against_the_arrows(modules: list[Module]) -> list[str]:
    """Policies know the contract and themselves, not the engine, the shells, the doors or each other."""
    return [
        f"{module.name}:{each.line} imports {each.target}"
        for module in modules
        if module.room in POLICY_ROOMS
        for each in module.imports()
        if each.target.partition(".")[0] == "meshkit" and not each.typing_only
        if each.target.split(".")[1] not in MAY_IMPORT | {module.room} | DIVERTS.get(module.room, set())
    ]


def clients_outside_doors(modules: list[Module]) -> list[str]:
    """Only doors know an HTTP client, and ask for it when somebody comes through."""
    return [
        f"{module.name}:{each.line} imports {each.target}"
        for module in modules
        for each in module.imports()
        if each.target.partition(".")[0] in CLIENTS and not each.typing_only
        if module.room not in DOORS or not each.lazy
    ]


def cycles(modules: list[Module]) -> list[str]:
    """Modules that need each other when they run, whether they ask at once or late."""
    names = {module.name for module in modules}
    arrows: dict[str, set[str]] = {}
    for module in modules:
        targets = set()
        for each in module.imports():
            target = each.target
            if each.names_member and target not in names:
                target = target.rpartition(".")[0]
            if target in names and not each.typing_only:
                targets.add(target)
        arrows[module.name] = targets
    found: list[str] = []
    finished: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in finished:
            for target in sorted(arrows[name]):
                walk(target, [*path, name])
            finished.add(name)

    for name in sorted(arrows):
        walk(name, [])
    return found


def too_long(modules: list[Module]) -> list[str]:
    """Over the cap there are two ideas in one file."""
    lines = ((module, len(module.path.read_text("utf-8").splitlines())) for module in modules)
    return [f"{module.name} has {count} lines" for module, count in lines if count > LINES]


def silent(modules: list[Module]) -> list[str]:
    """Every file opens with the question it answers."""
    return [module.name for module in modules if not ast.get_docstring(module.tree)]


def named_after_nothing(modules: list[Module]) -> list[str]:
    """Names are words of the field."""
    found = []
    for module in modules:
        definitions = [
            node.name
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for name in [module.name.rpartition(".")[2], *definitions]:
            words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
            found += [f"{module.name}: {name}" for word in words if word.lower() in FORBIDDEN_WORDS]
    return found


def sleeps(modules: list[Module]) -> list[str]:
    """Time is an argument: a test that lets it pass is slow, and right only by luck. ``sleep(0)`` lets others run."""
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", None))
            if called != "sleep":
                continue
            lengths = [
                each.value for each in [*node.args, *(k.value for k in node.keywords)] if isinstance(each, ast.Constant)
            ]
            if any(isinstance(length, int | float) and length > 0 for length in lengths):
                found.append(f"{module.path.name}:{node.lineno} {ast.unparse(node)}")
    return sorted(found)


RULES = [impure, against_the_arrows, clients_outside_doors, cycles, too_long, silent, named_after_nothing]


@pytest.fixture(scope="module")
def ours() -> list[Module]:
    return read(ROOT)


@pytest.mark.parametrize("rule", RULES)
def test_meshkit_keeps_the_rule(ours: list[Module], rule: Callable[[list[Module]], list[str]]) -> None:
    assert "meshkit.call" in {module.name for module in ours}
    assert rule(ours) == []


def test_no_test_sleeps() -> None:
    modules = read(ROOT, "tests", "sleep")
    assert modules
    assert sleeps(modules) == []


# Each rule can fail: a tree of one or two files that breaks it, and what is said of that.


@pytest.mark.parametrize(
    ("rule", "files", "said"),
    [
        (impure, {"limit/rate.py": "import time"}, ["meshkit.limit.rate:1 imports time"]),
        (impure, {"engine.py": "from asyncio import sleep"}, ["meshkit.engine:1 imports asyncio.sleep"]),
        (impure, {"balance/p2c.py": "def f():\n    import threading"}, ["meshkit.balance.p2c:2 imports threading"]),
        (
            impure,
            {"retry/backoff.py": "from random import Random, uniform"},
            ["meshkit.retry.backoff:1 imports random.uniform"],
        ),
        (impure, {"retry/backoff.py": "import random"}, ["meshkit.retry.backoff:1 imports random"]),
        (impure, {"breaker/__init__.py": "async def f(): pass"}, ["meshkit.breaker:1 is async"]),
        (
            impure,
            {"retry/after.py": "from datetime import datetime\ndatetime.now()"},
            ["meshkit.retry.after:2 reads a clock"],
        ),
        (impure, {"limit/rate.py": "import numpy, math, attrs"}, ["meshkit.limit.rate:1 imports numpy"]),
        (impure, {"timeout.py": "import logging"}, ["meshkit.timeout:1 imports logging"]),
        (impure, {"runtime/loop.py": "import asyncio, time", "call.py": "import math\nfrom random import Random"}, []),
        (
            against_the_arrows,
            {"limit/rate.py": "from ..engine import Section\nfrom ..call import Call\nfrom . import concurrency"},
            ["meshkit.limit.rate:1 imports meshkit.engine.Section"],
        ),
        (
            against_the_arrows,
            {"retry/hedge.py": "from .. import limit"},
            ["meshkit.retry.hedge:1 imports meshkit.limit"],
        ),
        (
            against_the_arrows,
            {"balance/p2c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..engine import Section"},
            [],
        ),
        (clients_outside_doors, {"pipeline.py": "import httpx"}, ["meshkit.pipeline:1 imports httpx"]),
        (clients_outside_doors, {"pipeline.py": "def f():\n    import httpx2"}, ["meshkit.pipeline:2 imports httpx2"]),
        (clients_outside_doors, {"httpx.py": "import httpx"}, ["meshkit.httpx:1 imports httpx"]),
        (clients_outside_doors, {"httpx.py": "def f():\n    import httpx"}, []),
        (
            cycles,
            {"call.py": "from . import policy", "policy.py": "def f():\n    from .call import Call"},
            ["meshkit.call -> meshkit.policy -> meshkit.call"],
        ),
        (
            cycles,
            {"__init__.py": "from .call import Call", "call.py": "from meshkit import Call"},
            ["meshkit -> meshkit.call -> meshkit"],
        ),
        (
            cycles,
            {
                "call.py": "import typing\nif typing.TYPE_CHECKING:\n    from .policy import Gate",
                "policy.py": "from .call import Call",
            },
            [],
        ),
        (too_long, {"call.py": "x = 1\n" * 301}, ["meshkit.call has 301 lines"]),
        (too_long, {"call.py": "x = 1\n" * 300}, []),
        (silent, {"call.py": '"""What travels?"""', "policy.py": "x = 1"}, ["meshkit.policy"]),
        (named_after_nothing, {"utils.py": ""}, ["meshkit.utils: utils"]),
        (
            named_after_nothing,
            {"call.py": "class CallManager: pass\ndef handler_of(): pass\ndef database(): pass"},
            ["meshkit.call: CallManager", "meshkit.call: handler_of"],
        ),
        (
            sleeps,
            {"a.py": "time.sleep(0.1)\nasyncio.sleep(0)\nrun(anyio.sleep(delay=2))\nsleep(1)\nsleep(delay)"},
            ["a.py:1 time.sleep(0.1)", "a.py:3 anyio.sleep(delay=2)", "a.py:4 sleep(1)"],
        ),
    ],
)
def test_a_rule_can_fail(
    tmp_path: Path, rule: Callable[[list[Module]], list[str]], files: dict[str, str], said: list[str]
) -> None:
    for name, text in files.items():
        path = tmp_path / "meshkit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert rule(read(tmp_path)) == said


# What needs an interpreter to know.


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that are loaded after the statement in a new interpreter."""
    code = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
        ).stdout.split()
    )


def test_importing_meshkit_loads_neither_a_loop_nor_a_client() -> None:
    loaded = loaded_by("import meshkit")
    assert "meshkit" in loaded
    assert loaded & HEAVY == set()


def test_what_is_loaded_is_seen() -> None:
    assert HEAVY & loaded_by("import asyncio") == {"asyncio"}


def test_the_public_names() -> None:
    """They are sorted, they are there, they are all there is, and they are those that were agreed on.

    A name that is added or taken away on purpose: ``make names``, and a line in CHANGELOG.md.
    """
    exported = list(getattr(meshkit, "__all__", ()))
    agreed = (ROOT / "tests" / "public_names.txt").read_text("utf-8").split()
    assert exported == agreed
    assert exported == sorted(exported)
    assert [name for name in exported if not hasattr(meshkit, name)] == []
    public = {name for name in vars(meshkit) if not name.startswith("_")}
    modules = {name for name in public if isinstance(vars(meshkit)[name], ModuleType)}
    assert public - modules - {"annotations"} <= set(exported)
