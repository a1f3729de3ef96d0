"""An httpx client behind a pipeline. The server is a stub on loopback that answers 503 to two requests of three."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle

import httpx

from meshkit import ConcurrencyLimit, Pipeline, Retry, Timeout
from meshkit.httpx import MeshTransport

statuses = cycle([503, 503, 200])


class Stub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(next(statuses))
        self.send_header("content-length", "0")
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
threading.Thread(target=server.serve_forever, daemon=True).start()

pipeline = Pipeline(Timeout(2.0), Retry(on=("5xx", httpx.TransportError)), ConcurrencyLimit(10), Timeout(0.5))
with httpx.Client(transport=MeshTransport(pipeline), base_url=f"http://127.0.0.1:{server.server_port}") as client:
    print([client.get(f"/orders/{k}").status_code for k in range(5)])
print(pipeline.snapshot()["Retry"])
server.shutdown()
server.server_close()
