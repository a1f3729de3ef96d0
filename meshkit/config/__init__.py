"""A whole mesh in one typed file: read with a place for each value, made into specs, every mistake told at once.

    mesh = Mesh.from_file("mesh.yaml", node="web")          # FileErrors: mesh.yaml:12:7: routes[3].to: ...
    client = httpx.AsyncClient(transport=mesh.transport())

======================================  ============================================================================
`Mesh`                                  a mesh in use: transports, middleware, its versions
`MeshSpec`, `Listener`, `Node`          what is written down of it
`load`, `loads`                         the mesh of a file, of a text
`check`: `Report`, `Finding`            all that is wrong with a file, or hardly ever meant in it
`form`, `formatted`                     what a mesh file may say, as JSON Schema; one in its one layout
`read`, `parse`                         any file, any text: located data (`document`)
`structure`, `unstructure`, `schema`    specs of located data, data of specs, their form as JSON Schema (`words`)
`Mistake`, `FileErrors`                 what is wrong, and where
======================================  ============================================================================
"""

import typing

from ..lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .document import Document, parse, read
    from .drawn import form
    from .file import load, loads
    from .findings import Finding
    from .layout.formatted import formatted
    from .mesh import Mesh
    from .mistakes import FileErrors, Mistake
    from .report import Report, check
    from .spec import Listener, MeshSpec, Node
    from .typed import Kinds
    from .versions import Version
    from .ways import schema, structure, unstructure
    from .words import standard

__all__ = [
    "Document",
    "FileErrors",
    "Finding",
    "Kinds",
    "Listener",
    "Mesh",
    "MeshSpec",
    "Mistake",
    "Node",
    "Report",
    "Version",
    "check",
    "form",
    "formatted",
    "load",
    "loads",
    "parse",
    "read",
    "schema",
    "standard",
    "structure",
    "unstructure",
]

_HOMES = {
    ".document": ("Document", "parse", "read"),
    ".file": ("load", "loads"),
    ".findings": ("Finding",),
    ".drawn": ("form",),
    ".layout.formatted": ("formatted",),
    ".mesh": ("Mesh",),
    ".mistakes": ("FileErrors", "Mistake"),
    ".report": ("Report", "check"),
    ".spec": ("Listener", "MeshSpec", "Node"),
    ".typed": ("Kinds",),
    ".versions": ("Version",),
    ".ways": ("schema", "structure", "unstructure"),
    ".words": ("standard",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
