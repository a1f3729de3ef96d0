"""A call that names its endpoint: whom it gets, and whom it can never get."""

import gc
from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance import LeastRequest, Member, RoundRobin
from meshkit.balance.around.override import Override
from meshkit.call import Call
from meshkit.cluster import Endpoint
from meshkit.errors import ConfigError, NoEndpoint

from .arranging import First, arranged


def override(inner=None, **options):
    return Override(inner or RoundRobin(), lambda call: call.request, **options).start(First())


def members(*endpoints):
    return [Member(endpoint if isinstance(endpoint, Endpoint) else Endpoint(endpoint)) for endpoint in endpoints]


def asked(state, request, avoid=()):
    call = Call(None, request, 0.0)
    call.facts = {asker: asker.facts(call) for asker in state.askers}
    call.avoid = avoid
    return call


def served(state, pick, request, avoid=()):
    return str(pick.pick(asked(state, request, avoid), 0.0).endpoint)


ADDRESSES = ("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("b", "b"),
        ("10.0.0.7:443", "b"),
        ("https://10.0.0.7", "b"),
        ("[::1]:8080", "[::1]:8080"),
        (" b ", "b"),
        ("nobody,b", "b"),
        (["nobody", "b"], "b"),
        (b"b", "b"),
        (",,b,", "b"),
    ],
    ids=str,
)
def test_an_endpoint_is_named_by_its_name_its_host_and_port_or_its_address(request_, expected):
    state = override()
    pick = arranged(state, members("10.0.0.1:80", Endpoint("https://10.0.0.7", name="b"), "[::1]:8080"))
    assert {served(state, pick, request_) for _ in range(5)} == {expected}


# envoyproxy/envoy test/extensions/load_balancing_policies/override_host/load_balancer_test.cc
# @21765dc91fdd2b053de8dd3174682c9900517a70: what the tests named first expect; the balancer there answers the first.
ENVOY = [
    ("NoMetadataOrHeaders", None, [0]),
    ("PrimaryAddressDoesNotExist", "1.2.3.4:80", [0]),
    ("HeaderWithMultipleValueIsPreferredOverMetadata", "10.0.0.3:80,10.0.0.2:80", [2, 1, 0]),
    ("UnparseableHeaderValueUsesFallback", "blah", [0]),
]


@pytest.mark.parametrize(("test", "request_", "expected"), ENVOY)
def test_envoys_rows_attempt_by_attempt(test, request_, expected):
    state = override(LeastRequest())
    here = members(*ADDRESSES)
    for member in here:
        member.load = state.load(1)
    pick, avoid = arranged(state, here), ()
    for number in expected:
        assert served(state, pick, request_, avoid) == ADDRESSES[number], test
        avoid = (*avoid, here[number].endpoint)


def test_who_is_not_up_is_not_asked():
    state = override()
    pick = arranged(state, here := members(*ADDRESSES))
    here[1].up = False
    assert served(state, pick, "10.0.0.2:80,10.0.0.3:80") == ADDRESSES[2]
    assert served(state, pick, "10.0.0.2:80") in ADDRESSES


@attrs.frozen
class State:
    name: str
    ejected: bool = False
    checked: bool | None = True
    up: bool = False


STATES = [
    State("ejected", ejected=True),
    State("unhealthy", checked=False),
    State("unknown", checked=None),
    State("gone"),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
@pytest.mark.parametrize(
    "also", [(), ("ejected",), ("unhealthy",), "unknown", ("ejected", "unhealthy", "unknown")], ids=str
)
def test_states_in_which_one_is_asked_all_the_same(state, also):
    balancer = override(also=also)
    here = members(*ADDRESSES)
    here[1].up, here[1].ejected, here[1].checked, here[1].well = (
        state.up,
        state.ejected,
        state.checked,
        state.name == "gone",
    )
    pick = arranged(balancer, here if balancer.whole else [here[0], here[2]])
    expected = {ADDRESSES[1]} if state.name in also else {ADDRESSES[0], ADDRESSES[2]}
    assert {served(balancer, pick, "10.0.0.2:80") for _ in range(4)} == expected
    assert {served(balancer, pick, None) for _ in range(4)} == {ADDRESSES[0], ADDRESSES[2]}


def test_it_is_whole_where_it_must_know_those_who_are_not_up():
    assert not override().whole
    assert override(also="ejected").whole


def test_nobody_is_left_out_while_nobody_is_up():
    state = override(also="ejected")
    here = members(*ADDRESSES)
    for member in here:
        member.up = member.well = False
    pick = arranged(state, here)
    assert {served(state, pick, None) for _ in range(9)} == set(ADDRESSES)


def test_one_of_another_priority_or_locality_is_found():
    state = override()
    pick = arranged(state, members("10.0.0.1:80"))
    other = arranged(state, members(Endpoint("10.0.0.2:80", priority=1)))
    assert served(state, pick, "10.0.0.2:80") == "10.0.0.2:80"
    assert served(state, other, "10.0.0.1:80") == "10.0.0.1:80"
    del other
    gc.collect()
    assert served(state, pick, "10.0.0.2:80") == "10.0.0.1:80"


def test_who_has_left_is_not_found_any_more():
    state = override()
    here = members(*ADDRESSES)
    pick = arranged(state, here)
    here[1].up = False  # as the cluster says of who is not in the set
    assert served(state, pick, "10.0.0.2:80") != "10.0.0.2:80" or not here[1].up
    pick = arranged(state, [here[0], here[2]], pick)
    gc.collect()
    assert {served(state, pick, "10.0.0.2:80") for _ in range(4)} == {ADDRESSES[0], ADDRESSES[2]}


def test_strict_goes_nowhere_else():
    state = override(strict=True)
    here = members(*ADDRESSES)
    pick = arranged(state, here)
    assert served(state, pick, "10.0.0.2:80", (here[1].endpoint,)) == "10.0.0.2:80"
    assert served(state, pick, "10.0.0.2:80,10.0.0.3:80", (here[1].endpoint,)) == "10.0.0.3:80"
    assert served(state, pick, None) == ADDRESSES[0]
    with pytest.raises(NoEndpoint, match="Override: no endpoint to ask"):
        served(state, pick, "10.0.0.9:80")


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        (None, ()),
        ("", ()),
        (" , ", ()),
        ("a, b", ("a", "b")),
        (["a", " "], ("a",)),
        ("a" * 1025, ()),
        (",".join("abcdefghijklmnopqrst"), tuple("abcdefghijklmnop")),
        ("\x00\r\n\x7f", ("\x00\r\n\x7f",)),
        (b"\xff", ("\xff",)),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_names_in_a_header_are_bounded_and_harmless(request_, names):
    assert override().facts(Call(None, request_, 0.0)) == names


@pytest.mark.parametrize("answer", [7, {"a": 1}, [7], 1.5], ids=str)
def test_what_is_no_name_is_told_to_the_caller(answer):
    with pytest.raises(TypeError, match="Override: the key is a"):
        override().facts(Call(None, answer, 0.0))


@given(st.text(max_size=60), st.booleans())
def test_nothing_but_an_endpoint_of_the_cluster_is_ever_picked(text, all_states):
    state = override(also=("ejected", "unhealthy", "unknown") if all_states else ())
    pick = arranged(state, here := members(*ADDRESSES))
    assert pick.pick(asked(state, text), 0.0) in here


def test_the_index_is_made_in_slices_and_taken_over():
    state = override()
    here = members(*(f"10.0.{number // 250}.{number % 250}:80" for number in range(1000)))
    *slices, pick = state.arrange(here, None)
    assert len(slices) >= 1000 // 256
    again = arranged(state, here, pick)
    assert again.index is pick.index
    here[5].endpoint = Endpoint(here[5].endpoint.address, name="five")
    assert served(state, arranged(state, here, again), "five") == "five"


def test_turns_of_the_one_inside_go_on():
    state = override()
    here, chosen = members(*ADDRESSES), []
    pick = arranged(state, here)
    for _ in range(6):
        chosen.append(served(state, pick, None))
        pick = arranged(state, list(here), pick)
    assert sorted(chosen) == sorted(ADDRESSES * 2)


def test_askers_and_the_work_of_the_one_inside_are_passed_on():
    class Tended:
        askers = ("asker",)

        def start(self, rng):
            return self

        def load(self, weight):
            return None

        def tend(self, members, now):
            return now + 1, True

    inner = Tended()
    state = Override(inner, "header:x-endpoint").start(Random(1))
    assert state.askers == ("asker", state)
    assert state.within == (inner,)
    assert state.tend([], 1.0) == (2.0, True)
    assert not hasattr(override(), "tend")


async def name(call):
    return "a"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balancer": RoundRobin}, "balancer"),
        ({"balancer": None}, "balancer"),
        ({"key": ""}, "key"),
        ({"key": None}, "key"),
        ({"key": name}, "plain def"),
        ({"also": "down"}, "also"),
        ({"also": ("ejected", "gone")}, "also"),
        ({"strict": 1}, "strict"),
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)
def test_what_cannot_be_built(options, message):
    with pytest.raises(ConfigError, match=message):
        Override(**{"balancer": RoundRobin(), "key": "header:x-endpoint", **options})
