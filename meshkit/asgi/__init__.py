"""The door for ASGI apps: a middleware that has requests and websockets go through a pipeline.

    app = MeshMiddleware(app, Pipeline(RateLimit("100/min", key="client"), ConcurrencyLimit(100), Timeout(2.0)))

`Probe` and `LoadReport` tell clients how busy the app is: what `Prequal` asks for, and what `WeightedByReports` reads.
`refusal` tells an exception handler how to answer where a pipeline stands around a single endpoint.

For Starlette, FastAPI, Django, Litestar and whatever else speaks ASGI 3; importing this imports none of them.
"""

from .connection import Connection
from .door import Judge
from .exchange import Exchange
from .load_report import LoadReport
from .middleware import MeshMiddleware
from .probe import Probe
from .refusal import refusal

__all__ = ["Connection", "Exchange", "Judge", "LoadReport", "MeshMiddleware", "Probe", "refusal"]
