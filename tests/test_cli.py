"""The command line: what is told, where it goes, and with which status it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from meshkit.cli import app

ROOT = Path(__file__).parents[1]


def record(number, outcome="failure", pipeline="orders", **more):
    call = {"kind": "function", "name": f"charge{number}"}
    data = {"meshkit": 1, "at": "2026-11-27T04:42:43.123Z", "pipeline": pipeline, "call": call, "outcome": outcome}
    return {**data, "complete": True, "duration": 0.5, "attempts": 0, "failure": None, "steps": [], **more}


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESHKIT_JOURNAL", raising=False)

    def write(*records, path=Path(".meshkit", "calls.jsonl")):
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{json.dumps(each) if isinstance(each, dict) else each}\n" for each in records))

    return write


def why(*options, status=0):
    done = CliRunner().invoke(app, ["why", *map(str, options)])
    assert done.exit_code == status, done.output
    return done


def told(*options):
    """The first words of each story."""
    return [each.split()[0] for each in why(*options).stdout.split("\n\n")]


def test_the_last_failed_call_is_told(journal):
    journal(record(1), record(2), record(3, "success"))
    assert why().stdout == "charge2() failed after 0.5 s.\n2026-11-27T04:42:43.123Z, pipeline orders\n"
    assert why("--last").stdout == why("--failed").stdout == why().stdout
    assert why().stderr == ""


def test_which_ones(journal):
    journal(record(1), record(2, "rejected", "stock"), record(3, "success"), record(4, None), record(5, ["odd"]))
    assert told("--count", 2) == ["charge2()", "charge5()"]
    assert told("--count", 9) == ["charge1()", "charge2()", "charge5()"]
    assert told("--all", "--count", 3) == ["charge3()", "charge4()", "charge5()"]
    assert told("--pipeline", "stock") == ["charge2()"]
    assert told("--last", "--count", 3) == ["charge5()"]


def failed(number, *, within=None, at="43.000", trace=None, duration=0.5, process="1-aa", error="KeyError", **more):
    failure = {"error": error, "says": None, "kind": "error", **more}
    own = {"id": f"{process}-{number}", "within": within, "trace": trace and {"trace_id": trace}}
    return record(number, at=f"2026-11-27T04:42:{at}Z", duration=duration, failure=failure, **own)


def test_what_failed_below_is_told_as_well(journal):
    journal(failed(1, within="1-aa-3"), failed(2, within="1-aa-4"), failed(4, within="1-aa-3"), failed(3))
    told = why().stdout.split("\n")
    assert [line[: len(line) - len(line.lstrip())] + line.split(":")[0].strip() for line in told[::2] if line] == [
        "charge3() failed after 0.5 s",
        "  below it",
        "    below it",
    ]
    assert [line.split("charge")[1][0] for line in told[::2] if line] == ["3", "4", "2"]
    assert "below it" not in why("--pipeline", "orders").stdout
    assert why("--count", "4").stdout.count("charge1()") == 1  # what is told by itself is not told again
    assert len(why("--json").stdout.splitlines()) == 1


def test_the_one_with_the_same_error_is_the_cause(journal):
    one, two = failed(1, within="1-aa-3", error="CircuitOpen"), failed(2, within="1-aa-3")
    journal(one, two, failed(3, error="CircuitOpen", own=False))
    assert "below it: charge1()" in why().stdout


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        (failed(1, trace="t", at="43.100", duration=0.2, process="2-bb"), True),
        (failed(1, trace="t", at="43.100", duration=0.2, process="2-bb", within="2-bb-9"), True),
        (failed(1, trace="u", at="43.100", duration=0.2), False),
        (failed(1, at="43.100", duration=0.2), False),
        (failed(1, trace="t", at="43.400", duration=0.2), False),
        (failed(1, trace="t", at="43.100", duration=0.2, within="1-aa-9"), False),
        (failed(1, trace="t", at="?", duration=0.2), False),
    ],
    ids=["process", "process-within", "trace", "none", "later", "elsewhere", "odd"],
)
def test_one_of_the_same_trace_and_time(journal, inner, found):
    journal(inner, failed(2, trace="t"))
    assert ("below it: charge1()" in why().stdout) == found


def test_as_json_it_is_the_record_itself(journal):
    odd = record(1, evil="\x7f\x9b\ud800\u202e")
    journal(odd, record(2))
    lines = why("--json", "--count", 2).stdout.splitlines()
    assert [json.loads(line) for line in lines] == [odd, record(2)]
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_what_is_printed_as_json_is_json(journal):
    journal('{"meshkit": 1, "outcome": "failure", "duration": NaN, "attempts": -Infinity, "at": 1e999}')
    assert why("--json").stdout == (
        '{"meshkit": 1, "outcome": "failure", "duration": null, "attempts": null, "at": null}\n'
    )


@pytest.mark.parametrize("duration", [10**400, 1e308], ids=["whole", "float"])
def test_numbers_beyond_all_bounds(journal, duration):
    journal(failed(1, trace="t", duration=duration), failed(2, trace="t", duration=duration))
    assert why().stdout.startswith("charge2() failed")
    assert why("--json", "--count", 2).stdout.count("charge") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes in the file system are of POSIX")
def test_a_pipe_is_not_waited_for(journal, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert why("--file", "pipe", status=1).stderr == "pipe cannot be read: no regular file\n"


def test_where_the_journal_is(journal, monkeypatch):
    journal(record(1), path=Path("other.jsonl"))
    assert told("--file", "other.jsonl") == ["charge1()"]
    monkeypatch.setenv("MESHKIT_JOURNAL", "other.jsonl")
    assert told() == ["charge1()"]


def test_what_is_no_record_is_skipped_and_said(journal):
    journal(record(1), "{", '{"other": 1}')
    done = why()
    assert done.stdout.startswith("charge1() failed")
    assert done.stderr == f"{Path('.meshkit', 'calls.jsonl')}: what is no record was skipped, 2 times\n"


@pytest.mark.parametrize(
    ("records", "options", "said"),
    [
        (None, (), "no journal at .meshkit/calls.jsonl: pipeline.listen(Recorder(to=Journal().write)) has failed"),
        ((), (), "no failed call in .meshkit/calls.jsonl: it is empty; pipeline.listen("),
        (
            (record(1, "success"),),
            (),
            "no failed call in .meshkit/calls.jsonl: 1 recorded, and none of them failed; --",
        ),
        (
            (record(1, None),),
            ("--all", "--pipeline", "x"),
            "no recorded call in .meshkit/calls.jsonl: none of its 1 rec",
        ),
        ((record(1), record(2)), ("--pipeline", "a\x1b"), r"of a pipeline 'a\\x1b'; there are 'orders'"),
        (("root:x:0:0", "{"), (), "it holds no record, but 2 other lines: is it a journal?"),
        ((), ("--file", "."), "cannot be read: Is a directory"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="its paths and its words are others")
def test_why_there_is_nothing_to_tell(journal, records, options, said):
    if records is not None:
        journal(*records)
    done = why(*options, status=1)
    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [("--count", "0"), ("--count", "many"), ("--colour",)])
def test_what_cannot_be_understood(journal, options):
    journal(record(1))
    assert why(*options, status=2).stdout == ""


# As a program.


def python(*arguments, cwd, **env):
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=cwd, env=whole, capture_output=True, timeout=60, check=False)


def test_it_is_a_program_and_plain_where_it_is_piped(journal, tmp_path):
    call = {"kind": "function", "name": "größe→"}
    journal(record(1, call=call))
    done = python("-m", "meshkit", "why", cwd=tmp_path, PYTHONIOENCODING="cp1252", FORCE_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == b"gr\xf6\xdfe\\u2192() failed after 0.5 s."


@pytest.mark.skipif(sys.platform == "win32", reason="a broken pipe is of POSIX")
def test_nobody_reads_on(journal, tmp_path):
    journal(*(record(1, failure={"error": "x" * 190, "kind": "error"}) for _ in range(900)))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-W", "error", "-m", "meshkit", "why", "--count", "900"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        streams = {"stdout": writing, "stderr": subprocess.PIPE}
        done = subprocess.run(command, cwd=tmp_path, env=env, timeout=60, check=False, **streams)
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert done.stderr == b""


def test_without_typer_it_says_which_extra_to_install(tmp_path):
    code = "import sys; sys.modules['typer'] = None; from meshkit.__main__ import main; sys.exit(main())"
    done = python("-c", code, "why", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == ["meshkit: the command line needs typer: pip install 'meshkit[cli]'"]
    assert done.stdout == b""


def test_alone_it_says_what_there_is(tmp_path):
    done = python("-m", "meshkit", cwd=tmp_path)
    assert b"why" in done.stdout + done.stderr
    assert done.returncode == 2
