"""What may be said to a server of a mesh? All of `serve`'s options, checked."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

import attrs

from ...errors import ConfigError
from ...options import among, count, flag, seconds
from .sweep import Limits

__all__ = ["SERVERS", "STATUS", "Serve"]

SERVERS: Final = {"granian": ("granian",), "uvicorn": ("uvicorn", "websockets")}
"""What each needs to be installed."""
EXTRAS: Final = {"granian": "granian", "uvicorn": "gateway"}
STATUS: Final = "127.0.0.1:9901"


def _list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value)


def _texts(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if not isinstance(each, str) or not each:
            raise ConfigError.of("Serve", attribute.name, each, "give texts, such as 'public'")


@attrs.frozen(kw_only=True)
class Serve:
    """How a mesh is served; see `serve`. Raises `ConfigError`."""

    server: str = attrs.field(default="uvicorn", validator=among(*SERVERS))
    workers: int = attrs.field(default=1, validator=count(1, 1024))
    listeners: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_texts)
    bind: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_texts)
    status: str | None = STATUS
    log: bool = attrs.field(default=True, validator=flag())
    access_log: str | None = None
    access_format: str = attrs.field(default="combined", validator=among("combined", "common", "json"))
    metrics: bool = attrs.field(default=False, validator=flag())
    certfile: str | None = None
    keyfile: str | None = None
    keyfile_password: str | None = attrs.field(default=None, repr=False)
    drain: float = attrs.field(default=30.0, validator=seconds(zero=True))
    grace: float = attrs.field(default=0.0, validator=seconds(zero=True))
    follow: bool = attrs.field(default=True, validator=flag())
    limits: Limits = attrs.field(factory=Limits, validator=attrs.validators.instance_of(Limits))
    backlog: int = attrs.field(default=2048, validator=count(1, 65536))
    ws_max_size: int = attrs.field(default=16 * 2**20, validator=count(1, 2**40))
    ws_ping: float = attrs.field(default=20.0, validator=seconds(zero=True))

    def __attrs_post_init__(self) -> None:
        given: object = self.status
        if given is not None and not (isinstance(given, str) and given):
            raise ConfigError.of("Serve", "status", given, f"give an address, such as {STATUS!r}, or None")
        if self.metrics and self.status is None:
            raise ConfigError.of("Serve", "metrics", self.metrics, "they are beside the status page: let there be one")
        if (self.keyfile or self.keyfile_password) and not self.certfile:
            raise ConfigError.of("Serve", "certfile", None, "give the certificate that the key is of")
        for name in SERVERS[self.server]:
            if find_spec(name) is None:
                extra = EXTRAS[self.server]
                raise ConfigError(f"meshkit serve: {self.server} needs {name}: pip install 'meshkit[{extra}]'")
