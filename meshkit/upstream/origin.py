"""To whom does a connection lead? Two requests may share one only if all of this is the same."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Origin"]


class Origin(NamedTuple):
    """``name`` is what TLS asks the peer to prove, and says in SNI; ``host`` where to connect."""

    host: str
    port: int
    tls: bool = False
    name: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"
