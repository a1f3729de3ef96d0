"""What does ``meshkit serve`` say of what cannot be meant? In the words of its options, before anything is opened."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshkit.cli.serve import _signals
from meshkit.errors import ConfigError

from .running import run

MESH = """
mesh: shop
clusters:
  up: {endpoints: ["127.0.0.1:1"]}
routes:
- {match: {prefix: /}, to: up}
listeners:
  public: {port: 0}
  local: {port: 1}
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--listener publc", "--listener publc: there is no such listener: did you mean public?"),
        ("--bind foo=:1", "--bind foo=:1: there is no listener foo that is served: give one of public, local"),
        ("--bind :1", "--bind :1: say which listener it is for, of public, local: public=..."),
        ("--status nonsense", "--status nonsense: write 127.0.0.1:8080, [::1]:8080, :8080 or unix:/run/shop.sock"),
        ("--metrics --no-status", "--metrics: they are beside the status page, and there is to be none"),
        ("--status-name a:b", "--status-name a:b: give names of hosts, such as 'status.shop.example'"),
        ("--node web", "--node web: there is none of that name; there are none"),
        ("--workers 0", "--workers 0: give a whole number from 1 to 1024"),
        ("--head 0s", "--head 0s: write a duration above 0, such as 30s or 500ms"),
        ("--drain soon", "--drain soon: write a duration, such as 30s or 500ms"),
        ("--ws-max-size 0", "--ws-max-size 0: write a size above 0, such as 16MiB"),
        ("--health healthz", "--health healthz: write a path, such as /healthz, or none"),
        ("--ready /up --health /up", "--ready /up: --health has that path as well"),
        ("--certfile c.pem", "--certfile c.pem: no listener that is served has scheme https"),
        (
            "--server granian --keep-alive 3s",
            "--keep-alive 3.0: granian has no such limit: leave it out, or have uvicorn serve",
        ),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, arguments: str, said: str) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(MESH, "utf-8")
    where = () if "--bind" in arguments else ("--bind", "public=127.0.0.1:0", "--bind", "local=127.0.0.1:0")
    assert run("serve", file, *where, *arguments.split(), status=2).output == said + "\n"


def test_https_needs_a_certificate(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(MESH.replace("port: 0", "port: 0, scheme: https"), "utf-8")
    assert (
        run("serve", file, status=2).output == "--certfile: public has scheme https: give a certificate, and its key\n"
    )


def test_metrics_need_what_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(MESH, "utf-8")
    found = importlib.util.find_spec
    missing = "prometheus_client"
    monkeypatch.setattr(
        "meshkit.gateway.server.options.find_spec", lambda name: None if name == missing else found(name)
    )
    output = run("serve", file, "--metrics", status=2).output
    assert output == "meshkit serve: --metrics needs prometheus_client: pip install 'meshkit[prometheus]'\n"


@pytest.fixture
def dispositions() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    former = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, what in former.items():
        signal.signal(number, what)


@pytest.mark.usefixtures("dispositions")
def test_signals_when_it_begins_and_when_it_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ConfigError), _signals():
        raise ConfigError("it does not come so far")
    assert signal.getsignal(signal.SIGTERM) is former
    with _signals():
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with _signals() as told:
        told("serving")
        signal.raise_signal(signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.raise_signal(number)  # it has ended, and says how
    assert capsys.readouterr().out == "serving\n"
