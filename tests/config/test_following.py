"""The file of a mesh is followed: what is read of it, when, and what becomes of what is wrong."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshkit import ConfigError
from meshkit.config import FileErrors, Mesh, following

NEVER = 86400.0
"""Seconds: nothing happens but what a test does."""
TEXT = "mesh: shop\nclusters:\n  orders: {{endpoints: [10.0.0.{}:80]}}\n"
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
THREADED = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
TIMES = itertools.count(1_000_000_000)


class File:
    """A mesh file and who follows it. Each change is one to `stat`, however coarse its clock is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(TEXT.format(1))
        self.mesh = Mesh.from_file(path)
        self.stop = self.mesh.follow(NEVER, signals=False)

    def write(self, text: str) -> None:
        self.path.write_text(text)
        self.touch()

    def touch(self) -> None:
        os.utime(self.path, ns=(0, next(TIMES) * 1_000_000_000))

    def replace(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)
        self.touch()

    def look(self, times: int = 1, **how: bool) -> int:
        """The version after so many looks."""
        for _ in range(times):
            self.mesh._follower.look(self.mesh, **how)  # type: ignore[union-attr]  # it is followed
        return self.mesh.version

    @property
    def at(self) -> str:
        """Where the cluster is."""
        return str(self.mesh.spec.clusters[0].endpoints[0].address)

    @property
    def readings(self) -> int:
        return self.mesh._source.in_full  # type: ignore[union-attr]  # it is of a file


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    file = File(tmp_path / "mesh.yaml")
    yield file
    file.stop()


# What is seen.


def test_what_has_not_changed_is_not_read(file: File) -> None:
    assert file.look(3) == 1
    assert file.readings == 1


def test_a_change_is_read_when_it_has_not_changed_again(file: File) -> None:
    file.look()
    file.write(TEXT.format(2))
    assert file.look() == 1
    assert file.look() == 2
    assert file.at == "10.0.0.2:80"
    assert file.look(3) == 2
    assert file.readings == 2


def test_a_change_before_the_first_look_counts_by_its_age(file: File) -> None:
    file.write(TEXT.format(2))  # long ago, by its time
    assert file.look() == 2


def test_half_a_file_is_waited_for(file: File) -> None:
    file.look()
    whole = TEXT.format(2)
    for length in (0, 10, 35, 50):
        file.write(whole[:length])
        assert file.look() == 1
    file.write(whole)
    file.look(2)
    assert file.readings == 2
    assert file.at == "10.0.0.2:80"
    assert file.mesh.trouble is None


def test_a_change_while_it_is_read_is_another_one(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = following.contents
    left = [TEXT.format(3)]

    def meanwhile(path: str) -> bytes:
        found = contents(path)
        if left:
            file.write(left.pop())
        return found

    monkeypatch.setattr(following, "contents", meanwhile)
    file.look()
    file.write(TEXT.format(2))
    assert file.look(2) == 1
    assert file.look(2) == 2
    assert file.at == "10.0.0.3:80"


def test_a_new_file_at_each_look_is_read_in_the_end(file: File) -> None:
    file.look()
    for number in range(2, 30):
        file.replace(TEXT.format(number))
        file.look()
    assert file.mesh.version > 2
    assert file.mesh.trouble is None
    file.look(2)
    assert file.at == "10.0.0.29:80"


def test_one_that_is_rewritten_in_place_at_each_look_is_trouble(file: File, caplog: pytest.LogCaptureFixture) -> None:
    file.look()
    for number in range(2, 30):
        file.write(TEXT.format(number))
        assert file.look() == 1
    assert "again and again; write a new file" in str(file.mesh.trouble)
    assert len(caplog.records) == 1
    assert file.look(2) == 2
    assert file.mesh.trouble is None


def test_a_link_that_is_swapped_is_a_change(tmp_path: Path) -> None:
    """As the ``..data`` of a Kubernetes ConfigMap: the file's own link stays what it is."""
    for number in (1, 2):
        (tmp_path / f"..v{number}").mkdir()
        (tmp_path / f"..v{number}" / "mesh.yaml").write_text(TEXT.format(number))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "mesh.yaml").symlink_to("..data/mesh.yaml")
    mesh = Mesh.from_file(tmp_path / "mesh.yaml")
    stop = mesh.follow(NEVER, signals=False)
    look = mesh._follower.look  # type: ignore[union-attr]  # it is followed
    look(mesh)
    (tmp_path / "..new").symlink_to("..v2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    for _ in range(2):
        look(mesh)
    assert mesh.version == 2
    stop()


# What is wrong.


def test_what_is_wrong_leaves_the_version_there_is_and_is_told_once(
    file: File, caplog: pytest.LogCaptureFixture
) -> None:
    file.look()
    file.write(TEXT.format(2) + "cluster: {}\n")
    assert file.look(2) == 1
    assert isinstance(file.mesh.trouble, FileErrors)
    assert file.mesh.trouble.mistakes[0].line == 4
    assert file.mesh.trouble.__traceback__ is None
    file.look(3)
    [line] = caplog.records
    assert (line.name, line.levelno) == ("meshkit", logging.ERROR)
    assert line.getMessage().startswith("mesh shop stays at version 1: ")
    assert "mesh.yaml:4:1:" in line.getMessage()
    file.touch()
    file.look(2)
    assert len(caplog.records) == 1
    file.write(TEXT.format(2) + "x: {}\n")
    file.look(2)
    file.write(TEXT.format(2) + "cluster: {}\n")
    file.look(2)
    assert len(caplog.records) == 2
    file.write(TEXT.format(1))
    assert file.look(2) == 1
    assert file.mesh.trouble is None
    file.write(TEXT.format(2) + "x: {}\n")
    file.look(2)
    assert len(caplog.records) == 3


def test_one_that_is_gone_for_a_moment_is_not_missed(file: File, caplog: pytest.LogCaptureFixture) -> None:
    file.look()
    file.path.unlink()
    file.look()
    assert file.mesh.trouble is None
    file.look(3)
    assert "there is no such file" in str(file.mesh.trouble)
    assert len(caplog.records) == 1
    file.write(TEXT.format(1))
    assert file.look(2) == 1
    assert file.mesh.trouble is None


def test_what_is_no_file_any_more(file: File) -> None:
    file.look()
    file.path.unlink()
    file.path.mkdir()
    file.look(2)
    assert "a directory" in str(file.mesh.trouble)


def test_what_nobody_could_foresee_is_trouble_too(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    class OddError(Exception):
        def __init__(self, one: int, other: int) -> None:
            super().__init__("odd")

    def odd(path: str) -> bytes:
        raise OddError(1, 2)

    monkeypatch.setattr(following, "contents", odd)
    file.look()
    file.touch()
    assert file.look(2) == 1
    assert str(file.mesh.trouble) == "odd"


def test_a_new_version_is_told_of(file: File, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "meshkit")
    file.look()
    file.write(TEXT.format(2))
    file.look(2)
    assert [each.getMessage() for each in caplog.records] == ["mesh shop: version 2: cluster orders: endpoints"]


# Versions, and the file.


def test_a_file_that_says_the_same_is_no_version(file: File) -> None:
    file.look()
    file.write("# more\n" + TEXT.format(1))
    assert file.look(2) == 1
    file.touch()
    assert file.look(2) == 1
    assert file.mesh.reload() == 1


def test_a_rollback_stays_until_the_file_says_something_else_or_it_is_reloaded(file: File) -> None:
    file.look()
    file.write(TEXT.format(2))
    file.look(2)
    assert file.mesh.rollback() == 3
    file.touch()
    assert file.look(2) == 3
    assert file.at == "10.0.0.1:80"
    assert file.mesh.reload() == 4
    assert file.at == "10.0.0.2:80"
    file.mesh.rollback()
    file.write(TEXT.format(3))
    assert file.look(2) == 6
    file.mesh.rollback()
    assert file.look(at_once=True) == 8


def test_a_reload_reads_at_once_and_tells_whoever_asks(file: File, caplog: pytest.LogCaptureFixture) -> None:
    file.write(TEXT.format(2))
    assert file.mesh.reload() == 2
    file.write(TEXT.format(3).replace("clusters", "cluster"))
    with pytest.raises(FileErrors, match="clusters"):
        file.mesh.reload()
    assert file.mesh.version == 2
    assert isinstance(file.mesh.trouble, FileErrors)
    assert file.mesh.trouble.__traceback__ is None
    assert not caplog.records
    assert file.look(2) == 2  # it was read, and is known to be wrong
    assert file.readings == 2
    file.write(TEXT.format(2))
    assert file.mesh.reload() == 2
    assert file.mesh.trouble is None


def test_what_is_of_no_file_is_neither_reloaded_nor_followed() -> None:
    mesh = Mesh()
    for ask in (mesh.reload, mesh.follow):
        with pytest.raises(ConfigError, match="of no file"):
            ask()


@pytest.mark.parametrize("interval", [0, -1, 0.001, 1e6, "1s", None, True, float("nan")])
def test_an_interval_that_is_none(file: File, interval: Any) -> None:
    file.stop()
    with pytest.raises(ConfigError, match="interval"):
        file.mesh.follow(interval)


def test_a_mesh_is_followed_once_at_a_time(file: File) -> None:
    with pytest.raises(ConfigError, match="already"):
        file.mesh.follow()
    file.stop()
    file.stop()
    again = file.mesh.follow(NEVER, signals=False)
    again()


# Threads, signals, processes.


class Told(logging.Handler):
    """Waits for a line of the log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.event.set()

    def wait(self) -> bool:
        found = self.event.wait(10)
        self.event.clear()
        return found


@pytest.fixture
def told() -> Iterator[Told]:
    told, log = Told(), logging.getLogger("meshkit")
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(told)
    yield told
    log.removeHandler(told)
    log.setLevel(before)


def followers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "meshkit follows"]


def test_a_thread_does_it_and_ends_with_the_stop(file: File, told: Told) -> None:
    file.stop()
    before = followers()
    stop = file.mesh.follow(0.01, signals=False)
    [thread] = [each for each in followers() if each not in before]
    assert thread.daemon
    for number in (2, 3):
        file.write(TEXT.format(number))
        assert told.wait()
        assert file.mesh.version == number
    stop()
    thread.join(10)
    assert not thread.is_alive()


def test_it_ends_with_the_mesh(file: File) -> None:
    [thread] = [each for each in followers() if each._target.__self__ is file.mesh._follower]  # type: ignore[attr-defined]
    gone = weakref.ref(file.mesh)
    del file.mesh
    gc.collect()
    assert gone() is None
    thread.join(10)
    assert not thread.is_alive()


def test_no_version_comes_of_what_is_read_after_the_stop(file: File) -> None:
    file.look()
    file.write(TEXT.format(2))
    file.look()
    with file.mesh._parts.turn:
        thread = threading.Thread(target=file.look)
        thread.start()
        file.stop()
    thread.join(10)
    assert file.mesh.version == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal")
def test_a_signal_has_it_read_at_once(file: File, told: Told) -> None:
    file.stop()
    before = signal.getsignal(signal.SIGHUP)
    stop = file.mesh.follow(NEVER)
    file.write(TEXT.format(2))
    signal.raise_signal(signal.SIGHUP)
    assert told.wait()
    assert file.mesh.version == 2
    stop()
    assert signal.getsignal(signal.SIGHUP) is before


def test_it_keeps_no_process_alive(file: File) -> None:
    code = "import sys; from meshkit.config import Mesh; Mesh.from_file(sys.argv[1]).follow(0.01)"
    subprocess.run([sys.executable, "-c", code, file.path], check=True, timeout=30)
    code = "import sys; from meshkit.config import Mesh; mesh = Mesh.from_file(sys.argv[1]); mesh.follow(0.01)"
    subprocess.run([sys.executable, "-c", code, file.path], check=True, timeout=30)


@FORKS
@THREADED
def test_the_child_of_a_process_follows_as_well(file: File, told: Told) -> None:
    file.stop()
    stop = file.mesh.follow(0.01, signals=False)
    child = os.fork()
    if child == 0:
        file.write(TEXT.format(2))
        os._exit(0 if told.wait() and file.mesh.version == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert told.wait()
    stop()


@FORKS
@THREADED
def test_a_child_that_is_forked_while_a_thread_reads_is_not_kept_waiting(file: File, told: Told) -> None:
    holding, go = threading.Event(), threading.Event()

    def hold() -> None:
        with file.mesh._parts.turn:
            file.mesh._parts._becoming = threading.get_ident()
            holding.set()
            go.wait(10)
            file.mesh._parts._becoming = 0

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        file.write(TEXT.format(2))
        os._exit(0 if file.mesh.reload() == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    thread.join(10)
