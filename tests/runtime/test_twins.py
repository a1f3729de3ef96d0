"""Are the two shells the same program? Their sources are compared, without what makes one of them wait.

Left out are ``async`` and ``await``, docstrings and annotations; and taking the lock by ``acquire()`` and
``try ... finally: unlock()`` equals taking it by ``with LOCK``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from meshkit.runtime import blocking, tasks, threads, waiting

TWINS = ["bind", "around", "pause"]


class Plain(ast.NodeTransformer):
    """The program that is left without the colour."""

    def visit_AsyncFunctionDef(self, node):  # ast's names
        plain = ast.FunctionDef(node.name, node.args, node.body, node.decorator_list, node.returns)
        return self.visit_FunctionDef(ast.copy_location(plain, node))

    def visit_FunctionDef(self, node):
        node.returns = None
        for arg in [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]:
            if arg is not None:
                arg.annotation = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return self.generic_visit(node)

    def visit_AnnAssign(self, node):
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Await(self, node):
        return self.visit(node.value)

    def visit_AsyncWith(self, node):
        return self.generic_visit(ast.copy_location(ast.With(node.items, node.body), node))

    def generic_visit(self, node):
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, locked(statements))
        return super().generic_visit(node)


def locked(statements):
    """``acquire(); try: X finally: unlock()`` made ``with LOCK: X``."""
    made = []
    for statement in statements:
        before = made[-1] if made else None
        match before, statement:
            case (
                ast.Expr(value=ast.Call(func=ast.Name(id="acquire"), args=[], keywords=[])),
                ast.Try(
                    body=body,
                    handlers=[],
                    orelse=[],
                    finalbody=[ast.Expr(value=ast.Call(func=ast.Name(id="unlock"), args=[], keywords=[]))],
                ),
            ):
                made[-1] = ast.With([ast.withitem(ast.Name("LOCK", ast.Load()))], body)
            case _:
                made.append(statement)
    return made


def plain(source, name):
    found = [node for node in ast.parse(source).body if getattr(node, "name", "") == name]
    assert len(found) == 1
    return ast.unparse(ast.fix_missing_locations(Plain().visit(found[0])))


def sources(*modules):
    return "\n".join(Path(module.__file__).read_text("utf-8").replace("from __future__", "#") for module in modules)


TASKS = sources(tasks, waiting)
THREADS = sources(threads, blocking)


@pytest.mark.parametrize("name", TWINS)
def test_the_shells_are_the_same_program(name):
    assert plain(TASKS, name) == plain(THREADS, name)


def test_nothing_of_the_colour_is_left_and_all_else_is():
    text = plain(TASKS, "bind")
    assert "async" not in text
    assert "await" not in text
    assert "acquire" not in text
    assert text.count("with LOCK:") >= 5
    assert len(text.splitlines()) > 80


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("verdict = IGNORED", "verdict = SUCCESS"),
        ("wait = again(call, marks, now, verdict)", "wait = again(call, marks, now, SUCCESS)"),
        ("call = error = result = origin = repeated = None", "call = None"),
        ("alarms.drop(key)", "pass"),
        ("with LOCK:", "if True:"),
    ],
)
def test_a_difference_is_seen(was, becomes):
    assert was in THREADS
    changed = THREADS.replace(was, becomes, 1)
    assert any(plain(TASKS, name) != plain(changed, name) for name in TWINS)


def test_a_lock_that_is_not_given_back_is_seen():
    changed = TASKS.replace(" unlock()", " pass", 1)
    assert changed != TASKS
    assert plain(changed, "bind") != plain(THREADS, "bind")
