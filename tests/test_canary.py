"""An unchanged FastAPI service calls http://orders/, and a mesh file says who answers: seven ways, over loopback."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.canary import services
from examples.canary.__main__ import MESH, main
from examples.canary.street import Street, until
from examples.demo.upstreams import free_port
from meshkit.config.report import check
from meshkit.testing import routes

from .run_console import ALARMS, bounds

ROOT = Path(__file__).parents[1]


def elsewhere(path: Path) -> Path:
    """The file, with ports that are free."""
    text = MESH.read_text("utf-8")
    for port in ("8101", "8102"):
        assert text.count(f"127.0.0.1:{port}") == 1
        text = text.replace(port, str(free_port()))
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with Street(elsewhere(tmp_path_factory.mktemp("canary") / "mesh.yaml")) as street:
        yield street
        until(street.mesh.pipeline.idle)


@pytest.fixture
def broken(street: Street) -> Iterator[None]:
    """The new version is."""
    street.two.state.broken = True
    yield
    street.two.state.broken = False


def test_one_in_ten(street: Street) -> None:
    calls = 500
    served = street.buy("apples", calls)
    least, most = bounds(calls, 0.1, ALARMS)
    assert (least, most) == (21, 86)
    assert least <= served["2"] <= most
    assert served.total() == calls
    assert set(served) == {"1", "2"}


def test_whoever_asks_for_it(street: Street) -> None:
    assert street.buy("pears", 20, **{"x-canary": "always"}) == {"2": 20}
    assert street.buy("pears", 20, **{"x-canary": "never"}) == {"1": 20}
    assert street.buy("pears", 20) == {"1": 20}


def test_everybody_his_own(street: Street) -> None:
    found = {name: street.buy("plums", 5, **{"x-customer": name}) for name in ("ann", "cid", "dan", "gus")}
    assert found == {"ann": {"2": 5}, "cid": {"1": 5}, "dan": {"2": 5}, "gus": {"1": 5}}  # in any process


@pytest.mark.usefixtures("broken")
def test_copies_go_where_nobody_is_hurt(street: Street) -> None:
    street.two.state.asked.clear()
    assert street.buy("figs", 20) == {"1": 20}
    until(lambda: len(street.two.state.asked) >= 20)
    assert street.two.state.asked == ["buy/figs"] * 20


def test_other_words(street: Street) -> None:
    assert street.ask("cherries") == {"version": "2", "path": "/v2/purchases/cherries"}


def test_other_places(street: Street) -> None:
    before = len(street.one.state.asked), len(street.two.state.asked)
    assert street.ask("quinces") == {"version": "2", "path": "/v2/purchases/cherries"}
    assert (len(street.one.state.asked), len(street.two.state.asked)) == (before[0], before[1] + 1)


def test_a_rollout_goes_to_its_end_and_takes_back_what_fails(street: Street) -> None:
    release = street.mesh.pipeline.control("release")
    assert street.sell("melons", until="done") == 0
    assert street.buy("melons", 20) == {"2": 20}

    street.two.state.broken = True
    try:
        release.reset()
        # Ten failures are needed, a call is tried three times: the tenth is the first attempt of the fourth call.
        assert street.sell("melons", until="rolled-back") == 3
        assert street.buy("melons", 20) == {"1": 20}
    finally:
        street.two.state.broken = False
    assert street.buy("melons", 5) == {"1": 5}  # until somebody says so
    release.reset()
    assert release.snapshot()["state"] == "step 1 (10%)"


def test_the_table_of_the_file() -> None:
    routes(MESH).check(
        """
        GET http://orders/buy/apples                        -> apples  /buy/apples
        GET http://orders/buy/pears?count=3                 -> pears   /buy/pears?count=3
        GET http://orders/buy/figs                          -> orders
        GET http://orders/buy/cherries/sour                 -> orders-v2  /v2/purchases/cherries/sour
        GET http://orders/buy/quinces                       -> 307  http://orders/buy/cherries
        GET http://orders/buy/melons                        -> melons
        GET http://orders/                                  -> orders  /
        GET http://elsewhere/                               -> 404
        """
    )


def test_nothing_is_odd_about_the_file() -> None:
    report = check(MESH)
    assert report.sound(strict=True), report.mistakes or report.findings
    assert report.notes == 0


def test_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(elsewhere(tmp_path / "mesh.yaml"), calls=20)
    assert re.fullmatch(
        r"apples    \d+\.\d % were served by the new version\n"
        r"pears     20 of 20 who asked for it, and 0 of 20 who would not have it\n"
        r"plums     ann was always served by version 2\n"
        r"plums     cid was always served by version 1\n"
        r"figs      0 by the new version, which has seen 20 copies\n"
        r"cherries  version 2 was asked for /v2/purchases/cherries\n"
        r"quinces   version 2 was asked for /v2/purchases/cherries\n"
        r"melons    20 of 20 by the new version, at the end of its rollout\n"
        r"melons    it broke, 3 calls failed, and 20 of the next 20 were served by the old one\n",
        capsys.readouterr().out,
    )


def test_the_tutorial_shows_the_very_code() -> None:
    page = (ROOT / "docs/tutorial/canary.md").read_text("utf-8")
    for each in (services.orders_service, services.shop_service, services.serve):
        assert inspect.getsource(each) in page
