"""How do several processes serve one mesh? Forks of one that has opened the sockets and read the file.

The parent serves nobody: it starts them, and again whoever ends; passes on what it is told; and waits. It awaits
nothing either, since a process with threads or a loop is not to be forked: it has a selector, on which signals and
workers are heard. A worker that ends within `YOUNG` seconds is started again after a pause, twice as long each time.

It follows the file as they do, so that whoever is started again begins with the version that the others have; also
while the file is wrong. And it is the one that tells of the file, for all of them.

A worker that does not come up at all, when the server starts, ends the server. When the parent dies its workers drain.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from ...config.following import looking
from ...errors import ConfigError
from .log import written
from .process import END, Site, in_main_thread, reloaded, run, signals
from .worker import LAST

__all__ = ["Workers"]

YOUNG: Final = 10.0
FIRST, LONGEST = 0.1, 30.0
"""Seconds of a pause."""
LOOK: Final = 1.0
"""Seconds between two looks at the file."""
SLACK: Final = 5.0
"""Seconds over the bound, after which a worker is killed that should have ended."""
LOG: Final = logging.getLogger("meshkit.gateway")


class Worker:
    """One place, in which one process after the other works."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pid = 0
        self.link: socket.socket | None = None
        self.heard = b""
        self.ready = False
        self.began = 0.0
        self.pause = 0.0
        self.due: float | None = None
        """When it is to be started again."""

    def tell(self, word: bytes) -> None:
        if self.link is not None:
            with suppress(OSError):
                self.link.send(word)


class Workers:
    """All of them. ``ready`` is called when all are."""

    def __init__(self, site: Site, ready: Callable[[], None]) -> None:
        if not hasattr(os, "fork"):
            raise ConfigError.of("Serve", "workers", site.options.workers, "there are no forks on this system: 1")
        self._site = site
        self._ready = ready
        self._places = [Worker(number) for number in range(site.options.workers)]
        self._up = False
        self._ending = False
        self._last = 0.0
        """When who is left is killed."""
        self._cut = 0
        self._failed = ""
        self._struck: list[int] = []
        self._selector = selectors.DefaultSelector()
        follows = site.of_file and site.options.follow
        self._look = looking(site.mesh, LOOK) if follows else None
        self._due = time.monotonic() + LOOK
        """When it looks at the file."""

    def run(self) -> int:
        """Until all have ended. Answers how many requests were cut off. Raises `RuntimeError` if one does not start, or
        does not end as it should.
        """
        in_main_thread()
        listening, waking = socket.socketpair()
        for each in (listening, waking):
            each.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ)
        former = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)

        def struck(number: int, frame: Any) -> None:
            self._struck.append(number)

        names = [*END, signal.SIGHUP, signal.SIGCHLD]
        try:
            with signals(dict.fromkeys(names, struck)):
                for place in self._places:
                    self._fork(place, listening, waking)
                while any(place.pid for place in self._places) or not self._ending:
                    self._turn(listening, waking)
        finally:
            signal.set_wakeup_fd(former)
            self._selector.close()
            for place in self._places:
                if place.pid:  # something of our own went wrong
                    os.kill(place.pid, signal.SIGTERM)
            listening.close()
            waking.close()
        if self._failed:
            raise RuntimeError(self._failed)
        return self._cut

    def _turn(self, listening: socket.socket, waking: socket.socket) -> None:
        for key, _ in self._selector.select(self._patience()):
            if key.data is None:
                with suppress(BlockingIOError):
                    listening.recv(4096)
            else:
                self._hear(key.data)
        struck, self._struck = self._struck, []
        for number in struck:
            if number in END:
                self._end()
            elif number == signal.SIGHUP:
                self._reload()
                for place in self._places:
                    if place.pid:
                        os.kill(place.pid, signal.SIGHUP)
        self._bury()
        now = time.monotonic()
        if self._look is not None and not self._ending and now >= self._due:
            self._look()
            self._due = now + LOOK
        for place in self._places:
            if self._ending:
                if place.pid and now >= self._last:
                    os.kill(place.pid, signal.SIGKILL)
            elif place.due is not None and now >= place.due:
                self._fork(place, listening, waking)
                mesh = self._site.mesh
                if mesh.trouble is not None:
                    LOG.warning("worker %d begins with version %d, as the others", place.number + 1, mesh.version)

    def _patience(self) -> float | None:
        """Seconds until there is something to do by itself."""
        due = [place.due for place in self._places if place.due is not None and not self._ending]
        if self._look is not None and not self._ending:
            due.append(self._due)
        if self._ending:
            due.append(self._last)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _fork(self, place: Worker, *ours: socket.socket) -> None:
        mine, its = socket.socketpair()
        _flush()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*END, signal.SIGHUP})
        pid = os.fork()
        if pid == 0:
            self._child(place, its, (mine, *ours), blocked)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        its.close()
        mine.setblocking(False)
        place.pid, place.link, place.ready, place.due = pid, mine, False, None
        place.heard = b""
        place.began = time.monotonic()
        self._selector.register(mine, selectors.EVENT_READ, place)

    def _child(self, place: Worker, link: socket.socket, not_its: Any, blocked: Any) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*END, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            self._selector.close()
            for each in [*not_its, *(other.link for other in self._places if other.link is not None)]:
                each.close()
            written(place.number + 1)
            cut = run(self._site, lambda: link.sendall(b"ready\n"), worker=place.number, link=link)
            link.sendall(b"cut %d\n" % cut)
            status = 0
        except BrokenPipeError:
            status = 1  # the parent has gone: there is nobody to tell
        except OSError as error:
            LOG.error("%s", error)  # noqa: TRY400  # it says what there is to say
        except BaseException:
            traceback.print_exc()
        finally:
            _flush()
            os._exit(status)

    def _hear(self, place: Worker) -> None:
        link = place.link
        if link is None:
            return
        try:
            data = link.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(link)
            link.close()
            place.link = None
            return
        *lines, place.heard = (place.heard + data).split(b"\n")
        for line in lines:
            word, _, rest = line.partition(b" ")
            if word == b"ready":
                place.ready = True
            elif word == b"cut":
                self._cut += int(rest)
        if not (self._up or self._ending) and all(each.ready for each in self._places):
            self._up = True
            self._ready()

    def _bury(self) -> None:
        """See who has ended, and decide what comes of it."""
        for place in self._places:
            if not place.pid:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if not pid:
                continue
            while place.link is not None:
                self._hear(place)
            place.pid = 0
            code = os.waitstatus_to_exitcode(status)
            how = f"by signal {-code}" if code < 0 else f"with status {code}"
            if self._ending:
                if code:
                    self._failed = self._failed or f"worker {place.number + 1} ended {how}"
            elif not (self._up or place.ready):
                self._failed = f"worker {place.number + 1} does not start: it ended {how}"
                self._end()
            else:
                self._again(place, how)

    def _again(self, place: Worker, how: str) -> None:
        now = time.monotonic()
        young = now - place.began < YOUNG
        place.pause = min(LONGEST, place.pause * 2 or FIRST) if young else 0.0
        place.due = now + place.pause
        LOG.error("worker %d ended %s: it is started again in %.1f s", place.number + 1, how, place.pause)

    def _end(self) -> None:
        word = b"now\n" if self._ending else b"drain\n"
        if not self._ending:
            self._ending = True
            options = self._site.options
            self._last = time.monotonic() + options.grace + options.drain + 3 * LAST + SLACK
            for each in [*self._site.bound, *self._site.status]:
                each.close()
        else:
            self._last = min(self._last, time.monotonic() + 3 * LAST + SLACK)
        for place in self._places:
            place.tell(word)

    def _reload(self) -> None:
        """So that whoever is started from now on begins with what the others have."""
        if self._look is not None:
            self._look(at_once=True)
        elif self._site.of_file:
            reloaded(self._site.mesh)


def _flush() -> None:
    """What was said is said once. Either stream may be closed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
