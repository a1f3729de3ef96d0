"""Files: which of their versions make a set, whoever writes them and however."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest

from meshkit.cluster.endpoint import Endpoint
from meshkit.discover import File
from meshkit.errors import ConfigError, DiscoveryError
from meshkit.testing import run, virtual_clock

from .watching import Naps, nothing, told

A, B, C = "10.0.0.7:80", "10.0.0.8:80", "10.0.0.9:80"
YEARS_AGO = 1_500_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a file that has been lying there for long."""
    made = tmp_path / "endpoints.txt"
    made.write_text(f"{A}\n", "utf-8")
    os.utime(made, (YEARS_AGO, YEARS_AGO))
    return made


def written(path: Path, text: str) -> Callable[[], None]:
    """Another version of the same file, in place."""

    def write() -> None:
        path.write_text(text, "utf-8")

    return write


def replaced(path: Path, text: str) -> Callable[[], None]:
    """A new file, renamed over it."""

    def replace() -> None:
        new = path.with_name("new")
        new.write_text(text, "utf-8")
        new.replace(path)

    return replace


@pytest.mark.parametrize("change", [written, replaced])
async def test_a_change_is_told_when_it_has_come_to_rest(naps: Naps, path: Path, change: Any) -> None:
    naps.then = [nothing, change(path, f"{A}\n{B}\n"), nothing, nothing, change(path, ""), nothing]
    assert await told(File(path, interval=0.5, least=0)) == [[A], [A, B], []]
    assert naps.lengths == [0.5] * 7


async def test_it_takes_one_interval_to_come_to_rest(naps: Naps, path: Path) -> None:
    naps.then = [written(path, f"{A}\n{B}\n")]
    assert await told(File(path)) == [[A]]
    naps.then = [written(path, f"{C}\n"), nothing]
    os.utime(path, (YEARS_AGO, YEARS_AGO))
    assert await told(File(path)) == [[A, B], [C]]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_virtual_time(backend: str, path: Path) -> None:
    async def main() -> list[Any]:
        began, found = virtual_clock(), []
        async with aclosing(File(path, interval=5.0).watch()) as sets:
            async for endpoints in sets:
                found.append((virtual_clock() - began, [str(each) for each in endpoints]))
                if len(found) == 2:
                    break
                replaced(path, f"{B}\n")()
        return found

    assert run(main, backend=backend) == [(0.0, [A]), (10.0, [B])]


async def test_half_a_file_is_no_set(naps: Naps, path: Path) -> None:
    """Half a list of lines still is one; the writer is given the time that it takes."""
    naps.then = [
        written(path, ""),
        written(path, f"{B}\n"),
        written(path, f"{B}\n{C[:-3]}"),
        written(path, f"{B}\n{C}\n"),
        nothing,
        nothing,
    ]
    assert await told(File(path)) == [[A], [B, C]]


async def test_a_writer_that_stops_half_way(naps: Naps, path: Path) -> None:
    path = path.with_suffix(".json")
    written(path, f'["{A}"]')()
    os.utime(path, (YEARS_AGO, YEARS_AGO))
    naps.then = [written(path, f'["{A}", "10.0'), nothing]
    found: list[list[str]] = []
    with pytest.raises(DiscoveryError, match=r"endpoints\.json, line 1, column 17: no JSON: Unterminated string"):
        await told(File(path), found)
    assert found == [[A]]
    naps.then = [written(path, f'["{A}", "{B}"]'), nothing]
    os.utime(path)  # just now: somebody may be writing
    assert await told(File(path)) == [[A, B]]


async def test_a_new_file_is_not_read_before_it_rests(naps: Naps, path: Path) -> None:
    written(path, "")()
    naps.then = [written(path, f"{B}\n"), nothing]
    assert await told(File(path)) == [[B]]


async def test_a_clock_that_is_behind_does_not_matter(naps: Naps, path: Path) -> None:
    os.utime(path, (5_000_000_000, 5_000_000_000))
    naps.then = [nothing]
    assert await told(File(path)) == [[A]]


@pytest.mark.parametrize("keep_the_time", [False, True])
async def test_a_change_of_the_same_length(naps: Naps, path: Path, keep_the_time: bool) -> None:
    """Also one that hides: the same size, and its time set back, as copying tools do."""

    def change() -> None:
        path.write_text(f"{B}\n", "utf-8")
        if keep_the_time:
            os.utime(path, (YEARS_AGO, YEARS_AGO))

    naps.then = [change, nothing]
    assert await told(File(path)) == [[A], [B]]


async def test_each_version_is_read_once(naps: Naps, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, reads = File._read, []

    def counted(self: File, version: Any) -> Any:
        reads.append(version.size)
        return read(self, version)

    monkeypatch.setattr(File, "_read", counted)
    naps.then = [nothing, nothing, written(path, f"{A}\n{B}\n"), nothing, nothing, nothing]
    assert await told(File(path)) == [[A], [A, B]]
    assert reads == [12, 24]


async def test_what_lists_the_same_is_no_change(naps: Naps, path: Path) -> None:
    naps.then = [written(path, f"# again\n{A} # the old one\n"), nothing, replaced(path, f"{A}\n"), nothing]
    assert await told(File(path)) == [[A]]


async def test_the_order_is_part_of_a_list(naps: Naps, path: Path) -> None:
    naps.then = [written(path, f"{A}\n{B}\n"), nothing, written(path, f"{B}\n{A}\n"), nothing]
    assert await told(File(path)) == [[A], [A, B], [B, A]]


async def test_a_config_map(naps: Naps, tmp_path: Path) -> None:
    """As kubelet writes it: files in a directory of their own, behind a link that is swapped."""

    def version(name: str, text: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "endpoints.txt").write_text(text, "utf-8")
        os.utime(tmp_path / name / "endpoints.txt", (YEARS_AGO, YEARS_AGO))
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    version("..2026_1", f"{A}\n")
    path = tmp_path / "endpoints.txt"
    path.symlink_to("..data/endpoints.txt")
    naps.then = [nothing, lambda: version("..2026_2", f"{B}\n"), nothing, nothing]
    assert await told(File(path)) == [[A], [B]]


async def test_one_that_never_rests_but_is_whole(naps: Naps, path: Path) -> None:
    """Debounced, and not starved: a thousand changes are a few sets, each of them whole."""
    texts = [f"{A}\n10.0.1.1:{port}\n" for port in range(1, 31)]
    naps.then = [replaced(path, text) for text in texts]
    found = await told(File(path))
    assert found == [[A], [A, "10.0.1.1:10"], [A, "10.0.1.1:20"], [A, "10.0.1.1:30"]]


async def test_one_that_is_replaced_after_each_look(naps: Naps, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never the version that was seen, and is read all the same."""
    texts = (f"10.0.1.1:{port}\n" for port in range(1, 100))
    look = File._look

    def behind(self: File) -> Any:
        seen = look(self)
        replaced(path, next(texts))()
        return seen

    monkeypatch.setattr(File, "_look", behind)
    naps.then = [nothing] * 20
    assert await told(File(path)) == [["10.0.1.1:11"], ["10.0.1.1:21"]]


async def test_one_that_never_rests_and_is_rewritten(naps: Naps, path: Path) -> None:
    naps.then = [written(path, "10.0.1.1:80\n" * number) for number in range(1, 31)]
    found: list[list[str]] = []
    with pytest.raises(DiscoveryError, match="rewritten in place again and again: write a new file and rename it"):
        await told(File(path), found)
    assert found == [[A]]
    assert len(naps.lengths) == 10


@pytest.mark.parametrize("moment", [1, 2])
async def test_one_that_changes_while_it_is_read(
    naps: Naps, path: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it was opened, or before its end was seen: what was read is dropped, and read anew when it rests."""
    looks, disturbed = 0, 2 + moment  # two for each read: the second one is disturbed
    fstat = os.fstat

    def changing(file: int) -> os.stat_result:
        nonlocal looks
        looks += 1
        if looks == disturbed:
            path.write_text(f"{B}\n{C}\n", "utf-8")
        return fstat(file)

    monkeypatch.setattr("meshkit.discover.file.os.fstat", changing)
    naps.then = [written(path, f"{B}\n"), nothing, nothing, nothing]
    source = File(path)
    assert await told(source) == [[A], [B, C]]
    disturbed = looks + moment
    written(path, "")()
    with pytest.raises(DiscoveryError, match="changes while it is being read"):
        source.first()


async def test_one_that_vanishes(naps: Naps, path: Path) -> None:
    naps.then = [path.unlink]
    found: list[list[str]] = []
    source = File(path)
    with pytest.raises(DiscoveryError, match=r"endpoints.txt: No such file or directory") as caught:
        await told(source, found)
    assert found == [[A]]
    assert caught.value.source is source
    with pytest.raises(DiscoveryError):
        source.first()
    replaced(path, f"{B}\n")()
    naps.then = [nothing]
    assert await told(source) == [[B]]


EMPTY = [
    ("txt", ""),
    ("txt", "# nobody\n\n"),
    ("json", "[]"),
    ("json", '{"endpoints": []}'),
    ("toml", "endpoints = []"),
]


@pytest.mark.parametrize(("suffix", "text"), EMPTY)
async def test_one_that_lists_nobody(naps: Naps, path: Path, suffix: str, text: str) -> None:
    """It was cut short more often than it is meant: whoever means it says so."""
    path = path.with_suffix(f".{suffix}")
    listed = {"txt": A, "json": f'["{A}"]', "toml": f'endpoints = ["{A}"]'}[suffix]
    written(path, listed)()
    os.utime(path, (YEARS_AGO, YEARS_AGO))
    source, found = File(path), []
    naps.then = [written(path, text), nothing]
    with pytest.raises(DiscoveryError) as caught:
        await told(source, found)
    assert str(caught.value) == f"{path}: it lists 0 endpoints, fewer than least=1: if that is meant, give least=0"
    assert caught.value.source is source
    assert found == [[A]]
    with pytest.raises(DiscoveryError, match="it lists 0 endpoints"):
        source.first()
    assert File(path, least=0).first() == ()


async def test_one_that_lists_too_few(naps: Naps, path: Path) -> None:
    source, found = File(path, least=2), []
    with pytest.raises(DiscoveryError, match="it lists 1 endpoint, fewer than least=2: if that is meant, give"):
        source.first()
    replaced(path, f"{A}\n{B} weight=0\n")()
    naps.then = [nothing, replaced(path, f"{C}\n"), nothing, nothing]
    with pytest.raises(DiscoveryError, match="it lists 1 endpoint"):
        await told(source, found)
    assert found == [[A, B]]
    replaced(path, f"{B}\n{C}\n")()
    naps.then = [nothing]
    assert await told(source) == [[B, C]]


def test_what_is_no_file(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DiscoveryError, match="it is no regular file"):
        File(tmp_path, format="txt").first()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DiscoveryError, match="it is no regular file"):
        File(tmp_path / "pipe", format="txt").first()
    with pytest.raises(DiscoveryError, match="it is no regular file"):
        File(tmp_path / "pipe", format="txt")._read(None)  # it took the file's place after the look
    path.write_bytes(b"10.0.0.7:80\n\xff\xfe\n")
    with pytest.raises(DiscoveryError, match=r"endpoints.txt: line 2 is no UTF-8"):
        File(path).first()
    monkeypatch.setattr("meshkit.discover.file.MOST_BYTES", 10)
    with pytest.raises(DiscoveryError, match="it has 15 bytes, more than 10"):
        File(path).first()


def test_one_that_may_not_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("meshkit.discover.file.open", refused, raising=False)
    with pytest.raises(DiscoveryError, match=r"endpoints.txt: Permission denied"):
        File(path).first()


def test_first(path: Path) -> None:
    path.write_text("10.0.0.7:80 priority=1\n10.0.0.8:80 locality=b\n", "utf-8")
    assert File(path, priority=2, locality="a").first() == (
        Endpoint(A, priority=3, locality="a"),
        Endpoint(B, priority=2, locality="b"),
    )
    with pytest.raises(DiscoveryError, match=r"endpoints.txt: Endpoint: priority=128"):
        File(path, priority=127).first()
    path.write_text("10.0.0.7\n", "utf-8")
    with pytest.raises(DiscoveryError, match=r"endpoints.txt, line 1: Endpoint: address='10.0.0.7': add the port"):
        File(path).first()


async def test_cancelled_while_the_disk_hangs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cannot wait for a file system that does not answer: the thread is left behind, and ends when it can."""
    reached, over, left = threading.Event(), threading.Event(), threading.Event()
    look = File._look

    def hang(self: File) -> Any:
        reached.set()
        over.wait(10.0)
        left.set()
        return look(self)

    monkeypatch.setattr(File, "_look", hang)
    async with anyio.create_task_group() as group:
        group.start_soon(told, File(path))
        assert await anyio.to_thread.run_sync(reached.wait, 10.0)
        group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught
    assert not left.is_set()
    over.set()
    assert await anyio.to_thread.run_sync(left.wait, 10.0)


async def test_cancelled_between_two_looks(path: Path) -> None:
    with anyio.CancelScope() as scope:
        async with aclosing(File(path, interval=3600.0).watch()) as sets:
            await anext(sets)
            scope.cancel()
            await anext(sets)
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("endpoints.yaml", {}, "File: format=None: give format, one of 'json', 'toml', 'txt'"),
        ("endpoints", {}, "File: format=None"),
        ("endpoints.txt", {"format": "yaml"}, "File: format='yaml'"),
        ("", {}, "File: path=''"),
        ("a\0.txt", {}, "File: path="),
        (7, {}, "File: path=7"),
        ("a.txt", {"interval": 0}, "File: interval=0"),
        ("a.txt", {"interval": float("inf")}, "File: interval=inf"),
        ("a.txt", {"least": -1}, "File: least=-1"),
        ("a.txt", {"least": 100_001}, "File: least=100001"),
        ("a.txt", {"least": 1.0}, "File: least=1.0"),
        ("a.txt", {"least": True}, "File: least=True"),
        ("a.txt", {"priority": 128}, "File: priority=128"),
        ("a.txt", {"locality": 7}, "File: locality=7"),
    ],
)
def test_what_cannot_be(path: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        File(path, **options)
    assert said in str(caught.value)


def test_the_form_is_the_suffix() -> None:
    assert File("/etc/a.JSON").format == "json"
    assert File(Path("/etc/a.toml")).format == "toml"
    assert File("/etc/a.conf", format="txt").format == "txt"
    assert File("/etc/a.txt") == File("/etc/a.txt", format="txt")
    assert File("/etc/a.txt", interval=0.5).retry_within == 0.5
