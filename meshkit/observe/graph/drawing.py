"""How is a graph of who calls whom drawn? As text: a flowchart for Mermaid, or a digraph for Graphviz.

Each name is put where it can only be text: in Mermaid what is neither letter, digit nor harmless sign stands as the
code of its character (``#60;``), and so does a ``%`` beside another, which would begin a comment or a directive; in DOT
quotes and backslashes are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["dot", "mermaid"]

SHAPES = {"callers": ("([", "])"), "service": ("[[", "]]"), "cluster": ("[(", ")]")}
BOX = ("[", "]")


def mermaid(picture: Mapping[str, Any]) -> str:
    """A snapshot of `Graph` as a flowchart."""
    numbers = {node["id"]: f"n{k}" for k, node in enumerate(picture["nodes"])}
    lines = ["flowchart LR"]
    for node in picture["nodes"]:
        begin, end = SHAPES.get(node["kind"], BOX)
        lines.append(f"    {numbers[node['id']]}{begin}{_coded(node['name'])}{end}")
    lines += [
        f"    {numbers[edge['from']]} -->|{_coded(_label(edge))}| {numbers[edge['to']]}" for edge in picture["edges"]
    ]
    ill = [str(k) for k, edge in enumerate(picture["edges"]) if _ill(edge)]
    if ill:
        lines.append(f"    linkStyle {','.join(ill)} stroke:red")
    return "\n".join(lines) + "\n"


def dot(picture: Mapping[str, Any]) -> str:
    """A snapshot of `Graph` in the language of Graphviz."""
    lines = [f"digraph {_quoted(picture['service'])} {{", "    rankdir=LR", "    node [shape=box]"]
    lines += [f"    {_quoted(node['id'])} [label={_quoted(node['name'])}]" for node in picture["nodes"]]
    for edge in picture["edges"]:
        colour = ", color=red" if _ill(edge) else ""
        ends = f"{_quoted(edge['from'])} -> {_quoted(edge['to'])}"
        lines.append(f"    {ends} [label={_quoted(_label(edge))}{colour}]")
    return "\n".join([*lines, "}"]) + "\n"


def _ill(edge: Mapping[str, Any]) -> bool:
    return bool(edge["error_share"] or edge["rejected_share"])


def _label(edge: Mapping[str, Any]) -> str:
    """An attempt is what an endpoint gets, a call what all others do."""
    rate = edge["attempts_per_second" if edge["to"].startswith("endpoint:") else "calls_per_second"]
    parts = [f"{rate:.3g}/s"]
    for share, what in ((edge["error_share"], "errors"), (edge["rejected_share"], "rejected")):
        if share:
            parts.append(f"{100 * share:.3g}% {what}")
    if edge["latency"]:
        parts.append(f"p95 {1000 * edge['latency']['p95']:.3g} ms")
    return ", ".join(parts)


def _coded(label: str) -> str:
    return '"' + re.sub(r"[^\w /.,:{}()*%-]|%(?=%)|(?<=%)%", lambda found: f"#{ord(found[0])};", label) + '"'


def _quoted(label: str) -> str:
    return '"' + label.replace("\\", "\\\\").replace('"', '\\"') + '"'
