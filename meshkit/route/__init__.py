"""Which cluster is a request for, and what is done to it on its way? Routes, matched in order of precedence.

    Router([
        Route(Match(host="orders", prefix="/v2"), orders_v2, policies=[Timeout(2.0)]),
        Route(Match(host="orders"), Split(Branch(orders, 90), Branch(orders_v2, 10))),
    ])

===============  ==================================================================================================
what matches     `Match`, `Value`; `Paths`, the normal form of paths
where it goes    a cluster; `Split`, `Canary`, `Rollout` of several `Branch`; `Redirect`, `Respond`; `App`, `Function`
what is done     `Rewrite`, `RequestHeaders`, `ResponseHeaders`, `Mirror`, `Cors`, `Compress`, `Buffer`, `Bandwidth`,
..               `Pages`, `WebSocket`
===============  ==================================================================================================
"""

import typing

from ..lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .answer import Redirect, Respond
    from .bandwidth import Bandwidth
    from .branch import Branch
    from .buffer import Buffer
    from .canary import Canary
    from .compress import Compress
    from .cookie import Cookie
    from .cors import Cors
    from .edit import RequestHeaders, ResponseHeaders
    from .local import App, Function
    from .match import Match
    from .mirror import Mirror
    from .pages import Pages
    from .path import Paths
    from .rewrite import Rewrite
    from .rollout import Rollout
    from .route import Route
    from .router import Router
    from .split import Split
    from .value import Value
    from .websocket import WebSocket

__all__ = [
    "App",
    "Bandwidth",
    "Branch",
    "Buffer",
    "Canary",
    "Compress",
    "Cookie",
    "Cors",
    "Function",
    "Match",
    "Mirror",
    "Pages",
    "Paths",
    "Redirect",
    "RequestHeaders",
    "Respond",
    "ResponseHeaders",
    "Rewrite",
    "Rollout",
    "Route",
    "Router",
    "Split",
    "Value",
    "WebSocket",
]

_HOMES = {
    ".answer": ("Redirect", "Respond"),
    ".bandwidth": ("Bandwidth",),
    ".branch": ("Branch",),
    ".buffer": ("Buffer",),
    ".canary": ("Canary",),
    ".compress": ("Compress",),
    ".cookie": ("Cookie",),
    ".cors": ("Cors",),
    ".edit": ("RequestHeaders", "ResponseHeaders"),
    ".local": ("App", "Function"),
    ".match": ("Match",),
    ".mirror": ("Mirror",),
    ".pages": ("Pages",),
    ".path": ("Paths",),
    ".rewrite": ("Rewrite",),
    ".rollout": ("Rollout",),
    ".route": ("Route",),
    ".router": ("Router",),
    ".split": ("Split",),
    ".value": ("Value",),
    ".websocket": ("WebSocket",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
