"""Ask all of them, and write the page: `make corpus`."""

from __future__ import annotations

import asyncio
import sys

from .corpus import CASES
from .ours import Left, granian, llhttp
from .peers import PEERS, missing
from .playing import played
from .table import COLUMNS, PAGE, page


async def main() -> None:
    absent = [each for each in map(missing, PEERS) if each]
    if absent:
        raise SystemExit(f"install {', '.join(absent)} first")
    left = Left()
    fronts = {"llhttp": llhttp(left), "granian": granian(left), **PEERS}
    results = {}
    for name in COLUMNS:  # one after the other: what they do in time is not to depend on the others
        sys.stderr.write(f"asking {COLUMNS[name]}\n")
        results[name] = dict(enumerate(await played(CASES, fronts[name])))
    PAGE.write_text(page(results), "utf-8")
    sys.stdout.write(f"{PAGE}\n")


asyncio.run(main())
