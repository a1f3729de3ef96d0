"""Who else may refer to what is named in a namespace? Other namespaces, each to names, or to all of them.

::

    grants:
      shop: [payments, careful]     # clusters and stacks of policies
      audit: ["*"]
"""

from __future__ import annotations

from .located import BROKEN, Located
from .meant import advice
from .mistakes import Mistakes, quoted, shown
from .names import ALL, Names, Space

__all__ = ["grant", "granted"]


def grant(space: Space, section: Located, names: Names, mistakes: Mistakes) -> None:
    """Read a namespace's ``grants``, a mapping, into it."""
    before = len(mistakes)
    for other, node in section.value.items():
        if other not in names.spaces:
            if not names.is_lost(other) and node.value is not BROKEN:
                fix = advice(other, [*names.spaces])
                mistakes.note(section, f"there is no namespace {quoted(other)}", fix, key=other)
            continue
        found = []
        for each in node.value if node.value.__class__ is list else [node]:
            name = each.value
            if isinstance(name, str) and (name == ALL or space.may_have(name)):
                found.append(name)
            else:
                fix = "write a list of names"
                if isinstance(name, str):
                    known = [name for named in space.nodes.values() for name in named]
                    fix = "" if mistakes.full else advice(name, [*known, ALL])
                mistakes.wrong(each, f"a name of the namespace {space.name}", fix)
        space.grants[other] = tuple(found)
    space.granting = len(mistakes) == before


def granted(section: Located | None, other: str) -> str:
    """What to write in place of names alone: to whom they are granted, such as an ``other`` namespace."""
    value = None if section is None else section.value
    names = [each.value for each in value] if value.__class__ is list else [value]
    told = [shown(name, 40) for name in names if isinstance(name, str)]
    return f"write {{{other}: [{', '.join(told)}]}}" if told else ""
