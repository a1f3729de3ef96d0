"""Which trace is a request part of, and may what it says of that be sent on unchanged?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.fields.trace_context import NAMES, ids, taken

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
PARENT = b"00-" + TRACE + b"-" + SPAN + b"-01"
ROOT = b"Root=1-5759e988-bd862e3fe1be46a994272793"
BOTH = {"trace_id": TRACE.decode(), "span_id": SPAN.decode()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"traceparent", PARENT),
        (b"traceparent", b"00-" + TRACE + b"-" + SPAN + b"-00"),
        (b"traceparent", b"00-" + TRACE + b"-" + SPAN + b"-ff"),  # flags nobody knows yet
        (b"traceparent", b"cc-" + TRACE + b"-" + SPAN + b"-01"),  # a later version
        (b"traceparent", b"cc-" + TRACE + b"-" + SPAN + b"-01-what-the-future-will-be-like"),
        (b"b3", b"0"),
        (b"b3", b"1"),
        (b"b3", b"d"),
        (b"b3", TRACE + b"-" + SPAN),
        (b"b3", TRACE[:16] + b"-" + SPAN + b"-1"),
        (b"b3", TRACE + b"-" + SPAN + b"-d-05e3ac9a4f6e3b90"),
        (b"x-b3-sampled", b"1"),
        (b"x-b3-sampled", b"false"),
        (b"x-b3-flags", b"1"),
        (b"x-amzn-trace-id", ROOT),
        (b"x-amzn-trace-id", ROOT + b";Parent=53995c3f42cd8ad8;Sampled=1"),
        (b"x-amzn-trace-id", ROOT + b";Sampled=?"),
        (b"x-amzn-trace-id", ROOT + b"; Parent=53995c3f42cd8ad8; Sampled=0;"),
        (b"x-amzn-trace-id", ROOT + b";Parent=53995c3f42cd8ad8;Sampled=0;Lineage=100:e3b0c442:11"),
        (b"x-amzn-trace-id", b"Self=1-67891234-12456789abcdef012345678a;" + ROOT),
        (b"x-amzn-trace-id", ROOT + b";CalledFrom=app"),
    ],
)
def test_valid(name, value):
    assert taken([(name, value)]) == ((name, value),)
    assert taken([(b"accept", b"*/*"), (name.title(), b" " + value + b"\t")]) == ((name, value),)
    assert taken([(name, value), (name, value)]) == ()  # which of the two?


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"traceparent", b""),
        (b"traceparent", PARENT[:-1]),
        (b"traceparent", PARENT + b"0"),
        (b"traceparent", PARENT + b"-00"),  # version 00 has nothing more to say
        (b"traceparent", PARENT.upper()),
        (b"traceparent", b"ff" + PARENT[2:]),
        (b"traceparent", b"0" + PARENT[1:].replace(b"-", b"_")),
        (b"traceparent", b"00-" + b"0" * 32 + b"-" + SPAN + b"-01"),
        (b"traceparent", b"00-" + TRACE + b"-" + b"0" * 16 + b"-01"),
        (b"traceparent", b"cc" + PARENT[2:] + b"x"),
        (b"traceparent", b"cc" + PARENT[2:] + b"-" + b"x" * 512),
        (b"traceparent", b"cc" + PARENT[2:] + b"-a b"),
        (b"traceparent", PARENT + b"\n"),
        (b"tracestate", b"a=1"),  # never alone
        (b"b3", b"2"),
        (b"b3", b"1-1"),
        (b"b3", TRACE),
        (b"b3", TRACE + b"-" + SPAN + b"-"),
        (b"b3", TRACE + b"-" + SPAN + b"-x"),
        (b"b3", TRACE[:20] + b"-" + SPAN + b"-1"),
        (b"b3", b"0" * 16 + b"-" + SPAN + b"-1"),
        (b"b3", b"0" * 32 + b"-" + SPAN + b"-1"),
        (b"b3", TRACE + b"-" + b"0" * 16 + b"-1"),
        (b"b3", TRACE.upper() + b"-" + SPAN + b"-1"),
        (b"x-b3-traceid", TRACE),  # without a span
        (b"x-b3-spanid", SPAN),
        (b"x-b3-parentspanid", SPAN),
        (b"x-b3-sampled", b"2"),
        (b"x-b3-flags", b"true"),
        (b"x-amzn-trace-id", b"Sampled=1"),
        (b"x-amzn-trace-id", b"Root=2-5759e988-bd862e3fe1be46a994272793"),
        (b"x-amzn-trace-id", b"Root=1-00000000-000000000000000000000000"),
        (b"x-amzn-trace-id", ROOT + b";" + ROOT),
        (b"x-amzn-trace-id", ROOT + b";Parent=1"),
        (b"x-amzn-trace-id", ROOT + b";Sampled=2"),
        (b"x-amzn-trace-id", ROOT + b";;Sampled=1"),
        (b"x-amzn-trace-id", ROOT + b";Called From=app"),
        (b"x-amzn-trace-id", ROOT + b";From=" + b"x" * 512),
        (b"x-amzn-trace-id", ROOT + b";From=\xff"),
    ],
)
def test_invalid(name, value):
    assert taken([(name, value)]) == ()


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        ([b"a=1"], b"a=1"),
        ([b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ([b"a=1", b"b=2"], b"a=1,b=2"),
        ([b"a=1 , b=2", b" c=3 "], b"a=1 , b=2,c=3"),
        ([b"a=1,,b=2,"], b"a=1,,b=2,"),  # empty members are allowed
        ([b"fw529a3039@dt=FfVdR;1;2"], b"fw529a3039@dt=FfVdR;1;2"),
        ([b'0a_-*/z=!"#+-<>~ .'], b'0a_-*/z=!"#+-<>~ .'),
        ([b"a=" + b"v" * 256], b"a=" + b"v" * 256),
        ([b"k" * 256 + b"=1"], b"k" * 256 + b"=1"),
        ([b",".join(b"k%d=1" % n for n in range(32))], b",".join(b"k%d=1" % n for n in range(32))),
        ([b""], None),
        ([b","], None),
        ([b"a"], None),
        ([b"a="], None),
        ([b"=1"], None),
        ([b"A=1"], None),
        ([b"a=1=2"], None),
        ([b"a=1", b"a=2"], None),
        ([b"a=\x7f"], None),
        ([b"a=\xc3\xa9"], None),
        ([b"a=" + b"v" * 257], None),
        ([b"k" * 257 + b"=1"], None),
        ([b",".join(b"k%d=1" % n for n in range(33))], None),
        ([b",".join(b"k%d=%s" % (n, b"v" * 250) for n in range(20))], None),  # more than 4096 bytes
    ],
)
def test_tracestate(lines, joined):
    found = dict(taken([(b"traceparent", PARENT), *((b"tracestate", line) for line in lines)]))
    assert found == {b"traceparent": PARENT} | ({} if joined is None else {b"tracestate": joined})


def test_an_invalid_traceparent_takes_the_tracestate_with_it():
    assert taken([(b"tracestate", b"a=1"), (b"traceparent", PARENT[1:])]) == ()
    assert taken([(b"tracestate", b"a=1"), (b"traceparent", PARENT), (b"traceparent", PARENT)]) == ()


def test_b3_in_several_fields():
    whole = ((b"x-b3-traceid", TRACE), (b"x-b3-spanid", SPAN), (b"x-b3-parentspanid", SPAN), (b"x-b3-sampled", b"1"))
    assert taken(whole) == whole
    assert taken([(b"X-B3-TraceId", TRACE[:16]), (b"X-B3-SpanId", SPAN)]) == (
        (b"x-b3-traceid", TRACE[:16]),
        (b"x-b3-spanid", SPAN),
    )
    # A decision alone is worth sending on; a trace that cannot be read is not.
    assert taken([(b"x-b3-traceid", b"0" * 32), *whole[1:]]) == whole[3:]
    assert taken([whole[0], *whole[2:]]) == whole[3:]


def test_several_systems_side_by_side_and_nothing_else():
    fields = [(b"traceparent", PARENT), (b"b3", b"0"), (b"x-amzn-trace-id", ROOT)]
    others = [(b"baggage", b"user=1"), (b"authorization", b"secret"), (b"x-b3-other", b"1"), (b"traceparent2", PARENT)]
    assert taken(fields + others) == tuple(fields)
    assert taken(others) == taken([]) == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([(b"traceparent", PARENT)], BOTH),
        ([(b"b3", b"a" * 16 + b"-" + SPAN + b"-1"), (b"traceparent", PARENT)], BOTH),
        ([(b"b3", b"a" * 16 + b"-" + SPAN)], {"trace_id": "a" * 16, "span_id": SPAN.decode()}),
        ([(b"b3", b"0")], None),
        ([(b"b3", b"0"), (b"x-b3-traceid", TRACE), (b"x-b3-spanid", SPAN)], BOTH),
        ([(b"x-b3-sampled", b"0")], None),
        ([(b"x-amzn-trace-id", ROOT)], {"trace_id": "5759e988bd862e3fe1be46a994272793"}),
        (
            [(b"x-amzn-trace-id", ROOT + b";Parent=" + SPAN + b";Sampled=1")],
            {"trace_id": "5759e988bd862e3fe1be46a994272793", "span_id": SPAN.decode()},
        ),
        ([], None),
    ],
)
def test_ids(fields, expected):
    assert ids(taken(fields)) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(NAMES)) | st.binary(max_size=12),
            st.binary(max_size=80)
            | st.lists(st.sampled_from([PARENT, TRACE, SPAN, ROOT, b"-", b"1", b"a=1", b",", b";"]), max_size=6).map(
                b"".join
            ),
        ),
        max_size=8,
    )
)
def test_whatever_comes_what_is_taken_is_short_stays_valid_and_can_be_sent(headers):
    fields = taken(headers)
    assert taken(fields) == fields
    names = [name for name, _ in fields]
    assert len(set(names)) == len(names)
    assert set(names) <= NAMES
    for name, value in fields:
        assert len(value) <= (4096 if name == b"tracestate" else 512)
        assert all(0x20 <= byte < 0x7F or byte == 0x09 for byte in value)
    assert ids(fields) is None or "trace_id" in ids(fields)
