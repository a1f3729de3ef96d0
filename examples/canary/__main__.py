"""What does a mesh file make of an unchanged service's calls? Run it: ``python -m examples.canary [mesh.yaml]``.

The orders services listen where the file says that they are. Step by step in docs/tutorial/canary.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .street import Street, until

MESH = Path(__file__).with_name("mesh.yaml")


def main(path: Path = MESH, calls: int = 500) -> None:
    with Street(path) as street:
        two = street.two.state

        served = street.buy("apples", calls)
        print(f"apples    {100 * served['2'] / calls:.1f} % were served by the new version")

        willing, unwilling = (street.buy("pears", 20, **{"x-canary": word}) for word in ("always", "never"))
        print(f"pears     {willing['2']} of 20 who asked for it, and {unwilling['2']} of 20 who would not have it")

        for name in ("ann", "cid"):
            served = street.buy("plums", 20, **{"x-customer": name})
            print(f"plums     {name} was always served by version {' and '.join(served)}")

        served = street.buy("figs", 20)
        until(lambda: two.asked.count("buy/figs") == 20)
        print(f"figs      {served['2']} by the new version, which has seen {two.asked.count('buy/figs')} copies")

        for article in ("cherries", "quinces"):
            print(f"{article:9} version {{version}} was asked for {{path}}".format(**street.ask(article)))

        street.sell("melons", until="done")
        print(f"melons    {street.buy('melons', 20)['2']} of 20 by the new version, at the end of its rollout")
        two.broken = True
        street.mesh.pipeline.control("release").reset()
        failed = street.sell("melons", until="rolled-back")
        served = street.buy("melons", 20)
        print(f"melons    it broke, {failed} calls failed, and {served['1']} of the next 20 were served by the old one")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
