"""What is written for a spec reads as the same spec, by way of JSON and of YAML, and is valid by the schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    Endpoint,
    Exponential,
    HttpCheck,
    Pipeline,
    RateLimit,
    Retry,
    RetryBudget,
    SingleFlight,
    TcpCheck,
    Timeout,
    presets,
)
from meshkit.config import parse, schema, standard, structure, unstructure

KINDS = standard(imports=True)
SPEC = KINDS.one_of("step")
FORM = jsonschema.Draft202012Validator(schema(SPEC, KINDS))

names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
seconds = st.floats(1e-9, 1e9) | st.integers(1, 10**6)
ratios = st.floats(0.0, 1.0)
statuses = st.integers(100, 599)
failures = st.sampled_from(["5xx", "gateway-error, 429", "503", 503, range(500, 510), ConnectionError, TimeoutError])
specs = st.one_of(
    st.builds(Timeout, seconds, name=names),
    st.builds(
        Retry,
        failures | st.lists(failures, min_size=1, max_size=3),
        attempts=st.integers(1, 9),
        backoff=st.builds(Constant, st.just(0) | seconds, jitter=ratios)
        | st.builds(
            Exponential,
            base=st.floats(1e-9, 1.0),
            cap=st.floats(1.0, 1e6),
            jitter=ratios | st.sampled_from(["full", "equal", "none"]),
        ),
        budget=st.none() | st.builds(RetryBudget, ratio=ratios, floor=st.floats(0, 1e9), ttl=seconds),
        non_idempotent=st.booleans(),
    ),
    st.builds(
        RateLimit,
        st.sampled_from(["100/s", "1/10s", "2.5/min"]) | st.floats(0.001, 1e6),
        burst=st.none() | st.integers(1, 2**31),
        key=st.none() | names,
        cost=st.just(1) | names,
        wait=st.just(0) | seconds,
    ),
    st.builds(ConcurrencyLimit, st.integers(1, 2**31), queue=st.integers(1, 9), wait=st.none() | seconds),
    st.builds(SingleFlight, max_bytes=st.integers(0, 2**40)),
    st.builds(
        Cluster,
        names,
        st.builds(
            lambda host, **options: [Endpoint(f"10.0.0.{host}:80", **options)],
            st.integers(0, 255),
            weight=st.integers(0, 10**6),
            tags=st.dictionaries(names, names | st.booleans() | st.integers(-9, 9), max_size=2),
            locality=st.none() | names,
        ),
        panic=ratios,
        checks=st.builds(
            HttpCheck,
            expect=st.lists(statuses | st.tuples(st.just(100), statuses), min_size=1, max_size=3),
            interval=seconds,
            body=st.none() | names,
            headers=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y z"])),
        )
        | st.builds(TcpCheck, send=st.just("PING\r\n") | names, timeout=seconds),
    ),
)


@settings(max_examples=80)
@given(specs, st.sampled_from(["a.json", "a.yaml"]))
def test_a_spec_comes_back(spec: Any, name: str) -> None:
    written = unstructure(spec, SPEC, KINDS)
    text = json.dumps(written, ensure_ascii=name == "a.json")  # YAML has no pairs of surrogates
    assert structure(parse(text, name), SPEC, KINDS) == spec
    FORM.validate(written)


@pytest.mark.parametrize(
    "pipeline",
    [
        presets.standard(),
        presets.standard(["10.0.0.1:80"]),
        presets.hedged(["10.0.0.1:80"]),
        presets.llm(),
        presets.server(),
    ],
)
def test_the_presets_can_be_written(pipeline: Pipeline) -> None:
    for spec in pipeline.specs:
        written = unstructure(spec, SPEC, KINDS)
        assert structure(parse(json.dumps(written), "a.json"), SPEC, KINDS) == spec
        FORM.validate(written)


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "\ud800"])
def test_a_name_that_could_not_be_read_is_not_written(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written in a file"):
        unstructure(Timeout(1.0, name=name), SPEC, KINDS)
