"""What may be said to a server of a mesh? All of `serve`'s options, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,250}[A-Za-z0-9_])?\.?")
WS_MAX_SIZE: Final = 16 * 2**20
WS_PING: Final = 20.0


def _list(value: Any) -> Any:
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)


def _texts(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if not isinstance(each, str) or not each:
            raise ConfigError.of("Serve", attribute.name, each, "give texts, such as 'public'")


def _limits(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, Limits):
        raise ConfigError.of("Serve", attribute.name, value, "give Limits, such as Limits(head=5.0)")


def _names(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if not isinstance(each, str) or not NAME.fullmatch(each):
            raise ConfigError.of("Serve", attribute.name, each, "give names of hosts, such as 'status.shop.example'")


@attrs.frozen(kw_only=True)
class Serve:
    """How a mesh is served; see `serve`. Raises `ConfigError`."""

    server: str = attrs.field(default="uvicorn", validator=among(*SERVERS))
    workers: int = attrs.field(default=1, validator=count(1, 1024))
    listeners: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_texts)
    bind: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_texts)
    status: str | None = STATUS
    hosts: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_names)
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
    limits: Limits = attrs.field(factory=Limits, validator=_limits)
    backlog: int = attrs.field(default=2048, validator=count(1, 65536))
    ws_max_size: int = attrs.field(default=WS_MAX_SIZE, validator=count(1, 2**40))
    ws_ping: float = attrs.field(default=WS_PING, validator=seconds(zero=True))

    def __attrs_post_init__(self) -> None:
        given: object = self.status
        if given is not None and not (isinstance(given, str) and given):
            raise ConfigError.of("Serve", "status", given, f"give an address, such as {STATUS!r}, or None")
        if self.metrics and self.status is None:
            raise ConfigError.of(
                "Serve", "metrics", self.metrics, "they are beside the status page, and there is to be none"
            )
        if (self.keyfile or self.keyfile_password) and not self.certfile:
            raise ConfigError.of("Serve", "certfile", None, "give the certificate that the key is of")
        if self.metrics and find_spec("prometheus_client") is None:
            raise ConfigError("meshkit serve: --metrics needs prometheus_client: pip install 'meshkit[prometheus]'")
        for name in SERVERS[self.server]:
            if find_spec(name) is None:
                extra = EXTRAS[self.server]
                raise ConfigError(f"meshkit serve: {self.server} needs {name}: pip install 'meshkit[{extra}]'")

    def heard(self) -> None:
        """See whether the server has an ear for all that was said. Raises `ConfigError`."""
        if self.server != "granian":
            return
        usual = Limits()
        for policy, option, value, otherwise in (
            ("Limits", "body", self.limits.body, usual.body),
            ("Limits", "idle", self.limits.idle, usual.idle),
            ("Serve", "ws_max_size", self.ws_max_size, WS_MAX_SIZE),
            ("Serve", "ws_ping", self.ws_ping, WS_PING),
        ):
            if value != otherwise:
                fix = "granian has no such limit: leave it out, or have uvicorn serve"
                raise ConfigError.of(policy, option, value, fix)
