"""The page in a real browser: Chromium, headless, driven by Playwright."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from meshkit.config import Mesh, loads
from meshkit.httpx import AsyncMeshTransport

from . import town
from .browsing import CHROMIUM, Served, browser, serving

MISSING = [
    name
    for name, there in (
        ("chromium", CHROMIUM is not None),
        ("playwright", importlib.util.find_spec("playwright") is not None),
    )
    if not there
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")

WIDE, NARROW = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
LIVE = "#link.live"
OPENED = "() => { for (const d of document.querySelectorAll('details')) d.open = true; }"
LOOKS = """more => new Promise(done => {
  const root = document.documentElement, goal = Number(root.dataset.looks) + more;
  const watch = new MutationObserver(() => { if (Number(root.dataset.looks) >= goal) { watch.disconnect(); done(); } });
  watch.observe(root, { attributes: true });
})"""
LOW_CONTRAST = """() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || ["SCRIPT", "STYLE", "TITLE"].includes(e.tagName.toUpperCase())) continue;
    let behind = e;
    while (behind && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const svg = e.closest("svg"), style = getComputedStyle(e);
    const front = rgb(svg ? style.fill : style.color);
    const back = rgb(getComputedStyle(behind || document.body).backgroundColor);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${e.tagName} ${ratio.toFixed(2)}: ${e.textContent.trim().slice(0, 40)}`);
  }
  return found;
}"""
"""WCAG 2.2, 1.4.3: what is written has a contrast of 4.5 to what is behind it."""


DRAWN = """async fresh => {
  const told = await (await fetch("status.json")).json(), { at, ...sections } = told;
  if (fresh) for (const e of [$("clusters"), $("routes")]) { e.replaceChildren(); delete e.known; }
  show({ at, sections });
  document.body.offsetHeight;
}"""
WIDER = """() => [...document.querySelectorAll("body *:not(.skip)")]
  .filter(e => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest(".clip"))
  .map(e => `${e.tagName}.${e.className.baseVal ?? e.className}`)"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def shop() -> Iterator[Served]:
    mesh = town.town()
    with serving(mesh, lambda: town.busy(mesh, 150.0), siblings=["http://127.0.0.1:9902"]) as served:
        yield served


class Visit:
    """A page that is open, and what went wrong in it."""

    def __init__(self, chromium: Any, served: Served, **options: Any) -> None:
        self.context = chromium.new_context(**{"viewport": WIDE, **options})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(served.url)
        self.page.wait_for_selector(LIVE)

    def looks(self, more: int) -> None:
        """Wait until so many more have come."""
        self.page.evaluate(LOOKS, more)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *why: object) -> None:
        self.context.close()


def drawing(visit: Visit, fresh: bool) -> float:
    """Seconds of its processor until all is drawn and laid out: the machine may have other things to do."""

    def spent() -> float:
        told = clock.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in told if each["name"] == "TaskDuration"))

    clock = visit.context.new_cdp_session(visit.page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = spent()
    visit.page.evaluate(DRAWN, fresh)
    return spent() - before


def test_it_loads_by_itself_and_moves(chromium: Any, shop: Served) -> None:
    with Visit(chromium, shop) as visit:
        page = visit.page
        before = page.get_attribute("#chart path.stroke", "d")
        visit.looks(2)
        assert page.get_attribute("#chart path.stroke", "d") != before
        assert float(page.text_content("#rate")) > 0
        page.wait_for_selector("#verdict.bad:has-text('ejected')")
        assert "payments" in page.text_content("#verdict")
        for told in ("pay", "cart", "search", "export"):
            assert page.locator("#routes .name", has_text=told).count() >= 1
        assert page.locator("#graph svg g.node").count() >= 10
        assert page.locator("#failures p", has_text="circuit breaker refused").count() == 1
        assert page.locator("#splits", has_text="better-search").count() == 1
        assert page.locator("#changes", has_text="open").count() == 1
        assert "not-to-be-seen" not in page.content()
        assert visit.wrong == []
        assert {url.removeprefix(shop.url) for url in visit.asked if not url.startswith("data:")} == {"", "events"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_both_schemes(chromium: Any, shop: Served, scheme: str) -> None:
    with Visit(chromium, shop, color_scheme=scheme) as visit:
        page = visit.page
        for button in page.locator(".cluster h3 button").all()[:2]:
            button.click()
        page.evaluate(OPENED)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shade = sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(",")))
        assert shade > 600 if scheme == "light" else shade < 120
        assert page.evaluate(LOW_CONTRAST) == []


def test_nothing_is_wider_than_a_phone(chromium: Any, shop: Served) -> None:
    with Visit(chromium, shop, viewport=NARROW, has_touch=True) as visit:
        page = visit.page
        for button in page.locator(".cluster h3 button").all():
            button.click()
        page.evaluate(OPENED)
        visit.looks(1)
        wide = page.evaluate(WIDER)
        assert wide == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_by_keyboard_and_nothing_moves_under_the_hands(chromium: Any, shop: Served) -> None:
    with Visit(chromium, shop, reduced_motion="reduce") as visit:
        page = visit.page
        page.focus(".cluster h3 button:has-text('carts')")
        page.keyboard.press("Enter")
        page.wait_for_selector(".inner:not([hidden]) td:has-text('10.1.1.23:8080')")
        visit.looks(2)
        assert page.evaluate("document.activeElement.textContent") == "carts"
        assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
        page.keyboard.press("Enter")
        assert page.locator(".inner:not([hidden])").count() == 0
        page.fill("#find", "10.1.3.51")
        page.wait_for_selector(".cluster:only-child h3:has-text('payments')")
        assert page.locator(".inner:not([hidden]) tbody tr").count() == 1
        page.fill("#find", "export")
        assert page.locator("#routes tr").count() == 1
        page.fill("#find", "")
        page.click("th button:has-text('Route')")
        names = page.locator("#routes .name").all_text_contents()
        assert names == sorted(names)
        assert page.get_attribute("#routes", "id") == "routes"
        assert page.evaluate("getComputedStyle(document.querySelector('.share i')).transitionProperty") == "none"


TWO = """
mesh: shop
clusters: {orders: ["10.0.0.1:80"], next: ["10.0.0.2:80"], gone: ["10.1.1.23:80"]}
routes:
- name: buy
  match: {prefix: /buy}
  policies: [rate_limit: {rate: 1/min, burst: 9}]
  actions: [mirror: {to: next, name: shadow}]
  to: {split: {orders: 90, next: 10}}
- {name: dead, match: {prefix: /dead}, to: gone}
- {name: quiet, match: {prefix: /quiet}, policies: [rate_limit: {rate: 5/min, name: slow}], to: orders}
listeners: {public: {port: 8080}, inner: {port: 8081}}
"""


@asynccontextmanager
async def asked(mesh: Mesh, **paths: list[str]) -> AsyncIterator[None]:
    """So much has come to each listener by now."""
    for listener, those in paths.items():
        transport = AsyncMeshTransport(mesh.serving(listener), town.Servers())
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            for path in those:
                with suppress(httpx.HTTPError):
                    await client.get(path)
    yield


def test_the_sentence_agrees_with_the_rows_and_says_at_which_listener(chromium: Any) -> None:
    mesh = Mesh(loads(TWO))
    paths = {"public": [*["/buy"] * 20, "/dead"], "inner": ["/buy"]}
    with serving(mesh, lambda: asked(mesh, **paths)) as served, Visit(chromium, served) as visit:
        page = visit.page
        page.wait_for_selector("#verdict.bad")
        said = page.text_content("#verdict")
        assert "of buy on public refused, and 1 other route less than well" in said
        rows = [row.replace("\n", " ") for row in page.locator("#routes td:first-child").all_inner_texts()]
        assert rows == [
            "buy to orders, next · on public",
            "dead to gone · on public",
            "buy to orders, next · on inner",
            "quiet to orders · on inner, public",
        ]
        assert page.text_content("#routes-note").startswith("3 routes,")
        rates = [float(text.removesuffix("/s")) for text in page.locator("#routes .rate").all_text_contents()]
        assert float(page.text_content("#rate")) == pytest.approx(sum(rates), abs=0.2)
        splits = page.locator("#splits .top").all_inner_texts()
        assert [split.split("\n")[1] for split in splits] == ["split on inner", "split on public"]
        limits = page.locator("#limits .clip").all_text_contents()
        assert limits == ["RateLimit buy on public", "RateLimit buy on inner", "slow quiet on inner, public"]
        assert page.locator("#failures .top").first.inner_text().startswith("failed\ndead\non public, once")
        assert page.locator("#failures pre").first.text_content().startswith("ConnectError: connection refused\n")
        mirrors = page.locator("#mirrors li").all_inner_texts()
        assert any("copies of buy on public" in each and "9 copies sent" in each for each in mirrors)
        assert visit.wrong == []


@pytest.mark.parametrize(
    ("paths", "tone", "said"),
    [
        (["/quiet"], "", "All well: "),
        (["/dead"], "bad", "The only request of dead failed"),
        (["/dead", "/quiet", "/dead"], "bad", "Both requests of dead failed"),
        (["/quiet", "/nowhere"], "warn", "1 request refused before any route"),
    ],
)
def test_what_fails_wholly_is_never_well(chromium: Any, paths: list[str], tone: str, said: str) -> None:
    mesh = Mesh(loads(TWO.replace(", inner: {port: 8081}", "")))
    with serving(mesh, lambda: asked(mesh, public=paths)) as served, Visit(chromium, served) as visit:
        visit.page.wait_for_selector("#verdict:not(.wait)")
        assert visit.page.get_attribute("#verdict", "class") == f"verdict {tone}".strip()
        assert visit.page.text_content("#verdict").startswith(said)


def test_no_text_becomes_markup(chromium: Any) -> None:
    name = "<img src=x onerror=document.title=1>"
    text = (
        f"clusters: {{payments: ['10.1.3.51:80']}}\nroutes: [{{name: '{name}', match: {{prefix: /}}, to: payments}}]\n"
    )
    mesh = Mesh(loads(text + "listeners: {public: {}}\n"))
    with serving(mesh, lambda: town.busy(mesh)) as served, Visit(chromium, served) as visit:
        visit.page.wait_for_selector("#failures p")
        assert visit.page.text_content("#routes .name") == name
        assert name in visit.page.text_content("#failures p")
        assert visit.page.locator("img").count() == 0
        assert visit.wrong == []


def test_it_goes_on_by_itself_after_the_stream_has_ended(chromium: Any) -> None:
    mesh = town.town()
    with serving(mesh, lambda: town.busy(mesh)) as served, Visit(chromium, served) as visit:
        served.end()
        visit.page.wait_for_selector("#link.lost")
        assert "lost" in visit.page.text_content("#link")
        assert visit.page.text_content("#name") == "shop"  # what was seen last stays
        served.renew()
        visit.page.wait_for_selector(LIVE)
        visit.looks(1)


def test_five_hundred_endpoints_in_less_than_a_second(chromium: Any) -> None:
    mesh = town.large(500)
    names = ("accounts", "catalog", "images", "mail", "prices")
    with (
        serving(mesh, lambda: town.busy(mesh, 200.0, paths=town.around(*names))) as served,
        Visit(chromium, served) as visit,
    ):
        page = visit.page
        assert page.locator(".strip i").count() == 500
        assert page.locator("#clusters tr").count() == 0  # rows only where somebody opens a cluster
        assert 0 < drawing(visit, fresh=True) < 0.5
        for button in page.locator(".cluster h3 button").all():
            button.click()
        while page.locator(".inner .link").count():
            page.locator(".inner .link").first.click()
        page.wait_for_selector("#clusters tbody tr:nth-child(100)")
        assert drawing(visit, fresh=True) < 1
        assert drawing(visit, fresh=False) < 0.5
        assert page.locator("#clusters tbody tr").count() == 500
        assert visit.wrong == []
