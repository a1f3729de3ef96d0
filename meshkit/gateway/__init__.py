"""A server made of all the other rooms, which can stand where an ingress controller stood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazily as _lazily

if TYPE_CHECKING:
    from .app import Gateway

__all__ = ["Gateway"]

_HOMES = {
    ".app": ("Gateway",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
