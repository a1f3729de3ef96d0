"""Types what a Markdown page says to type: the blocks whose language is ``console``, one by one, into one bash.

What stands behind ``$ `` is typed, and what stands below it is what it prints. A number with a point in it stands for
any number, as in `run_page`; all else is meant to the letter. A comment above a block says what is not:

=============================  ======================================================================================
``<!-- soon -->``              it takes a moment to come true: it is typed again until it has
``<!-- drawn: 10% two -->``    lines such as ``93 one``: that share of their sum is ``two``'s, give or take what one run
                               in a million exceeds
``<!-- any: 12 -->``           that number stands for any, too
``<!-- skip: reason -->``      it is not typed
=============================  ======================================================================================
"""

from __future__ import annotations

import math
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple, Self

from .run_page import alike

ALARMS = 1e-6
"""One run in a million fails although the shares are right: nothing seeds the draws of a mesh in use."""
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"^\$ (?P<command>[^\n]*)\n(?P<said>(?:(?!\$ )[^\n]*\n)*)", re.MULTILINE)
PATIENCE = 60.0
"""Seconds for one command, on a busy machine."""
BREATH = 0.1
"""Seconds until something that takes a moment is asked for again."""
END = "\x1e"


class Typed(NamedTuple):
    line: int
    """Of the page, counted from 1."""
    command: str
    said: str
    mark: str


def typed(text: str) -> list[Typed]:
    """All that a page says to type, but for what is skipped."""
    found = []
    for block in BLOCK.finditer(text):
        mark = block["mark"] or ""
        if mark.startswith("skip:"):
            continue
        for each in TYPED.finditer(block["text"]):
            line = text.count("\n", 0, block.start("text") + each.start()) + 1
            found.append(Typed(line, each["command"], each["said"].strip("\n"), mark))
    return found


class Bash:
    """A shell, and all that it starts: ended with it."""

    def __init__(self, cwd: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:
            self.process.stdin.close()

    def type(self, command: str) -> str:
        """What it prints until it is ready for the next command."""
        self.process.stdin.write(f"{{ {command}\n}} </dev/null; printf '{END}'\n".encode())
        self.process.stdin.flush()
        until = time.monotonic() + PATIENCE
        while END.encode() not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert more, f"{command}\nis not over, and has said\n{self.rest.decode()}"
            self.rest += more
        said, _, self.rest = self.rest.partition(END.encode())
        return said.decode().replace("\r\n", "\n").strip("\n")


def run(text: str, bash: Bash) -> list[tuple[Typed, str]]:
    """Type it all. Answers what was said, and fails where that is not what the page says."""
    done = []
    for each in typed(text):
        said = bash.type(each.command)
        until = time.monotonic() + PATIENCE
        while each.mark == "soon" and not is_so(each, said) and time.monotonic() < until:
            time.sleep(BREATH)
            said = bash.type(each.command)
        sound = is_so(each, said)
        assert sound, f"line {each.line}: $ {each.command}\n{said}\n-- where the page says\n{each.said}"
        done.append((each, said))
    return done


def is_so(each: Typed, said: str) -> bool:
    """Whether it is what the page says, as its mark has it."""
    kind, _, mark = each.mark.partition(": ")
    if kind == "drawn":
        return drawn(mark, said)
    return alike(re.sub(rf"\b{mark}\b", f"{mark}.0", each.said) if kind == "any" else each.said, said)


def drawn(mark: str, said: str) -> bool:
    """Whether a share is what it should be."""
    share, name = re.fullmatch(r"(\d+)% (\w+)", mark).groups()
    counts = {line.split()[1]: int(line.split()[0]) for line in said.splitlines()}
    least, most = bounds(sum(counts.values()), int(share) / 100, ALARMS)
    return least <= counts.get(name, 0) <= most


def bounds(calls: int, share: float, alarms: float) -> tuple[int, int]:
    """The least and the most of so many calls, outside of which they are with a probability of at most ``alarms``."""
    chances = [math.comb(calls, k) * share**k * (1 - share) ** (calls - k) for k in range(calls + 1)]
    least, below = 0, 0.0
    while below + chances[least] <= alarms / 2:
        below += chances[least]
        least += 1
    most, above = calls, 0.0
    while above + chances[most] <= alarms / 2:
        above += chances[most]
        most -= 1
    return least, most
