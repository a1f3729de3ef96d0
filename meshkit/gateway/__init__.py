"""A server made of all the other rooms, which can stand where an ingress controller stood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazily as _lazily

if TYPE_CHECKING:
    from .app import Gateway
    from .server.serving import serve
    from .status.app import Status

__all__ = ["Gateway", "Status", "serve"]

_HOMES = {
    ".app": ("Gateway",),
    ".server.serving": ("serve",),
    ".status.app": ("Status",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
