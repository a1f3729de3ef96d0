"""Is a page's console typed as it stands, and is what it prints held against the page?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .run_console import ALARMS, Bash, Typed, bounds, drawn, is_so, run, typed

bash_only = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")

PAGE = """
```console
$ echo one
one
$ x=3 &
$ y=4
```

<!-- skip: it would never end -->
```console
$ cat
```

<!-- soon -->
```console
$ printf . >> dots; wc -c < dots
3
```

```yaml
to: orders
```

<!-- any: 17 -->
```console
$ echo "$y 0.25 s, $$"
4 0.5 s, 17
```
"""


def test_what_is_typed() -> None:
    assert typed(PAGE) == [
        Typed(3, "echo one", "one", ""),
        Typed(5, "x=3 &", "", ""),
        Typed(6, "y=4", "", ""),
        Typed(16, "printf . >> dots; wc -c < dots", "3", "soon"),
        Typed(26, 'echo "$y 0.25 s, $$"', "4 0.5 s, 17", "any: 17"),
    ]


@bash_only
def test_it_is_one_shell(tmp_path: Path) -> None:
    with Bash(tmp_path, dict(os.environ)) as bash:
        done = run(PAGE, bash)
        assert bash.type("read line; echo $?; sleep 60 & cat") == "1"  # nobody answers, and it ends with the shell
    assert [said for _, said in done[:4]] == ["one", "", "", "3"]


@bash_only
@pytest.mark.parametrize(
    "said",
    ["$ echo one\ntwo", "$ echo one\n", "$ echo one; exit 7\none", "$ nobody-is-called-so\n"],
)
def test_a_page_can_fail(tmp_path: Path, said: str) -> None:
    with Bash(tmp_path, dict(os.environ)) as bash, pytest.raises(AssertionError):
        run(f"```console\n{said.rstrip()}\n```\n", bash)


@pytest.mark.parametrize(
    ("mark", "page", "said", "so"),
    [
        ("", "1 of 12", "1 of 12", True),
        ("", "1 of 12", "1 of 11", False),
        ("any: 12", "1 of 12", "1 of 11", True),
        ("any: 12", "1 of 12", "2 of 12", False),
        ("drawn: 10% two", "", "181 one\n 19 two", True),
        ("drawn: 10% two", "", "130 one\n 70 two", False),
        ("drawn: 10% two", "", "200 one", False),
    ],
)
def test_what_a_mark_lets_be(mark: str, page: str, said: str, so: bool) -> None:
    assert is_so(Typed(1, "", page, mark), said) is so


def test_the_bounds_are_those_of_the_binomial_distribution() -> None:
    assert bounds(2, 0.5, 0.4) == (0, 2)
    assert bounds(2, 0.5, 0.6) == (1, 1)
    assert bounds(1, 0.5, ALARMS) == (0, 1)
    assert bounds(500, 0.1, ALARMS) == (21, 86)
    assert drawn("50% b", "1 a\n1 b")
