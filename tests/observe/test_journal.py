"""The journal: one line each, bounded, whole whoever writes, and read back whatever else stands there."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from meshkit import ConfigError
from meshkit.observe.record.journal import LINE, Journal, default_path, read

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes and locks of files are of POSIX")


class Record:
    def __init__(self, number, text=None, size=0):
        self.said = text or json.dumps({"meshkit": 1, "number": number, "filling": "x" * size})

    def json(self):
        return self.said


def written(path, *numbers, **options):
    journal = Journal(path, **options)
    for number in numbers:
        journal.write(Record(number, size=20))
    return journal


def found(path):
    return [data["number"] for data in read(path)]


def test_what_is_written_is_read_in_order(tmp_path):
    journal = written(tmp_path / "a.jsonl", 1, 2, 3)
    assert [data["number"] for data in journal.read()] == found(journal.path) == [1, 2, 3]
    assert len(journal.path.read_text().splitlines()) == 3


@POSIX
def test_its_folder_is_made_and_both_are_the_owners_alone(tmp_path):
    journal = written(tmp_path / "deep" / "er" / "a.jsonl", 1)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_goes_is_made_again(tmp_path):
    journal = written(tmp_path / "gone" / "a.jsonl", 1)
    journal.path.unlink()
    journal.path.parent.rmdir()
    journal.write(Record(2))
    assert found(journal.path) == [2]


def test_it_turns_over_and_keeps_one_old_file(tmp_path):
    """A line has 63 bytes here: three of them fit."""
    path = tmp_path / "a.jsonl"
    assert len(Record(1, size=20).said) + 1 == 63
    written(path, *range(1, 9), limit=200)
    assert found(path) == [4, 5, 6, 7, 8]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.1"]
    assert all(each.stat().st_size <= 200 for each in tmp_path.iterdir())


def test_a_line_above_the_limit_stands_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    written(path, 1, 2, limit=10)
    assert found(path) == [1, 2]
    assert path.read_text().count("\n") == 1


def test_a_record_is_one_line_whatever_is_in_it(tmp_path):
    journal = Journal(tmp_path / "a.jsonl")
    journal.write(Record(1, '{"meshkit": 1,\n "number":\r\n 7, "odd": "\ud800\u2028"}'))
    assert found(journal.path) == [7]
    assert journal.path.read_bytes().count(b"\n") == 1


def test_what_is_torn_foreign_or_too_long_is_skipped_and_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    good = json.dumps({"meshkit": 1, "number": 1}).encode()
    lines = [good, b"{", b"", b"[1]", b'{"other": 1}', b'{"meshkit": true}', b"\xff\xfe", b"[" * 50_000, good]
    lines += [
        b'{"meshkit": 1, "number": 2, "x": "' + b"x" * (3 * LINE) + b'"}',
        b"7" * 5000,
        good,
        b'{"meshkit": 1, "n',
    ]
    path.write_bytes(b"\n".join(lines))
    rows = read(path)
    assert [data["number"] for data in rows] == [1, 1, 1]
    assert rows.skipped == 9


@pytest.mark.parametrize("size", [LINE - 1, LINE, LINE + 1, 2 * LINE])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_of_just_the_length_that_is_read(tmp_path, size, end):
    path = tmp_path / "a.jsonl"
    line = b'{"meshkit": 1, "number": 1, "x": "'
    whole = line + b"x" * (size - len(line) - 2 - len(end)) + b'"}' + end
    path.write_bytes(whole)
    rows = read(path)
    kept = [data["number"] for data in rows]
    assert (kept, rows.skipped) == (([1], 0) if size < LINE or (size == LINE and end) else ([], 1))


def test_what_was_torn_off_takes_no_other_line_with_it(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"meshkit": 1, "numb')
    journal = written(path, 1)
    rows = journal.read()
    assert [data["number"] for data in rows] == [1]
    assert rows.skipped == 1


def test_where_nothing_was_written_there_is_no_journal(tmp_path):
    with pytest.raises(FileNotFoundError):
        next(Journal(tmp_path / "a.jsonl").read())


def test_the_old_file_alone_is_read(tmp_path):
    path = tmp_path / "a.jsonl"
    written(path, 1)
    path.rename(tmp_path / "a.jsonl.1")
    assert found(path) == [1]


def test_it_may_turn_over_while_it_is_read(tmp_path):
    path = tmp_path / "a.jsonl"
    written(path, 1, 2, 3, 4, limit=200)  # 1 to 3 are in the old file
    rows = read(path)
    seen = [next(rows)["number"]]
    written(path, *range(5, 12), limit=200)
    assert seen + [data["number"] for data in rows] == [1, 2, 3, 4, 5, 6]  # those two went into the file that was open


def test_a_disk_that_fails_is_told_to_the_writer(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        Journal(tmp_path / "file" / "a.jsonl").write(Record(1))
    with pytest.raises(OSError, match=r"Is a directory|Permission"):
        Journal(tmp_path).write(Record(1))
    journal = Journal(tmp_path / "a.jsonl")
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, line: whole(file, line[:7]))
    with pytest.raises(OSError, match="No space left"):
        journal.write(Record(1))
    monkeypatch.undo()
    journal.write(Record(2))
    assert found(journal.path) == [2]


@POSIX
def test_a_pipe_in_its_place_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "a.jsonl"
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        Journal(path).write(Record(1))
    with pytest.raises(OSError, match="no regular file"):
        next(read(path))
    path.rename(tmp_path / "a.jsonl.1")
    with pytest.raises(OSError, match="no regular file"):
        next(read(path))
    written(path, 1)
    assert found(path) == [1]


@pytest.mark.parametrize("full", [False, True])
def test_a_folder_in_the_way_of_the_old_file(tmp_path, full):
    """The file grows to twice its limit, six lines here, and begins anew."""
    path, last = tmp_path / "a.jsonl", 10 if full else 6
    (tmp_path / "a.jsonl.1" / "full").mkdir(parents=True)
    written(path, *range(1, last + 1), limit=200)
    assert found(path) == ([7, 8, 9, 10] if full else [1, 2, 3, 4, 5, 6])
    assert path.stat().st_size <= 400


@POSIX
@pytest.mark.parametrize("there", [False, True])
def test_a_link_is_followed_and_stays_one(tmp_path, there):
    path, real = tmp_path / "a.jsonl", tmp_path / "elsewhere" / "real.jsonl"
    real.parent.mkdir()
    if there:
        real.touch()
    path.symlink_to(real)
    written(path, *range(1, 9), limit=200)
    assert path.is_symlink()
    assert sorted(each.name for each in real.parent.iterdir()) == ["real.jsonl", "real.jsonl.1"]
    assert [each.name for each in tmp_path.iterdir() if each != real.parent] == ["a.jsonl"]
    assert found(path) == found(real) == [4, 5, 6, 7, 8]


def test_what_json_has_not_is_read_as_null(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"meshkit": 1, "odd": [NaN, Infinity, -Infinity, 1e999, -1e999, 1.5, 7, "NaN"]}')
    assert [data["odd"] for data in read(path)] == [[None] * 5 + [1.5, 7, "NaN"]]


@POSIX
def test_who_does_not_get_the_lock_goes_on_writing(tmp_path):
    import fcntl

    path = tmp_path / "a.jsonl"
    written(path, 1, 2, 3, limit=200)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        written(path, 4, limit=200)
        assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]
    written(path, 5, limit=200)
    assert found(path) == [1, 2, 3, 4, 5]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.1"]


@POSIX
def test_a_file_that_others_have_moved_away_is_not_moved_again(tmp_path):
    """Between opening it and looking: the second mover would drop the old file for an empty one."""
    path = tmp_path / "a.jsonl"
    journal = written(path, 1, 2, 3, limit=200)
    opened = journal._opened()
    try:
        path.rename(tmp_path / "a.jsonl.1")
        written(path, 4)
        assert journal._moved_away(opened, 63)
    finally:
        os.close(opened)
    assert found(path) == [1, 2, 3, 4]


def test_many_threads_write_whole_lines(tmp_path):
    journal = Journal(tmp_path / "a.jsonl")

    def write(first):
        for number in range(first, first + 50):
            journal.write(Record(number, size=number))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = journal.read()
    assert sorted(data["number"] for data in rows) == list(range(200))
    assert rows.skipped == 0


WRITER = """
import sys
from meshkit.observe.record.journal import Journal
class Record:
    def json(self): return '{"meshkit": 1, "who": "%s", "number": %d, "filling": "%s"}' % (who, number, "x" * 200)
who, path = sys.argv[1:]
journal, record = Journal(path, limit=20_000), Record()
print("ready", flush=True)
sys.stdin.readline()
for number in range(400): journal.write(record)
"""


@POSIX
def test_many_processes_write_whole_lines_while_it_turns_over(tmp_path):
    path = tmp_path / "a.jsonl"
    command = [sys.executable, "-W", "error", "-c", WRITER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, who, path], cwd=ROOT, **pipes) for who in "ab"]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    rows = read(path)
    kept = [(data["who"], data["number"]) for data in rows]
    assert rows.skipped == 0
    assert len(kept) == len(set(kept)) > 20_000 / 300
    for who in "ab":
        numbers = [number for each, number in kept if each == who]
        assert numbers == list(range(400 - len(numbers), 400))  # the newest, none lost between
    for each in tmp_path.iterdir():
        assert each.stat().st_size <= 1.5 * 20_000  # what the other one wrote between looking and moving


def test_where_it_is(tmp_path, monkeypatch):
    monkeypatch.delenv("MESHKIT_JOURNAL", raising=False)
    assert default_path() == Path(".meshkit", "calls.jsonl")
    monkeypatch.setenv("MESHKIT_JOURNAL", str(tmp_path / "b.jsonl"))
    assert Journal().path == default_path() == tmp_path / "b.jsonl"
    assert repr(Journal("a", limit=7)) == "Journal('a', limit=7)"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": 7}, "Journal: path=7: give the path of a file"),
        ({"path": ""}, "Journal: path='': give the path of a file"),
        ({"limit": 0}, "Journal: limit=0: give a number of bytes"),
        ({"limit": True}, "Journal: limit=True: give a number of bytes"),
        ({"limit": 1e6}, "Journal: limit=1000000.0: give a number of bytes"),
    ],
)
def test_a_journal_that_cannot_be(options, said):
    with pytest.raises(ConfigError, match=said):
        Journal(**options)
