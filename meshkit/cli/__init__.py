"""What can be asked at the command line? ``meshkit check mesh.yaml``: is the file sound?

==============================  ================================================================
``why``                         why did the last call fail? (`why`)
``check FILE``                  is a mesh file sound, and is anything in it hardly ever meant? (`check`)
``explain FILE METHOD URL``     what becomes of a request, and why? (`explain`)
``schema``                      what may a mesh file say? For editors (`schema`)
``fmt FILE``                    in its one layout (`fmt`)
``serve FILE``                  served: its listeners, until a signal ends it (`serve`)
==============================  ================================================================

``python -m meshkit`` is the same. Needs typer: ``pip install meshkit[cli]``.
"""

from __future__ import annotations

from ..errors import ConfigError

try:
    import typer
except ImportError:
    raise ConfigError("meshkit: the command line needs typer: pip install 'meshkit[cli]'") from None

from .check import check
from .explain import explain
from .fmt import fmt
from .schema import schema
from .serve import serve
from .why import why

__all__ = ["app"]

app = typer.Typer(name="meshkit", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(no_args_is_help=True)
def meshkit() -> None:
    """The service mesh as a library: its mesh files, and what its pipelines have written down."""


for command in (check, explain, schema, fmt, serve, why):
    app.command()(command)
