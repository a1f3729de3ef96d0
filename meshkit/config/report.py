"""Is a mesh file sound, and is anything in it hardly ever meant? All mistakes; and if there are none, what is odd.

    report = check("mesh.yaml")
    report.mistakes        # why it cannot be loaded
    report.findings        # warnings and notes

A mesh that was read is put together as it will be used, before anything is said of it: a rewriting that does not fit
the match of its route is a mistake of the file, though each of the two is sound by itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from random import Random
from typing import Any

import attrs

from ..errors import ConfigError
from ..route.router import Router, RouterState
from .assembly import outgoing
from .document import Document, read
from .file import MeshFile
from .findings import NOTE, WARNING, Finding, Findings, below
from .garbage import paused
from .kept import Kept
from .lint import WORDS, lint
from .located import Located
from .meant import advice, snake
from .mistakes import FileErrors, Mistake, Mistakes
from .spec import MeshSpec
from .view import View

__all__ = ["Report", "check", "checked"]


@attrs.frozen(kw_only=True)
class Report:
    """What there is to be said of a file."""

    file: str
    spec: MeshSpec | None = None
    """The mesh, if there is no mistake."""
    mistakes: tuple[Mistake, ...] = ()
    findings: tuple[Finding, ...] = ()
    wrong: int = 0
    """How many mistakes there are, of which the first hundred are told;"""
    warnings: int = 0
    """how many warnings,"""
    notes: int = 0
    """and how many notes."""

    def sound(self, *, strict: bool = False) -> bool:
        """Whether it can be used. ``strict``: and nothing in it is hardly ever meant."""
        return not self.wrong and not (strict and self.warnings)


def check(path: str | os.PathLike[str], *, imports: bool = True, ignore: Collection[str] = ()) -> Report:
    """All there is to be said of a file. ``imports``: see `standard`; ``ignore``: the words of findings to pass over.
    Raises `ConfigError` for a word that is none.
    """
    for word in ignore:
        if word not in WORDS:
            raise ConfigError.of("check", "ignore", word, advice(word, WORDS))
    with paused():
        try:
            return checked(read(path), imports=imports, ignore=ignore)
        except FileErrors as error:
            return _refused(os.fspath(path), error)


def checked(document: Document, *, imports: bool = True, ignore: Collection[str] = ()) -> Report:
    """The same of a file that was read already."""
    file = MeshFile(imports=imports)
    try:
        spec = file.spec(document)
        router, state = _started(file, spec, document.mistakes)
    except FileErrors as error:
        return _refused(document.name, error)
    findings = Findings(document.mistakes, ignore)
    lint(View(file, spec, router, state, findings))
    told, count = findings.told(), findings.count
    return Report(file=document.name, spec=spec, findings=told, warnings=count[WARNING], notes=count[NOTE])


def _refused(file: str, error: FileErrors) -> Report:
    return Report(file=file, mistakes=error.mistakes, wrong=len(error.mistakes) + error.more)


def _started(file: MeshFile, spec: MeshSpec, mistakes: Mistakes) -> tuple[Router, RouterState]:
    """The routes of the mesh, put together. Raises `FileErrors`."""
    try:
        router: Router = outgoing(spec, None, Kept())[-1]
        return router, _start(router)
    except ConfigError as error:
        for node, route in zip(file.routes, spec.routes, strict=True):
            why = _refusal(spec, route)
            if why is not None:
                mistakes.note(_place(node, why), str(why))
        if not len(mistakes):
            mistakes.note(file.top.get("routes") or mistakes.root or Located(None), str(error))
        raise mistakes.error() from None


def _start(router: Router) -> RouterState:
    return router.start(Random(0))  # noqa: S311  # nothing is drawn of it


def _refusal(spec: MeshSpec, route: Any) -> ConfigError | None:
    """Why a route cannot be used, of those that are sound by themselves."""
    try:
        _start(Router([route], order=spec.order, paths=spec.paths))
    except ConfigError as error:
        return error
    return None


def _place(node: Located, error: ConfigError) -> Located:
    """Where it stands: the option that is named, of an action or of the destination; else the route."""
    word = snake(error.policy)
    actions = below(node, "actions")
    for each in actions.value if actions.value.__class__ is list else (actions, below(node, "to")):
        if each.value.__class__ is dict and word in each.value:
            return below(each, word, error.option)
    to = below(node, "to")
    return below(to, word, error.option) if to.value.__class__ is dict and word in to.value else node
