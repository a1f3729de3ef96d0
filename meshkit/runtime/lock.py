"""One short lock for the process, around every walk of the engine.

It makes one pipeline, and one `Shared` state, safe for any number of threads and event loops at once. It is never held
around user code, key functions, judges, listeners or I/O.
"""

from __future__ import annotations

import threading

__all__ = ["LOCK"]

LOCK = threading.Lock()
