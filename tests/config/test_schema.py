"""The schema refuses what no file may say: unknown words, unknown options, values of another kind."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from meshkit import Cluster
from meshkit.config import FileErrors, parse, schema, standard, structure
from meshkit.config.kinds.several import Several
from meshkit.config.located import plain

KINDS = standard()
POLICIES = Several(KINDS.one_of("policy"))
FORMS = {kind: jsonschema.Draft202012Validator(schema(kind, KINDS)) for kind in (POLICIES, Cluster)}


@pytest.mark.parametrize(
    "text",
    [
        "[tmeout: 2s]",
        "timeout",
        "[timeout: {seconds: 2s, nme: a}]",
        "[timeout: {name: a}]",
        "[timeout: 2]",
        "[timeout: soon]",
        "[timeout: 2s, retry: 5xy]",
        "[{timeout: 2s, retry: 5xx}]",
        "[{}]",
        "[retry: {on: 5xx, attempts: 0}]",
        "[retry: {on: 5xx, attempts: three}]",
        "[retry: {on: 5xx, backoff: exponentially}]",
        "[retry: {on: 5xx, backoff: {exponential: {initial: 50ms}}}]",
        "[retry: {on: [], attempts: 3}]",
        "[rate_limit: 100/fortnight/s]",
        "[single_flight: {max_bytes: 64k}]",
        "[circuit_breaker: {failure_rate: 0}]",
        "[circuit_breaker: {failure_rate: 5}]",
        "[concurrency_limit: {limit: 5, order: random}]",
        "[peak_ewma]",
        "[shadow: peak_ewma]",
    ],
)
def test_what_is_no_policy_is_neither_read_nor_valid(text: str) -> None:
    document = parse(text, "a.yaml")
    with pytest.raises(FileErrors):
        structure(document, POLICIES, KINDS)
    assert not FORMS[POLICIES].is_valid(plain(document.root))


@pytest.mark.parametrize(
    "text",
    [
        "{name: a}",
        "{name: a, endpoints: ['10.0.0.1:80'], balancers: round_robin}",
        "{name: a, endpoints: [{address: '10.0.0.1:80', weigth: 3}]}",
        "{name: a, endpoints: [dns: payments]}",
        "{name: a, endpoints: ['10.0.0.1:80'], pipeline: [peak_ewma]}",
        "{name: a, endpoints: ['10.0.0.1:80'], checks: [ping]}",
        "{name: a, endpoints: ['10.0.0.1:80'], slow_start: {aggression: 2}}",
    ],
)
def test_what_is_no_cluster_is_neither_read_nor_valid(text: str) -> None:
    document = parse(text, "a.yaml")
    with pytest.raises(FileErrors):
        structure(document, Cluster, KINDS)
    assert not FORMS[Cluster].is_valid(plain(document.root))


def test_a_schema_says_what_options_are() -> None:
    form: Any = schema(POLICIES, KINDS, title="policies")
    assert form["title"] == "policies"
    timeout = form["$defs"]["timeout"]
    assert timeout["description"].startswith("No more than seconds: for the whole call outside a retry")
    limit = form["$defs"]["concurrency_limit"]["anyOf"][0]["properties"]
    assert limit["order"]["description"].startswith('"fifo" serves the longest waiting first')
    assert limit["wait"]["anyOf"][0] == {"$ref": "#/$defs/duration"}
    assert form["$defs"]["any_policy"]["anyOf"][1]["maxProperties"] == 1
    assert "timeout" not in form["$defs"]["any_policy"]["anyOf"][0]["enum"]
    assert "circuit_breaker" in form["$defs"]["any_policy"]["anyOf"][0]["enum"]
