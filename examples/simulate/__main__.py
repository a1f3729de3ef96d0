"""Play the scenes: ``python -m examples.simulate [NAME ...] [--docs docs/explanation] [--dry] [--speed]``.

Without names, all of them. Each writes its tables and figures into the pages; ``--dry`` prints the tables only.
``--speed`` plays none, and tells how many calls a second are simulated here.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path

from .pages import DOCS, SCENES, place
from .supermarket import waits


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.simulate", description="Simulated calls, for the pages.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)}")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the pages are")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    parser.add_argument("--speed", action="store_true", help="only measure")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in SCENES]
    if unknown:
        parser.error(f"no such scene: {', '.join(unknown)}; there are {', '.join(SCENES)}")
    gc.set_threshold(100_000, 20, 100)  # endpoints by the ten thousand, which stay
    if chosen.speed:
        began = time.perf_counter()
        calls = waits(0.9, 2, servers=1000, seconds=200.0).calls
        print(f"{calls / (time.perf_counter() - began):,.0f} calls a second, by two choices among 1,000 endpoints")
        return 0
    for name in chosen.names or SCENES:
        scene = SCENES[name]
        began = time.perf_counter()
        found = scene.play()
        print(f"{name}, {time.perf_counter() - began:.0f} s")
        for _, table in scene.tables.values():
            print(*table(found), "", sep="\n", flush=True)
        if not chosen.dry:
            place(scene, found, chosen.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
