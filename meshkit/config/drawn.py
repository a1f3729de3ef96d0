"""What may a mesh file say? Its form, as JSON Schema, for editors and for others who check it.

Each section is drawn by the kind that reads it (`MeshFile`), and so is all that stands in it: what is read without a
mistake is valid by the schema, and a word or an option that is not there is not. What only the mesh as a whole tells (a
name that nothing has, two routes of one name, a cap below its base) no schema says: ``meshkit check`` does.
"""

from __future__ import annotations

from .file import SPACE, TOP, MeshFile
from .kinds.kind import Definitions, Schema
from .ways import DIALECT

__all__ = ["form"]

NAMED = ("clusters", "policies")
NAME = r"^[^A-Z*/\s]+$"
"""As far as an expression tells: a name is a host as well."""
ABOUT = {
    "$schema": "Where the schema of this file is, for editors that look there.",
    "mesh": "The name of the mesh.",
    "egress": "What becomes of calls to hosts that are not in the mesh: listed refuses them, any lets them pass.",
    "order": "Whose rules say which of several routes comes first: the Gateway API's, Envoy's or ingress-nginx'.",
    "paths": "The normal form of paths, in which they are matched and sent on.",
    "policies": "Stacks of policies by name, outermost first: wherever policies stand, a name stands for its stack.",
    "clusters": "Clusters by name. A cluster's name is a host, too: http://orders/ calls the cluster orders.",
    "routes": "Which requests go where, and what stands in front of them.",
    "grants": "By namespace, the names in this one that it may refer to; * is all of them.",
    "listeners": "Where requests come in, by name.",
    "nodes": "The processes of the mesh, by name.",
    "namespaces": "By name, each with policies, clusters, routes and grants of its own.",
}


def form() -> Schema:
    """The schema of a mesh file."""
    file = MeshFile(imports=True)
    definitions = Definitions()
    space = _mapping(file, SPACE, definitions)
    whole = _mapping(file, [each for each in TOP if each != "namespaces"], definitions)
    several = {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": space}
    whole["properties"]["namespaces"] = _perhaps("namespaces", several)
    return {
        "$schema": DIALECT,
        "title": "meshkit mesh file",
        **whole,
        "$defs": dict(sorted(definitions.schemas.items())),
    }


def _mapping(file: MeshFile, names: tuple[str, ...] | list[str], definitions: Definitions) -> Schema:
    sections = {}
    for name in names:
        drawn = file.sections[name].schema(definitions)
        if name in NAMED:
            drawn = {**drawn, "propertyNames": {"pattern": NAME}}
        sections[name] = _perhaps(name, drawn)
    return {"type": "object", "properties": sections, "additionalProperties": False}


def _perhaps(name: str, drawn: Schema) -> Schema:
    """A section may be empty. One type is not told as one of two forms: what is wrong in it would not be told."""
    if isinstance(drawn.get("type"), str):
        return {"description": ABOUT[name], **drawn, "type": [drawn["type"], "null"]}
    return {"description": ABOUT[name], "anyOf": [drawn, {"type": "null"}]}
