"""The door for ASGI apps: a middleware that has requests and websockets go through a pipeline.

    app = MeshMiddleware(app, Pipeline(RateLimit("100/min", key="client"), ConcurrencyLimit(100), Timeout(2.0)))

`refusal` tells an exception handler how to answer where a pipeline stands around a single endpoint.

For Starlette, FastAPI, Django, Litestar and whatever else speaks ASGI 3; importing this imports none of them.
"""

from .connection import Connection
from .door import Judge
from .exchange import Exchange
from .middleware import MeshMiddleware
from .refusal import refusal

__all__ = ["Connection", "Exchange", "Judge", "MeshMiddleware", "refusal"]
