"""Load reports: every form reads the same, what one writes another reads, and nothing that comes in does harm.

The example and the refusals are those of envoyproxy/envoy test/common/orca/orca_parser_test.cc (both generations of
it: ``name:value`` and ``name=value``); the numbers of the fields those of cncf/xds, orca_load_report.proto (v3).
"""

from base64 import b64encode
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.fields.orca import FORMS, LONGEST, MANY, NAME, read, write

EXAMPLE = {
    "cpu_utilization": 0.7,
    "application_utilization": 0.8,
    "mem_utilization": 0.9,
    "rps_fractional": 1000.0,
    "eps": 2.0,
    "named_metrics.foo": 123.0,
    "named_metrics.bar": 0.2,
    "utilization.total": 0.5,
}
TEXT = (
    "cpu_utilization=0.7,application_utilization=0.8,mem_utilization=0.9,rps_fractional=1000,eps=2,"
    "named_metrics.foo=123,named_metrics.bar=0.2,utilization.total=0.5"
)
JSON = (
    '{"cpu_utilization": 0.7, "application_utilization": 0.8, "mem_utilization": 0.9, "rps_fractional": 1000, "eps": 2,'
    ' "named_metrics": {"foo": 123, "bar": 0.2}, "utilization": {"total": 0.5}}'
)


def double(number, value):
    return bytes((number << 3 | 1,)) + pack("<d", value)


def entry(number, key, value):
    inner = bytes((10, len(key))) + key + double(2, value)
    return bytes((number << 3 | 2, len(inner))) + inner


BYTES = b"".join(
    [
        double(1, 0.7),
        double(9, 0.8),
        double(2, 0.9),
        double(6, 1000.0),
        double(7, 2.0),
        entry(8, b"foo", 123.0),
        entry(8, b"bar", 0.2),
        entry(5, b"total", 0.5),
    ]
)
BIN = b64encode(BYTES).decode()


def reading(**fields):
    return read({name.replace("_", "-"): value for name, value in fields.items()}.get)


@pytest.mark.parametrize(
    "fields",
    [
        {NAME: f"TEXT {TEXT}"},
        {NAME: f"text {TEXT.replace('=', ':')}"},
        {NAME: TEXT.replace(",", " ,  ").replace("=", " : ")},
        {NAME: f"JSON {JSON}"},
        {f"{NAME}-json": JSON},
        {f"{NAME}-json": JSON.replace("cpu_utilization", "cpuUtilization").replace("named_metrics", "namedMetrics")},
        {NAME: f"BIN {BIN}"},
        {f"{NAME}-bin": BIN},
        {f"{NAME}-bin": BIN.rstrip("=")},  # gRPC leaves the padding out
    ],
)
def test_every_form_reads_the_same(fields):
    assert read(fields.get) == EXAMPLE


def test_what_vllm_sends():
    """vllm/entrypoints/openai/orca_metrics.py: TEXT and JSON, named metrics only."""
    said = {"named_metrics.kv_cache_usage_perc": 0.4, "named_metrics.num_requests_waiting": 3.0}
    text = "TEXT named_metrics.kv_cache_usage_perc=0.4, named_metrics.num_requests_waiting=3.0"
    assert read({NAME: text}.get) == said
    text = 'JSON {"named_metrics": {"kv_cache_usage_perc": 0.4, "num_requests_waiting": 3.0}}'
    assert read({NAME: text}.get) == said


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {NAME: ""},
        {NAME: "BADBAD"},
        {NAME: "TEXT "},
        {NAME: "TEXT cpu_utilization=0.7,cpu_utilization=0.8"},  # twice
        {NAME: TEXT, f"{NAME}-json": JSON},
        {f"{NAME}-json": JSON, f"{NAME}-bin": BIN},
        {f"{NAME}-json": "[1, 2]"},
        {f"{NAME}-json": "{"},
        {f"{NAME}-json": "[" * 5000},
        {f"{NAME}-json": '{"cpu_utilization": true}'},
        {f"{NAME}-bin": "not base64!"},
        {f"{NAME}-bin": b64encode(BYTES[:-1]).decode()},
        {f"{NAME}-bin": b64encode(b"\x0b").decode()},  # a group
        {f"{NAME}-bin": b64encode(b"\xff" * 12).decode()},
        {f"{NAME}-bin": b64encode(entry(8, b"\xff", 1.0)).decode()},
        {NAME: f"TEXT named_metrics.{'x' * LONGEST}=1"},
    ],
)
def test_no_report(fields):
    assert read(fields.get) is None


@pytest.mark.parametrize(
    ("text", "report"),
    [
        ("TEXT cpu_utilization=0.7,eps=nan,rps_fractional=inf", {"cpu_utilization": 0.7}),
        ("TEXT cpu_utilization=0.7,eps=two,=3,mem_utilization", {"cpu_utilization": 0.7}),
        ("TEXT cpu_utilization=-0.7,eps=2", {"eps": 2.0}),
        ("TEXT named_metrics.credit=-3,named_metrics.=1", {"named_metrics.credit": -3.0}),
        ("TEXT cpu_utilization=1.7,disk=0.5,other.x=1", {"cpu_utilization": 1.7}),
        ("TEXT rps=12", {"rps_fractional": 12.0}),
        ("TEXT rps=12,rps_fractional=12.5", {"rps_fractional": 12.5}),
        ('JSON {"eps": "2.5", "cpu_utilization": null, "named_metrics": {"x": []}}', {"eps": 2.5}),
    ],
)
def test_what_means_nothing_is_left_out(text, report):
    assert read({NAME: text}.get) == report


def test_the_old_whole_number_and_what_is_unknown_in_protobuf():
    data = bytes((3 << 3, 0xAC, 0x02)) + b"\x7d\x00\x00\x80\x3f" + bytes((15 << 3 | 2, 1)) + b"x" + double(1, 0.5)
    assert read({f"{NAME}-bin": b64encode(data).decode()}.get) == {"rps_fractional": 300.0, "cpu_utilization": 0.5}


def test_no_more_than_so_many_numbers_are_read():
    text = "TEXT " + ",".join(f"named_metrics.x{k}=1" for k in range(MANY + 50))
    assert len(read({NAME: text}.get)) == MANY


letters = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
reports = st.dictionaries(
    st.one_of(
        st.sampled_from(["cpu_utilization", "mem_utilization", "application_utilization", "rps_fractional", "eps"]),
        st.builds("{}.{}".format, st.sampled_from(["named_metrics", "utilization", "request_cost"]), letters),
    ),
    st.floats(0.0, 1e12),
    max_size=8,
)


@given(reports, st.sampled_from(FORMS))
def test_what_is_written_is_read(report, form):
    """Names that cannot stand in a field's text are left out there; nine digits are kept."""
    name, value = write(report, form)
    assert value.isascii()
    assert b"\n" not in value
    assert b"\r" not in value
    told = read({name.decode(): value.decode()}.get) or {}
    assert set(told) <= {key for key in report if not key.endswith(".")}
    for key, number in told.items():
        assert number == pytest.approx(report[key], rel=1e-8)
    plain = {key for key in report if key.replace("_", "").replace(".", "").isalnum() and key.isascii()}
    assert plain <= set(told)


@given(st.one_of(st.text(), st.builds("TEXT {}".format, st.text()), st.builds("JSON {}".format, st.text())))
def test_whatever_comes_is_read_or_is_not(text):
    report = read({NAME: text}.get)
    assert report is None or all(isinstance(value, float) for value in report.values())


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_read_or_are_not(data):
    report = read({f"{NAME}-bin": b64encode(data).decode()}.get)
    assert report is None or all(isinstance(value, float) for value in report.values())
