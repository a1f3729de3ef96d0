"""Sticky sessions: where a session stays and when it moves, what the client is told, and what it may not make us do.

Semantics: ingress-nginx (kubernetes/ingress-nginx 19770f5, rootfs/etc/nginx/lua/balancer/sticky_balanced.lua and
sticky_persistent.lua; affinity-mode and session-cookie-change-on-failure in docs/examples/affinity/cookie/README.md),
HAProxy (configuration.txt, ``weight``: with 0 a server "will still accept persistent connections").
"""

from bisect import bisect_left
from hashlib import blake2b
from random import Random
from struct import unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import Cluster as RealCluster
from meshkit import Endpoint
from meshkit.balance import LeastRequest, Member, PeakEwma, RoundRobin
from meshkit.balance.around.slots import SLOTS, Table
from meshkit.balance.around.sticky import Sticky
from meshkit.balance.report.prequal import Prequal
from meshkit.call import Call
from meshkit.errors import ConfigError
from meshkit.fact import check

from .arranging import arranged


class Door:
    """A door that knows some facts of a request, which is a dict of them."""

    def fact(self, call, name):
        return call.request.get(name)

    def knows(self, name):
        if not name.startswith(("cookie:", "header:")):
            raise ConfigError.of("door", "key", name, "no such name")


def members(*hosts, **options):
    made = [Member(Endpoint(f"{host}:80", **options)) for host in hosts]
    for member in made:
        member.load = LeastRequest().start(Random(1)).load(1)
    return made


class Cluster:
    """As much of one as a balancer sees."""

    def __init__(self, spec, *groups, seed=1):
        self.balancer = spec.start(Random(seed))
        self.groups = [list(group) for group in groups]
        self.picks = [None] * len(groups)
        self.arrange()

    def arrange(self):
        """As after a change: a whole balancer is given those with a weight."""
        for k, group in enumerate(self.groups):
            there = [member for member in group if member.endpoint.weight]
            self.picks[k] = arranged(self.balancer, there, self.picks[k]) if there else None

    def call(self, now=0.0, **request):
        call = Call(Door(), {name.replace("_", ":", 1): value for name, value in request.items()}, now)
        call.facts = {asker: asker.facts(call) for asker in self.balancer.askers}
        return call

    def ask(self, now=0.0, group=0, **request):
        """Who serves a request of one attempt, and the cookie the client has after it."""
        call = self.call(now, **request)
        member = self.picks[group].pick(call, now)
        return member, told(call) or request.get("cookie_meshkit")


def told(call):
    """The cookie that was set, if one was."""
    if call.cookies is None:
        return None
    [(name, value, attributes)] = call.cookies
    assert name == "meshkit"
    assert attributes == "Path=/; HttpOnly; SameSite=Lax"
    return value


MODES = ["balanced", "persistent"]
HOSTS = [f"10.0.0.{k}" for k in range(1, 6)]


@pytest.mark.parametrize("mode", MODES)
def test_a_new_session_is_the_inner_balancers_and_then_stays(mode):
    """By turns, so that each new session goes to the next one, and an old one to its own."""
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), members(*HOSTS))
    first = [cluster.ask() for _ in range(5)]
    assert {member for member, _ in first} == set(cluster.groups[0])
    assert len({cookie for _, cookie in first}) == 5
    for _ in range(3):
        for member, cookie in first:
            call = cluster.call(cookie_meshkit=cookie)
            assert cluster.picks[0].pick(call, 0.0) is member
            assert call.cookies is None  # the client has it already


@pytest.mark.parametrize("mode", MODES)
def test_another_process_knows_the_cookie(mode):
    """The seed differs, and so does the order in which the endpoints were told."""
    cluster = Cluster(Sticky(RoundRobin(), mode=mode, secret="s"), members(*HOSTS), seed=1)
    other = Cluster(Sticky(LeastRequest(), mode=mode, secret="s"), members(*reversed(HOSTS)), seed=2)
    for _ in range(20):
        member, cookie = cluster.ask()
        assert other.ask(cookie_meshkit=cookie)[0].endpoint == member.endpoint


def moved(mode, before, after, sessions=1500):
    """How many of the sessions of ``before`` move, and to whom, when the endpoints become ``after``."""
    everybody = dict(zip(HOSTS, members(*HOSTS), strict=True))
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), [everybody[host] for host in before])
    began = [cluster.ask() for _ in range(sessions)]
    cluster.groups = [[everybody[host] for host in after]]
    cluster.arrange()
    to = []
    for member, cookie in began:
        served = cluster.ask(cookie_meshkit=cookie)[0]
        if served is not member:
            to.append((member.endpoint.host, served.endpoint.host))
    return to


def test_persistent_sessions_stay_when_the_pool_grows():
    assert moved("persistent", HOSTS[:4], HOSTS) == []


def test_balanced_sessions_move_to_the_new_endpoint_only_and_about_its_share():
    """64 points of 320 are the new one's: a fifth of the ring, give or take an eighth of that by where they fall."""
    to = moved("balanced", HOSTS[:4], HOSTS)
    assert {host for _, host in to} == {HOSTS[4]}
    assert {host for host, _ in to} == set(HOSTS[:4])
    assert 0.1 * 1500 < len(to) < 0.3 * 1500


@pytest.mark.parametrize("mode", MODES)
def test_only_the_sessions_of_one_that_leaves_move(mode):
    to = moved(mode, HOSTS, HOSTS[:4])
    assert {host for host, _ in to} == {HOSTS[4]}
    assert len(to) == 300
    assert {host for _, host in to} == set(HOSTS[:4])


def test_an_endpoint_that_comes_back_has_its_sessions_again_as_long_as_their_cookie_names_it():
    here = members(*HOSTS)
    cluster = Cluster(Sticky(RoundRobin(), mode="persistent"), here)
    cookies = dict(cluster.ask() for _ in range(5))
    cluster.groups = [here[:4]]
    cluster.arrange()
    [again] = members(HOSTS[4])  # the same address, and another member
    cluster.groups = [[*here[:4], again]]
    cluster.arrange()
    assert cluster.ask(cookie_meshkit=cookies[here[4]])[0] is again


def test_an_endpoint_known_by_its_hash_key_keeps_its_sessions_at_another_address():
    [a, b] = Member(Endpoint("10.0.0.1:80", hash_key="a")), Member(Endpoint("10.0.0.2:80", hash_key="b"))
    cluster = Cluster(Sticky(RoundRobin(), mode="persistent"), [a, b])
    member, cookie = cluster.ask()
    moved = Member(Endpoint("10.9.9.9:80", hash_key=member.endpoint.hash_key))
    cluster.groups = [[moved, b if member is a else a]]
    cluster.arrange()
    assert cluster.ask(cookie_meshkit=cookie)[0] is moved


# Those who are ill, and those who fail.


@pytest.mark.parametrize("mode", MODES)
def test_a_session_whose_endpoint_is_ill_moves(mode):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), members(*HOSTS))
    member, cookie = cluster.ask()
    member.up = member.well = False
    other, later = cluster.ask(1.0, cookie_meshkit=cookie)
    assert other is not member
    assert later != cookie
    member.up = member.well = True
    assert cluster.ask(9.0, cookie_meshkit=later) == (other, later)


@pytest.mark.parametrize("mode", MODES)
def test_with_keep_it_comes_back(mode):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode, on_failure="keep"), members(*HOSTS))
    member, cookie = cluster.ask()
    member.up = member.well = False
    other, later = cluster.ask(1.0, cookie_meshkit=cookie)
    assert other is not member
    assert later == cookie
    member.up = member.well = True
    assert cluster.ask(9.0, cookie_meshkit=cookie) == (member, cookie)


def retried(cluster, attempts, **request):
    """Whom a call goes to, each attempt of which fails, and the cookie after all."""
    call = cluster.call(**request)
    asked = []
    for _ in range(attempts):
        member = cluster.picks[0].pick(call, 0.0)
        asked.append(member)
        call.avoid = (*call.avoid, member.endpoint)
    return asked, told(call)


@pytest.mark.parametrize("mode", MODES)
def test_after_a_failed_attempt_the_session_moves_to_whom_was_asked_last(mode):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), members(*HOSTS))
    member, cookie = cluster.ask()
    asked, later = retried(cluster, 3, cookie_meshkit=cookie)
    assert asked[0] is member
    assert len(set(asked)) == 3
    assert cluster.ask(cookie_meshkit=later)[0] is asked[2]


@pytest.mark.parametrize("mode", MODES)
def test_with_keep_a_failed_attempt_changes_nothing(mode):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode, on_failure="keep"), members(*HOSTS))
    member, cookie = cluster.ask()
    asked, later = retried(cluster, 3, cookie_meshkit=cookie)
    assert asked[0] is member
    assert len(set(asked)) == 3
    assert later is None


@pytest.mark.parametrize("mode", MODES)
def test_a_new_session_begins_with_whom_was_asked_last(mode):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode, on_failure="keep"), members(*HOSTS))
    asked, cookie = retried(cluster, 2)
    assert cluster.ask(cookie_meshkit=cookie)[0] is asked[1]


@pytest.mark.parametrize("mode", MODES)
def test_when_all_have_failed_it_stays_and_nothing_is_said(mode):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), members(*HOSTS[:3]))
    member, cookie = cluster.ask()
    asked, later = retried(cluster, 4, cookie_meshkit=cookie)
    assert asked[3] is member
    assert set(asked[:3]) == set(cluster.groups[0])
    assert later is None


@pytest.mark.parametrize("mode", MODES)
def test_when_nobody_is_up_it_stays(mode):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), members(*HOSTS))
    member, cookie = cluster.ask()
    for each in cluster.groups[0]:
        each.up = each.well = False
    assert cluster.ask(5.0, cookie_meshkit=cookie) == (member, cookie)


@pytest.mark.parametrize("inner", [RoundRobin(), LeastRequest(), PeakEwma(), Prequal()])
def test_the_inner_balancer_picks_of_those_that_are_up(inner):
    here = members(*HOSTS)
    cluster = Cluster(Sticky(inner), here)
    assert {cluster.ask()[0] for _ in range(100)} == set(here)
    here[0].up = here[0].well = False
    assert {cluster.ask(0.01)[0] for _ in range(100)} == set(here[1:])  # at once
    here[0].up = here[0].well = True
    assert {cluster.ask(2.0)[0] for _ in range(100)} == set(here)


# Those who are drained.


def drain(cluster, member, now):
    member.endpoint = Endpoint(member.endpoint.address, weight=0)
    member.up = False
    cluster.arrange()
    if hasattr(cluster.balancer, "tend"):
        assert cluster.balancer.tend([each for group in cluster.groups for each in group], now) == (now + 1.0, False)


def test_a_drained_endpoint_keeps_its_sessions_and_gets_no_new_ones():
    cluster = Cluster(Sticky(RoundRobin(), mode="persistent"), members(*HOSTS))
    member, cookie = cluster.ask()
    drain(cluster, member, 5.0)
    assert cluster.ask(5.0, cookie_meshkit=cookie) == (member, cookie)
    assert member not in {cluster.ask(5.0)[0] for _ in range(50)}
    member.checked = False
    assert cluster.ask(5.0, cookie_meshkit=cookie)[0] is not member  # drained, and ill
    member.checked, member.ejected = True, True
    assert cluster.ask(5.0, cookie_meshkit=cookie)[0] is not member


def test_a_drained_endpoint_is_known_before_anybody_tends():
    cluster = Cluster(Sticky(RoundRobin(), mode="persistent"), members(*HOSTS))
    member, cookie = cluster.ask()
    member.endpoint, member.up = Endpoint(member.endpoint.address, weight=0), False
    cluster.arrange()
    assert cluster.ask(cookie_meshkit=cookie) == (member, cookie)


def test_a_drained_endpoint_that_is_gone_is_forgotten():
    cluster = Cluster(Sticky(RoundRobin(), mode="persistent"), members(*HOSTS))
    member, cookie = cluster.ask()
    drain(cluster, member, 5.0)
    cluster.groups = [[each for each in cluster.groups[0] if each is not member]]
    cluster.balancer.tend(cluster.groups[0], 6.0)
    assert cluster.ask(6.0, cookie_meshkit=cookie)[0] is not member


def test_balanced_a_drained_endpoint_gives_up_its_slots():
    cluster = Cluster(Sticky(RoundRobin(), mode="balanced"), members(*HOSTS))
    member, cookie = cluster.ask()
    drain(cluster, member, 5.0)
    other, later = cluster.ask(5.0, cookie_meshkit=cookie)
    assert other is not member
    assert later == cookie


def test_an_inner_balancer_is_tended_too():
    class Tended:
        def start(self, rng):
            inner = RoundRobin().start(rng)

            class State:
                load = staticmethod(inner.load)
                arrange = staticmethod(inner.arrange)
                askers = ("theirs",)

                def tend(self, members, now):
                    return now + 0.25, True

            return State()

    for mode in MODES:
        balancer = Sticky(Tended(), mode=mode).start(Random(1))
        assert balancer.tend([], 3.0) == (3.25, True)
        assert balancer.askers == (balancer.asker, "theirs")
        assert [type(each).__name__ for each in balancer.within] == ["State"]
    assert not hasattr(Sticky(RoundRobin(), mode="balanced").start(Random(1)), "tend")


def test_drained_in_a_real_cluster():
    class Source:
        def first(self):
            return endpoints(1)

        async def watch(self):
            yield endpoints(1)

    def endpoints(weight):
        return [Endpoint("10.0.0.1:80", weight=weight), Endpoint("10.0.0.2:80"), Endpoint("10.0.0.3:80")]

    def ask(now, cookie=None):
        call = Call(Door(), {"cookie:meshkit": cookie}, now)
        call.facts = {asker: asker.facts(call) for asker in state.askers}
        state.pick(call, now)
        return call.endpoint.host, cookie if call.cookies is None else call.cookies[0][1]

    def update(told):
        for _ in state.update(0, told):
            pass

    state = RealCluster("shop", Source(), balancer=Sticky(RoundRobin(), mode="persistent")).start(Random(1))
    state.fold(lambda states: states)
    cookies = dict(ask(0.0) for _ in range(3))
    update(endpoints(0))
    assert {host: ask(5.0, cookie)[0] for host, cookie in cookies.items()} == {host: host for host in cookies}
    assert {ask(5.0)[0] for _ in range(9)} == {"10.0.0.2", "10.0.0.3"}
    assert ask(60.0, cookies["10.0.0.1"])[0] == "10.0.0.1"
    update(endpoints(0)[1:])
    ask(71.0)
    assert ask(71.0, cookies["10.0.0.1"])[0] != "10.0.0.1"


# Priorities and localities.


@pytest.mark.parametrize("mode", MODES)
def test_a_session_stays_whichever_locality_the_cluster_has_chosen(mode):
    here, there = members(*HOSTS[:3], locality="a"), members("10.1.0.1", "10.1.0.2", locality="b")
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), here, there)
    for group in (0, 1):
        for _ in range(6):
            member, cookie = cluster.ask(group=group)
            assert member in cluster.groups[group]
            for other in (0, 1):
                assert cluster.ask(group=other, cookie_meshkit=cookie) == (member, cookie)


@pytest.mark.parametrize("mode", MODES)
def test_a_session_of_a_locality_that_is_gone_is_served_where_it_comes_to(mode):
    here, there = members(*HOSTS[:3], locality="a"), members("10.1.0.1", locality="b")
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), here, there)
    _, cookie = cluster.ask(group=1)
    cluster.groups, cluster.picks = [here], cluster.picks[:1]
    member, later = cluster.ask(cookie_meshkit=cookie)
    assert member in here
    assert cluster.ask(cookie_meshkit=later) == (member, later)


# What a client may send.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "10.0.0.1:80",
        "http://169.254.169.254/",
        "0" * 15,
        "0" * 17,
        "g" * 16,
        "F" * 16,  # upper case is none of ours
        "0" * 31,
        "0" * 33,
        "0" * 32 + "\n",
        "0" * 16 + "\n",
        "\u0660" * 16,  # digits, of another script
        "\x00" * 32,
        "x" * 1_000_000,
        b"0" * 16,
        None,
        7,
        ["0" * 16],
    ],
    ids=lambda value: repr(value)[:44],
)
def test_what_is_no_cookie_of_ours_begins_a_session(mode, value):
    cluster = Cluster(Sticky(RoundRobin(), mode=mode), members(*HOSTS))
    call = cluster.call(cookie_meshkit=value)
    assert cluster.picks[0].pick(call, 0.0) in cluster.groups[0]
    assert told(call)
    assert told(call) != value


def test_a_name_of_nobody_begins_a_session():
    cluster = Cluster(Sticky(RoundRobin(), mode="persistent"), members(*HOSTS))
    call = cluster.call(cookie_meshkit="0" * 32)
    member = cluster.picks[0].pick(call, 0.0)
    assert cluster.ask(cookie_meshkit=told(call))[0] is member


@given(st.from_regex(r"[0-9a-f]{16}", fullmatch=True))
@settings(max_examples=50)
def test_any_token_reaches_an_endpoint_of_the_cluster(token):
    member, cookie = BALANCED.ask(cookie_meshkit=token)
    assert member in BALANCED.groups[0]
    assert cookie == token


BALANCED = Cluster(Sticky(RoundRobin(), mode="balanced"), members(*HOSTS))


def test_a_cookie_does_not_show_the_address_and_with_a_secret_cannot_be_guessed():
    def named(**options):
        [member] = members("10.0.0.1")
        return Cluster(Sticky(RoundRobin(), mode="persistent", **options), [member]).ask()[1]

    assert len({named(), named(secret="one"), named(secret="two")}) == 3
    assert named() == blake2b(b"10.0.0.1:80", digest_size=16, person=b"meshkit.sticky").hexdigest()
    assert named(secret="one") == named(secret="one")
    assert "hush" not in repr(Sticky(secret="hush"))


# What the client is told.


@pytest.mark.parametrize(
    ("options", "attributes"),
    [
        ({}, "Path=/; HttpOnly; SameSite=Lax"),
        ({"path": "/shop", "max_age": 3600}, "Path=/shop; Max-Age=3600; HttpOnly; SameSite=Lax"),
        ({"max_age": 0.2}, "Path=/; Max-Age=1; HttpOnly; SameSite=Lax"),
        ({"secure": True, "same_site": "none"}, "Path=/; Secure; HttpOnly; SameSite=None"),
        ({"http_only": False, "same_site": None}, "Path=/"),
        ({"same_site": "strict"}, "Path=/; HttpOnly; SameSite=Strict"),
    ],
)
def test_attributes(options, attributes):
    cluster = Cluster(Sticky(RoundRobin(), cookie="sid", **options), members(*HOSTS))
    call = cluster.call()
    cluster.picks[0].pick(call, 0.0)
    [(name, value, said)] = call.cookies
    assert (name, said) == ("sid", attributes)
    assert value.isalnum()


def test_cookies_of_others_are_left_alone_and_a_forks_list_is_its_own():
    cluster = Cluster(Sticky(RoundRobin()), members(*HOSTS))
    call = cluster.call()
    others = call.cookies = [("theirs", "1", "Path=/")]
    cluster.picks[0].pick(call, 0.0)
    cluster.picks[0].pick(call, 0.0)
    assert others == [("theirs", "1", "Path=/")]
    assert [name for name, _, _ in call.cookies] == ["theirs", "meshkit"]


# Sessions by a key.


def keyed(**options):
    return Cluster(Sticky(RoundRobin(), key="header:x-session", **options), members(*HOSTS))


def test_a_key_stays_where_it_was_served_first_and_no_cookie_is_set():
    cluster = keyed()
    first = {}
    for _ in range(3):
        for session in "abcde":
            member = by_key(cluster, session)
            assert first.setdefault(session, member) is member
    assert set(first.values()) == set(cluster.groups[0])


def by_key(cluster, session, now=0.0, avoid=()):
    call = Call(Door(), {"header:x-session": session}, now)
    call.facts = {asker: asker.facts(call) for asker in cluster.balancer.askers}
    call.avoid = avoid
    member = cluster.picks[0].pick(call, now)
    assert call.cookies is None
    return member


@pytest.mark.parametrize("nobody", [None, "", b""], ids=repr)
def test_without_a_key_the_inner_balancer_picks_and_nothing_is_remembered(nobody):
    cluster = keyed()
    assert {by_key(cluster, nobody) for _ in range(5)} == set(cluster.groups[0])
    assert not cluster.balancer.known


def test_a_key_moves_or_keeps():
    for on_failure in ("move", "keep"):
        cluster = keyed(on_failure=on_failure)
        member = by_key(cluster, "a")
        other = by_key(cluster, "a", avoid=(member.endpoint,))
        assert other is not member
        assert by_key(cluster, "a") is (other if on_failure == "move" else member)


def test_a_key_is_forgotten_when_unused_for_max_age():
    cluster = keyed(max_age=10.0)
    member = by_key(cluster, "a", 0.0)
    assert by_key(cluster, "a", 10.0) is member  # and used again
    assert by_key(cluster, "a", 20.0) is member
    assert by_key(cluster, "a", 30.1) is not member


def test_only_the_latest_keys_are_remembered():
    cluster = keyed(remembered=3)
    a = by_key(cluster, "a")
    for session in "bcde":
        by_key(cluster, session)
        assert by_key(cluster, "a") is a  # in use
    assert len(cluster.balancer.known) == 3
    by_key(cluster, "f"), by_key(cluster, "g"), by_key(cluster, "h")
    assert [session for (session,) in cluster.balancer.known] == ["f", "g", "h"]


def test_a_long_key_is_kept_as_what_stands_for_it_and_one_without_a_hash_is_refused():
    cluster = keyed()
    assert by_key(cluster, "x" * 1_000_000) is by_key(cluster, "x" * 1_000_000)
    [(session,)] = cluster.balancer.known
    assert len(session) < 100
    with pytest.raises(TypeError, match="Sticky: the key is a list"):
        by_key(cluster, [1])


def test_a_number_is_a_key_and_never_a_point_between_localities():
    cluster = Cluster(Sticky(RoundRobin(), key=lambda call: call.request["user"]), members(*HOSTS))
    call = cluster.call(user=7)
    assert list(call.facts.values()) == [(7,)]
    assert cluster.picks[0].pick(call, 0.0) is cluster.picks[0].pick(call, 0.0)


# The table.


def ring(names):
    """The rule itself, slot by slot."""
    points = sorted(
        (point >> 16, point & 65_535, name)
        for name in names
        for part in range(4)
        for point in unpack("<16I", blake2b(f"{name}{part}".encode()).digest())
    )
    slots = [slot for slot, _, _ in points]
    return [points[bisect_left(slots, slot) % len(points)][2] for slot in range(SLOTS)]


def laid(names):
    table = Table(names)
    slices = list(table.lay())
    return [table.names[owner] for owner in table.owners], table, len(slices)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_the_table_is_the_ring(n):
    names = [f"{k:032x}" for k in range(n)]
    owners, table, _ = laid(names)
    assert owners == ring(names)
    assert owners == laid(names[::-1])[0]
    assert sorted(slot for slots in table.slots.values() for slot in slots) == list(range(SLOTS))
    assert all(owners[slot] == name for name, slots in table.slots.items() for slot in slots)


def test_a_large_table_is_laid_in_slices_and_nearly_all_have_slots():
    _, table, slices = laid([f"{k:032x}" for k in range(2000)])
    assert slices >= 2000 / 32 + 32
    assert all(table.slots.values())


def test_the_table_is_taken_over_where_nobody_came_or_went():
    cluster = Cluster(Sticky(RoundRobin()), members(*HOSTS))
    table = cluster.picks[0].table
    cluster.arrange()
    assert cluster.picks[0].table is table
    cluster.groups[0].pop()
    cluster.arrange()
    assert cluster.picks[0].table is not table


# Models.

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 9)),
        st.tuples(st.just("turn"), st.integers(0, 5)),
        st.tuples(st.just("set"), st.sets(st.integers(0, 5), min_size=1)),
        st.tuples(st.just("fail"), st.integers(0, 9)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(["move", "keep"]), st.booleans(), st.integers(0, 2**32))
def test_persistent_against_a_dict(steps, on_failure, by_cookie, seed):
    """What each client's session should be, kept beside."""
    everybody = members(*[f"10.0.0.{k}" for k in range(6)])
    key = None if by_cookie else "header:x-session"
    spec = Sticky(RoundRobin(), mode="persistent", key=key, on_failure=on_failure)
    cluster = Cluster(spec, everybody, seed=seed)
    belongs, cookies, now = {}, {}, 0.0
    for what, which in steps:
        now += 1.0
        here = cluster.groups[0]
        if what == "turn":
            everybody[which].up = everybody[which].well = not everybody[which].up
        elif what == "set":
            cluster.groups = [[everybody[k] for k in sorted(which)]]
            cluster.arrange()
        else:
            call = Call(Door(), {"header:x-session": str(which), "cookie:meshkit": cookies.get(which)}, now)
            call.facts = {asker: asker.facts(call) for asker in cluster.balancer.askers}
            fresh = by_cookie and (which not in cookies or belongs.get(which) not in here)
            for _ in range(2 if what == "fail" else 1):
                own = belongs.get(which)
                member = cluster.picks[0].pick(call, now)
                assert member in here
                sound = any(each.up for each in here)
                if own not in here or fresh:
                    belongs[which] = member
                elif own.endpoint in call.avoid:
                    assert member is not own or len(here) == 1 or sum(each.up for each in here) <= 1
                    if on_failure == "move":
                        belongs[which] = member
                elif own.up or not sound:
                    assert member is own
                else:
                    assert member.up
                    if on_failure == "move":
                        belongs[which] = member
                call.avoid = (*call.avoid, member.endpoint)
            if by_cookie and call.cookies:
                cookies[which] = call.cookies[0][1]


# Options.


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"inner": PeakEwma}, "inner"),
        ({"inner": 3}, "inner"),
        ({"cookie": "a b"}, "cookie"),
        ({"cookie": "a=b"}, "cookie"),
        ({"cookie": ""}, "cookie"),
        ({"cookie": "a\r\nSet-Cookie: x"}, "cookie"),
        ({"cookie": None}, "cookie"),
        ({"cookie": "__Host-sid"}, "cookie"),
        ({"cookie": "__Secure-sid"}, "cookie"),
        ({"cookie": "__Host-sid", "secure": True, "path": "/a"}, "path"),
        ({"mode": "sticky"}, "mode"),
        ({"mode": "balanced", "key": "header:x"}, "mode"),
        ({"on_failure": "drop"}, "on_failure"),
        ({"path": "shop"}, "path"),
        ({"path": "/a; Domain=x"}, "path"),
        ({"path": "/a\n"}, "path"),
        ({"max_age": 0}, "max_age"),
        ({"secure": 1}, "secure"),
        ({"same_site": "Lax"}, "same_site"),
        ({"same_site": "none"}, "same_site"),
        ({"key": ""}, "key"),
        ({"key": 3}, "key"),
        ({"secret": ""}, "secret"),
        ({"secret": b"x"}, "secret"),
        ({"remembered": 0}, "remembered"),
    ],
)
def test_options_are_checked(options, option):
    with pytest.raises(ConfigError, match=f"Sticky: {option}="):
        Sticky(**options)


def test_a_secret_is_not_repeated_in_an_error():
    with pytest.raises(ConfigError) as error:
        Sticky(secret=b"hush")
    assert "hush" not in str(error.value)


def test_what_browsers_accept_is_accepted():
    assert Sticky(cookie="__Host-sid", secure=True).path == "/"
    assert Sticky() == Sticky(PeakEwma(), mode="balanced")
    assert Sticky(key="header:x").mode == "persistent"


def test_a_door_is_asked_whether_it_knows_the_name():
    check(Door(), [Sticky(), Sticky(key="header:x"), Sticky(key=lambda call: 1)])
    with pytest.raises(ConfigError, match=r"Sticky: source='user': no such name"):
        check(Door(), [Sticky(key="user")])


def test_the_load_is_the_inner_balancers():
    assert Sticky(RoundRobin()).start(Random(1)).load(1) is None
    assert type(Sticky().start(Random(1)).load(2.0)).__name__ == "PeakLatency"
