"""The words of a file: one for each public spec, which is read, written and drawn by it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

import meshkit
from meshkit import Cluster, Endpoint, balance, cluster, discover, limit, retry
from meshkit.config import FileErrors, parse, schema, standard, structure, unstructure
from meshkit.config.kinds.classes import Class
from meshkit.config.kinds.several import OrNone, Several
from meshkit.config.kinds.texts import Plain
from meshkit.config.located import plain

from .written import BALANCERS, CLUSTERS, POLICIES

KINDS = standard(imports=True)
ROWS: list[tuple[Any, str, Any]] = [
    *((KINDS.one_of("policy"), text, spec) for text, spec in POLICIES.items()),
    *((KINDS.one_of("balancer"), text, spec) for text, spec in BALANCERS.items()),
    *((Cluster, text, spec) for text, spec in CLUSTERS.items()),
]
SCHEMAS = {kind: jsonschema.Draft202012Validator(schema(kind, KINDS)) for kind, _, _ in ROWS}
NAMED = [text for _, text, _ in ROWS]


@pytest.mark.parametrize(("kind", "text", "spec"), ROWS, ids=NAMED)
def test_a_spec_is_read_written_and_drawn(kind: Any, text: str, spec: Any) -> None:
    document = parse(text, "a.yaml")
    assert structure(document, kind, KINDS) == spec
    SCHEMAS[kind].validate(plain(document.root))
    written = unstructure(spec, kind, KINDS)
    SCHEMAS[kind].validate(written)
    assert structure(parse(json.dumps(written), "a.json"), kind, KINDS) == spec


LONGER = ("{maglev: 65537}", "{domain: host}", "base: 50ms", "window_seconds: 30s", "instead: {cluster")
"""What has a default that is written out, or a name that may be left out."""
SHORTEST = [text for text in NAMED if not any(part in text for part in LONGER)]


@pytest.mark.parametrize(("kind", "text", "spec"), [row for row in ROWS if row[1] in SHORTEST], ids=SHORTEST)
def test_it_is_written_the_shortest_way(kind: Any, text: str, spec: Any) -> None:
    assert unstructure(spec, kind, KINDS) == plain(parse(text, "a.yaml").root)


def test_a_schema_is_one() -> None:
    SCHEMAS[Cluster].check_schema(SCHEMAS[Cluster].schema)  # the others are within it


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{name: a, endpoints: ['http://me:hunter2@10.0.0.1']}", ["endpoints[0]"]),
        ("{name: a, endpoints: [{address: 'http://me:hunter2@10.0.0.1', weigth: 3}]}", ["weigth"]),
        ("{name: a, endpoints: ['10.0.0.1:80'], checks: [http_check: {headers: {x-a: [hunter2]}}]}", ["headers.x-a"]),
        ("{name: a, endpoints: ['10.0.0.1:80'], checks: [http_check: {headers: {x a: hunter2}}]}", ["headers"]),
        ("{name: a, endpoints: ['10.0.0.1:80'], checks: {http_check: {headers: hunter2}}}", ["headers"]),
        ("{name: a, endpoints: ['10.0.0.1:80'], balancer: {sticky: {secret: [hunter2]}}}", ["sticky.secret"]),
    ],
)
def test_no_secret_is_told(text: str, places: list[str]) -> None:
    with pytest.raises(FileErrors) as caught:
        structure(parse(text, "a.yaml"), Cluster, KINDS)
    assert "hunter2" not in str(caught.value)
    for place, mistake in zip(places, caught.value.mistakes, strict=True):
        assert mistake.path.endswith(place)


def test_bare_words_stand_for_all_defaults_and_so_does_nothing_behind_the_colon() -> None:
    policy = KINDS.one_of("policy")
    for word, member in policy.members.items():
        assert isinstance(member, Class)
        if not any(option.required for option in member.options.values()) and word not in {
            "hedge",
            "fallback",
            "load_shed",
        }:
            assert [
                structure(parse(text, "a.yaml"), policy, KINDS) for text in (word, f"{word}:", f"{word}: {{}}")
            ] == [member.cls()] * 3


# Public specs that are in no file, and why.
NOT_WRITTEN = {
    "Call", "Failure", "Verdict",  # no specs
    "AttemptEnded", "CallEnded", "FaultInjected", "FellBack", "Hedged", "RejectedCall", "Routed", "StateChanged",
    "WouldReject",
    "Limiter", "Pipeline",  # programs' own
    "Shared",  # by name: a file shares what it names
    "NoRoute",
    "Choices", "InFlight", "Load", "Member", "Balancer", "Pick", "PeakLatency", "Turns",  # parts of balancers
    "Hash",  # a number that a function answers
    "ClusterState",
    "Pushed", "Source",  # told by a program
    "Backoff",
}  # fmt: skip


def specs() -> dict[str, Any]:
    rooms = (meshkit, balance, cluster, discover, limit, retry)
    named = {name: getattr(room, name) for room in rooms for name in room.__all__}
    return {
        name: each
        for name, each in named.items()
        if isinstance(each, type) and not issubclass(each, Exception) and name not in NOT_WRITTEN
    }


def test_every_public_spec_has_a_word() -> None:
    words = {member.cls for group in KINDS.groups.values() for member in group.members.values()}  # type: ignore[attr-defined]
    within = {Endpoint, meshkit.Ceilings, meshkit.SlowStart, balance.Selector}  # where only they may stand
    routing = {each for each in specs().values() if each.__module__.startswith(("meshkit.route", "meshkit.config"))}
    assert {*specs().values()} - words - within - routing == set()


def test_every_option_has_a_kind_of_its_own() -> None:
    """What may be anything says so on purpose, and what is a float says whether it is seconds."""
    anything = set()
    for group in KINDS.groups.values():
        for member in group.members.values():
            for name, option in member.options.items() if isinstance(member, Class) else ():
                kind: Any = option.kind
                while isinstance(kind, OrNone | Several):
                    kind = kind.inner
                if isinstance(kind, Plain):
                    anything.add((member.word, name))
    assert anything == {("fallback", "value")}


def test_durations_are_told_from_numbers() -> None:
    """Whatever is a float and bears a name of time is a duration in a file."""
    timely = {"interval", "wait", "timeout", "cooldown", "window", "window_seconds", "ttl", "cap", "expires", "delay",
              "decay", "expiration", "period", "expiry", "blackout", "max_age", "after", "probe", "seconds", "lag",
              "patience", "least", "most", "base", "retry_after", "slow_after", "max_cooldown"}  # fmt: skip
    numbers = {"zone_first.least", "ring.least", "ring.most", "file.least", "strikes.probe", "slow_start.least"}
    strays = set()
    for group in KINDS.groups.values():
        for member in group.members.values():
            for name, option in member.options.items() if isinstance(member, Class) else ():
                kind: Any = option.kind.inner if isinstance(option.kind, OrNone) else option.kind
                if name in timely and type(kind).__name__ != "Seconds":
                    strays.add(f"{member.word}.{name}")
    assert strays - numbers == set()


def test_kinds_are_independent_of_each_other() -> None:
    mine, other = standard(), standard()
    mine.option(meshkit.Timeout, "seconds", Plain())
    assert isinstance(mine.of(meshkit.Timeout), Class)
    assert structure(parse("2", "a.yaml"), meshkit.Timeout, mine) == meshkit.Timeout(2)
    with pytest.raises(meshkit.ConfigError, match="give it a unit"):
        structure(parse("2", "a.yaml"), meshkit.Timeout, other)


def test_a_kind_is_found_once() -> None:
    assert KINDS.of(meshkit.Timeout) is KINDS.of(meshkit.Timeout)
