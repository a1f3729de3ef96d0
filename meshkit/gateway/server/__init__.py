"""How does a mesh become a server? What `meshkit serve` does, and the parts that it is made of.

================  =======================================================================================
`serve`           the whole: open the listeners of a mesh and serve them, until a signal comes
`HttpConnection`  HTTP/1.1 for uvicorn, stricter and with limits: ``uvicorn.Config(app, http=HttpConnection)``
`Socket`          WebSocket for uvicorn: ``ws=Socket``
================  =======================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy import lazily as _lazily

if TYPE_CHECKING:
    from .http1 import HttpConnection
    from .serving import serve
    from .socket import Socket
    from .sweep import Limits

__all__ = ["HttpConnection", "Limits", "Socket", "serve"]

_HOMES = {
    ".http1": ("HttpConnection",),
    ".serving": ("serve",),
    ".socket": ("Socket",),
    ".sweep": ("Limits",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
