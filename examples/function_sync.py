"""A plain function behind a pipeline, called by many threads: no more than three at once, no more than 40 a second."""

import time
from concurrent.futures import ThreadPoolExecutor

from meshkit import ConcurrencyLimit, Pipeline, RateLimit

polite = Pipeline(RateLimit("40/s", burst=5, wait=2.0), ConcurrencyLimit(3, queue=20))
at_once = most = 0


@polite
def render(page: int) -> int:
    global at_once, most  # noqa: PLW0603  # to see what came through
    at_once += 1
    most = max(most, at_once)
    time.sleep(0.05)
    at_once -= 1
    return page


began = time.monotonic()
with ThreadPoolExecutor(20) as threads:
    pages = list(threads.map(render, range(30)))
print(f"{len(pages)} pages in {time.monotonic() - began:.2f} s, at most {most} at once")
print(polite.snapshot())
