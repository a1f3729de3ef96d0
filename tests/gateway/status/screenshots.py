"""How does the status page look? ``python -m tests.gateway.status.screenshots`` takes the pictures of its page anew.

The shop of `town` runs for a minute, so that all curves are whole, and then is looked at three times: light, dark, and
on a phone. What is random in it has a seed; the hours and the exact numbers are another each time.
"""

from __future__ import annotations

import sys
import threading
from io import BytesIO
from pathlib import Path

from PIL import Image

from . import town
from .browsing import CHROMIUM, browser, serving

DOCS = Path(__file__).parents[3] / "docs" / "reference"
SECONDS = 62.0
COLOURS = 256
"""Of a picture: those of its surfaces, and enough for the edges of letters."""
LARGEST = 200_000
"""Bytes of a picture."""
LOOKS = {
    "light": {"viewport": {"width": 1360, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1360, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 2400}, "color_scheme": "light", "device_scale_factor": 1.5},
}


def main(to: Path = DOCS) -> int:
    if CHROMIUM is None:
        print("it needs chromium: apt-get install chromium", file=sys.stderr)  # noqa: T201
        return 1
    mesh = town.town()
    with serving(mesh, lambda: town.busy(mesh), siblings=["http://127.0.0.1:9902"]) as served, browser() as opened:
        threading.Event().wait(SECONDS)
        for name, options in LOOKS.items():
            context = opened.new_context(reduced_motion="reduce", **options)
            page = context.new_page()
            page.goto(served.url)
            page.wait_for_selector("#link.live")
            page.click(".cluster h3 button:has-text('carts')")
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            path = to / f"status-page-{name}.png"
            taken = Image.open(BytesIO(page.screenshot(full_page=name != "narrow"))).convert("RGB")
            taken.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
            context.close()
            size = path.stat().st_size
            print(f"{path.name}: {size:,} bytes")  # noqa: T201
            if size > LARGEST:
                print(f"{path.name} is larger than {LARGEST:,} bytes", file=sys.stderr)  # noqa: T201
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
