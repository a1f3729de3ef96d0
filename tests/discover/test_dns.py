"""Names: which sets an answer makes, when the next question comes, and what is an error."""

from __future__ import annotations

import gc
import threading
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import anyio
import dns.flags
import dns.message
import dns.name
import pytest

from meshkit.cluster.endpoint import Endpoint
from meshkit.discover import Dns
from meshkit.discover.hosts import named
from meshkit.errors import ConfigError, DiscoveryError
from meshkit.testing import run, virtual_clock

from .nameserver import SOA, Nameserver, Reply, asked, records, say, truncated
from .watching import Naps, nothing, told

IPV4 = "payments.test. 30 A 10.0.0.7"
IPV6 = "payments.test. 30 AAAA 2001:db8::7"


def payments(server: Nameserver, **options: Any) -> Dns:
    return Dns(
        "payments.test", 8080, nameservers=[server.address], hosts=None, timeout=options.pop("timeout", 5.0), **options
    )


async def failure(reply: Reply, **options: Any) -> str:
    with Nameserver(reply) as server:
        source = payments(server, **options)
        with pytest.raises(DiscoveryError) as caught:
            await told(source)
        assert caught.value.source is source
        return str(caught.value).replace(server.address.rpartition(":")[2], "PORT")


async def test_an_endpoint_for_each_address(naps: Naps) -> None:
    rows = [IPV4, "payments.test. 30 A 9.0.0.1", "payments.test. 30 A 10.0.0.10"]
    with Nameserver(records(*rows)) as server:
        assert await told(payments(server)) == [["9.0.0.1:8080", "10.0.0.7:8080", "10.0.0.10:8080"]]
        assert server.questions == ["payments.test. A udp"]
    assert naps.lengths == [30]


async def test_what_is_said_of_all_of_them(naps: Naps) -> None:
    with Nameserver(records(IPV6)) as server:
        source = payments(server, scheme="https", family="ipv6", priority=2, locality="eu/a")
        async with aclosing(source.watch()) as sets:
            found = await anext(sets)
    assert found == (Endpoint("https://[2001:db8::7]:8080", priority=2, locality="eu/a"),)


@pytest.mark.parametrize(
    ("family", "rows", "found", "questions"),
    [
        ("ipv4", [IPV4, IPV6], ["10.0.0.7:8080"], "A"),
        ("ipv6", [IPV4, IPV6], ["[2001:db8::7]:8080"], "AAAA"),
        ("ipv6", [IPV4], [], "AAAA"),
        ("all", [IPV4, IPV6], ["10.0.0.7:8080", "[2001:db8::7]:8080"], "A AAAA"),
        ("all", [IPV6], ["[2001:db8::7]:8080"], "A AAAA"),
        ("prefer-ipv4", [IPV4, IPV6], ["10.0.0.7:8080"], "A"),
        ("prefer-ipv4", [IPV6], ["[2001:db8::7]:8080"], "A AAAA"),
        ("prefer-ipv6", [IPV4, IPV6], ["[2001:db8::7]:8080"], "AAAA"),
        ("prefer-ipv6", [IPV4], ["10.0.0.7:8080"], "AAAA A"),
        ("all", [], [], "A AAAA"),
    ],
)
async def test_families(naps: Naps, family: str, rows: list[str], found: list[str], questions: str) -> None:
    with Nameserver(records(*rows)) as server:
        assert await told(payments(server, family=family)) == [found]
        assert [each.split()[1] for each in server.questions] == questions.split()


@pytest.mark.parametrize(
    ("answer", "authority", "nap"),
    [
        (["payments.test. 30 A 10.0.0.7"], [], 30),
        (["payments.test. 0 A 10.0.0.7"], [], 2),
        (["payments.test. 86400 A 10.0.0.7"], [], 250),
        (["payments.test. 2147483648 A 10.0.0.7"], [], 2),  # RFC 2181, section 8: as if it were 0
        (["payments.test. 4294967295 A 10.0.0.7"], [], 2),
        (["payments.test. 20 CNAME a.test.", "a.test. 40 CNAME b.test.", "b.test. 60 A 10.0.0.7"], [], 20),
        (["payments.test. 60 CNAME a.test.", "a.test. 8 CNAME b.test.", "b.test. 60 A 10.0.0.7"], [], 8),
        (["payments.test. 60 CNAME a.test.", "a.test. 60 A 10.0.0.7"], [], 60),
        ([], ["test. 90 SOA ns.test. root.test. 1 2 3 4 7"], 7),  # RFC 2308, section 5: the smaller of the two
        ([], ["test. 6 SOA ns.test. root.test. 1 2 3 4 90"], 6),
        ([], [], 2),  # and without an SOA it is not kept
    ],
)
async def test_the_next_question(naps: Naps, answer: list[str], authority: list[str], nap: float) -> None:
    with Nameserver(lambda query, tcp: say(query, *answer, authority=authority)) as server:
        found = await told(payments(server, family="ipv4", least=2, most=250))
    assert found == [["10.0.0.7:8080"] if answer else []]
    assert naps.lengths == [nap]


@pytest.mark.parametrize(("ipv4", "ipv6"), [(30, 9), (9, 30)])
async def test_of_two_families_the_shorter_time_counts(naps: Naps, ipv4: int, ipv6: int) -> None:
    with Nameserver(records(f"payments.test. {ipv4} A 10.0.0.7", f"payments.test. {ipv6} AAAA ::7")) as server:
        await told(payments(server, family="all"))
    assert naps.lengths == [9]


async def test_only_changes_are_told(naps: Naps) -> None:
    rows = [
        ["10.0.0.7", "10.0.0.8"],
        ["10.0.0.8", "10.0.0.7"],  # shuffled
        ["10.0.0.8", "10.0.0.8"],
        [],
        [],
        ["10.0.0.9"],
    ]
    turns = iter(rows)

    def reply(query: Any, tcp: bool) -> Any:
        return say(query, *[f"payments.test. 5 A {each}" for each in next(turns)], authority=[SOA])

    naps.then = [nothing] * 5
    with Nameserver(reply) as server:
        found = await told(payments(server, family="ipv4"))
    assert found == [["10.0.0.7:8080", "10.0.0.8:8080"], ["10.0.0.8:8080"], [], ["10.0.0.9:8080"]]
    assert naps.lengths == [5, 5, 5, 60, 60, 5]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_day_of_questions(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In virtual time: every 300 s, however long the server wants to be left alone, and one change is seen then."""
    times: list[float] = []

    async def ask(*_: Any, **__: Any) -> Any:
        from ipaddress import ip_address

        times.append(virtual_clock())
        return {ip_address("10.0.0.8" if len(times) > 200 else "10.0.0.7")}, 10_000_000

    async def main() -> float:
        began = virtual_clock()
        async with aclosing(Dns("payments.test", 80, hosts=None).watch()) as sets:
            assert [str(each) for each in await anext(sets)] == ["10.0.0.7:80"]
            assert [str(each) for each in await anext(sets)] == ["10.0.0.8:80"]
        return virtual_clock() - began

    monkeypatch.setattr("meshkit.discover.dns.ask", ask)
    assert run(main, backend=backend) == pytest.approx(200 * 300.0)


async def test_a_truncated_answer_is_asked_for_over_tcp(naps: Naps) -> None:
    many = [f"payments.test. 30 A 10.0.{number // 250}.{number % 250}" for number in range(1000)]
    with Nameserver(lambda query, tcp: say(query, *many) if tcp else truncated(query)) as server:
        (found,) = await told(payments(server))
        assert server.questions == ["payments.test. A udp", "payments.test. A tcp"]
    assert len(set(found)) == 1000


async def test_what_was_not_asked_for_is_overheard(naps: Naps) -> None:
    def reply(query: Any, tcp: bool) -> Any:
        right = say(query, IPV4)
        wrong_id = say(query, "payments.test. 30 A 6.6.6.6")
        wrong_id.id ^= 1
        other = say(dns.message.make_query("other.test.", "A", id=query.id), "other.test. 30 A 6.6.6.6")
        no_answer = say(query)
        no_answer.flags &= ~dns.flags.QR
        return [b"", b"garbage", right.to_wire()[:20], wrong_id, other, no_answer, right]

    with Nameserver(reply) as server:
        assert await told(payments(server)) == [["10.0.0.7:8080"]]
        assert len(server.questions) == 1


async def test_a_lost_datagram_is_sent_again(naps: Naps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshkit.discover.resolver.ATTEMPT_SECONDS", 0.05)
    turns = iter([False, True])
    with Nameserver(lambda query, tcp: say(query, IPV4) if next(turns) else None) as server:
        assert await told(payments(server)) == [["10.0.0.7:8080"]]
        assert len(server.questions) == 2


async def test_the_next_server_is_asked(naps: Naps) -> None:
    with Nameserver(lambda query, tcp: say(query, rcode="SERVFAIL")) as broken, Nameserver(records(IPV4)) as server:
        source = Dns("payments.test", 80, nameservers=[broken.address, server.address], hosts=None)
        assert await told(source) == [["10.0.0.7:80"]]
        assert broken.questions == server.questions


LOOP = ["payments.test. 9 CNAME a.test.", "a.test. 9 CNAME payments.test."]
UNKNOWN: dict[str, tuple[Reply, str]] = {
    "no such name": (
        lambda query, tcp: say(query, authority=[SOA], rcode="NXDOMAIN"),
        "payments.test: there is no such name (NXDOMAIN)",
    ),
    "broken": (lambda query, tcp: say(query, rcode="SERVFAIL"), "answered SERVFAIL"),
    "refused": (lambda query, tcp: say(query, rcode="REFUSED"), "answered REFUSED"),
    "referral": (
        lambda query, tcp: say(query, authority=["test. 9 NS ns.test."]),
        "127.0.0.1 sends elsewhere for A of payments.test.",
    ),
    "does not recurse": (lambda query, tcp: say(query, ra=False), "sends elsewhere"),
    "half a chain": (
        lambda query, tcp: say(query, "payments.test. 9 CNAME a.test."),
        "sends elsewhere for A of a.test.",
    ),
    "a loop": (lambda query, tcp: say(query, *LOOP), "payments.test: "),
    "truncated over TCP": (lambda query, tcp: truncated(query), "127.0.0.1 truncates its answer to A over TCP as well"),
    "garbage": (lambda query, tcp: b"garbage", "no answer to A within 0.2 s"),
    "silence": (lambda query, tcp: None, "no answer to A within 0.2 s"),
    "hung up": (lambda query, tcp: None if tcp else truncated(query), "payments.test: "),
    "garbage over TCP": (lambda query, tcp: b"\0" * 30 if tcp else truncated(query), "payments.test: "),
    "unspecified": (lambda query, tcp: say(query, "payments.test. 9 A 0.0.0.0"), "0.0.0.0, which is no server"),
    "multicast": (lambda query, tcp: say(query, IPV4, "payments.test. 9 A 224.0.0.1"), "224.0.0.1, which is no server"),
    "unspecified, in other clothes": (records("payments.test. 9 AAAA ::ffff:0.0.0.0"), ", which is no server"),
    "broadcast": (lambda query, tcp: say(query, "payments.test. 9 A 255.255.255.255"), "255, which is no server"),
}


@pytest.mark.parametrize(("reply", "said"), UNKNOWN.values(), ids=UNKNOWN)
async def test_not_knowing_is_an_error(naps: Naps, reply: Reply, said: str) -> None:
    assert said in await failure(reply, timeout=0.2)
    assert naps.lengths == []


async def test_half_an_answer_is_none(naps: Naps) -> None:
    said = await failure(
        lambda query, tcp: say(query, IPV4) if asked(query) == "A" else say(query, rcode="SERVFAIL"), family="all"
    )
    assert "payments.test. IN AAAA" in said


@pytest.mark.parametrize(
    "address",
    ["10.0.0.7", "127.0.0.1", "169.254.169.254", "192.168.0.1", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"],
)
async def test_private_addresses_can_be_refused(naps: Naps, address: str) -> None:
    kind = "AAAA" if ":" in address else "A"
    row, public = f"payments.test. 9 {kind} {address}", {"A": "1.1.1.1", "AAAA": "2606:4700::1"}[kind]
    options = {"family": "ipv6" if kind == "AAAA" else "ipv4"}
    beside = records(row, f"payments.test. 9 {kind} {public}")
    assert "which is not public" in await failure(beside, private=False, **options)
    with Nameserver(beside) as server:
        assert len((await told(payments(server, **options)))[0]) == 2
    with Nameserver(records(f"payments.test. 9 {kind} {public}")) as server:
        assert len((await told(payments(server, private=False, **options)))[0]) == 1


async def test_an_error_ends_it_and_another_watch_begins_anew(naps: Naps) -> None:
    turns = iter(["NOERROR", "SERVFAIL", "NOERROR"])
    naps.then = [nothing]
    found: list[list[str]] = []
    with Nameserver(lambda query, tcp: say(query, IPV4, rcode=next(turns))) as server:
        source = payments(server)
        with pytest.raises(DiscoveryError):
            await told(source, found)
        assert found == [["10.0.0.7:8080"]]
        assert await told(source, found) == [["10.0.0.7:8080"]] * 2


async def test_search_domains(naps: Naps, monkeypatch: pytest.MonkeyPatch) -> None:
    import dns.resolver

    def configured(self: Any, *_: object) -> None:
        self.search = [dns.name.from_text("first.test."), dns.name.from_text("second.test.")]

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", configured)
    monkeypatch.setattr(dns.resolver.sys, "platform", "linux")

    def reply(query: Any, tcp: bool) -> Any:
        if "second" in query.question[0].to_text():
            return say(query, "payments.second.test. 9 A 10.0.0.7")
        return say(query, rcode="NXDOMAIN", authority=[SOA])

    with Nameserver(reply) as server:
        options: dict[str, Any] = {"nameservers": (server.address,), "hosts": None}
        assert await told(Dns("payments", 80, search=True, **options)) == [["10.0.0.7:80"]]
        assert [each.split()[0] for each in server.questions] == ["payments.first.test.", "payments.second.test."]
        with pytest.raises(DiscoveryError, match="NXDOMAIN"):
            await told(Dns("payments", 80, **options))
        assert server.questions[-1].split()[0] == "payments."


async def test_a_machine_without_a_resolver(naps: Naps, monkeypatch: pytest.MonkeyPatch) -> None:
    import dns.resolver

    def configured(self: Any, *_: object) -> None:
        raise dns.resolver.NoResolverConfiguration("cannot open resolv.conf")

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", configured)
    monkeypatch.setattr(dns.resolver.sys, "platform", "linux")
    with pytest.raises(DiscoveryError, match=r"^payments.test: cannot open resolv.conf"):
        await told(Dns("payments.test", 80, hosts=None))


@pytest.mark.parametrize(
    ("host", "shown"), [("10.0.0.7", "10.0.0.7:80"), ("::1", "[::1]:80"), ("[0:0::1]", "[::1]:80")]
)
async def test_an_address_is_known_at_once(naps: Naps, host: str, shown: str) -> None:
    source = Dns(host, 80)
    first = source.first()
    assert first is not None
    assert [str(each) for each in first] == [shown]
    assert await told(source) == [[shown]]
    assert naps.lengths == []
    assert Dns("payments.test", 80).first() is None


HOSTS = """
# 10.0.0.1 payments.test
127.0.0.1\tlocalhost
10.0.0.7  first.test Payments.Test.  # the old one
10.0.0.8 payments.test
2001:db8::7 payments.test
fe80::1%lo0 payments.test
nonsense payments.test
10.0.0.9 payments.test.example
10.0.0.300 payments.test
"""


@pytest.mark.parametrize(
    ("family", "found"),
    [
        ("prefer-ipv4", ["10.0.0.7:80", "10.0.0.8:80"]),
        ("ipv6", ["[2001:db8::7]:80"]),
    ],
)
async def test_the_hosts_file_is_looked_into_first(naps: Naps, tmp_path: Path, family: str, found: list[str]) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(HOSTS, "utf-8")
    naps.then = [lambda: hosts.write_text("10.1.1.1 payments.test\n::9 payments.test\n", "utf-8")]
    source = Dns("PAYMENTS.test", 80, hosts=str(hosts), family=family)
    assert await told(source) == [found, ["10.1.1.1:80"] if family != "ipv6" else ["[::9]:80"]]
    assert naps.lengths == [5.0, 5.0]


async def test_what_the_hosts_file_does_not_know_is_asked_for(naps: Naps, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    with Nameserver(records(IPV4)) as server:
        source = Dns("payments.test", 80, nameservers=[server.address], hosts=str(hosts))
        assert await told(source) == [["10.0.0.7:80"]]
        hosts.write_text("::1 payments.test\n", "utf-8")
        assert await told(Dns("payments.test", 80, nameservers=[server.address], hosts=str(hosts), family="ipv4")) == [
            ["10.0.0.7:80"]
        ]
    with pytest.raises(DiscoveryError, match=r"payments.test: .*directory"):
        await told(Dns("payments.test", 80, hosts=str(tmp_path)))


@pytest.mark.parametrize("host", ["localhost", "app.localhost"])
def test_localhost_is_this_machine(tmp_path: Path, host: str) -> None:
    hosts = tmp_path / "hosts"
    assert {str(each) for each in named(host, str(hosts))} == {"127.0.0.1", "::1"}
    hosts.write_text(f"127.0.0.2 {host}\n", "utf-8")
    assert {str(each) for each in named(host, str(hosts))} == {"127.0.0.2"}
    hosts.write_text(f"127.0.0.3 {host.upper()}\n", "utf-8")
    assert {str(each) for each in named(host, str(hosts))} == {"127.0.0.3"}
    assert named("notlocalhost", str(hosts)) == set()


@pytest.mark.parametrize("over_tcp", [False, True])
async def test_cancelled_while_a_server_thinks(over_tcp: bool) -> None:
    """Nothing is left over: a socket would be a ResourceWarning, and so an error."""
    reached, over = threading.Event(), threading.Event()

    def reply(query: Any, tcp: bool) -> Any:
        if over_tcp and not tcp:
            return truncated(query)
        reached.set()
        over.wait(10.0)
        return None

    with Nameserver(reply) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(told, payments(server, timeout=60.0))
            assert await anyio.to_thread.run_sync(reached.wait, 10.0)
            group.cancel_scope.cancel()
        assert group.cancel_scope.cancelled_caught
        over.set()
        await anyio.lowlevel.checkpoint()
        gc.collect()


async def test_cancelled_between_two_questions() -> None:
    with Nameserver(records(IPV4)) as server:
        with anyio.CancelScope() as scope:
            async with aclosing(payments(server).watch()) as sets:
                await anext(sets)
                scope.cancel()
                await anext(sets)
        assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("host", "options", "said"),
    [
        ("payments:80", {}, "Dns: host='payments:80': give the name alone"),
        ("http://payments", {}, "give the name alone"),
        ("fe80::1%eth0", {}, "leave out the zone"),
        ("", {}, "give a name such as"),
        (".", {}, "give a name such as"),
        (None, {}, "give a name such as"),
        ("1.2.3", {}, "give a whole IP address"),
        ("bücher.test", {}, "punycode"),
        ("a b", {}, "leave out blanks"),
        ("x" * 64, {}, "give a host name"),
        ("payments", {"port": 0}, "Dns: port=0: give a whole number from 1 to 65535"),
        ("payments", {"scheme": "ftp"}, "write one of 'http', 'https'"),
        ("payments", {"family": 4}, "write one of 'ipv4', 'ipv6'"),
        ("payments", {"nameservers": "10.0.0.2"}, "give a list of IP addresses"),
        ("payments", {"nameservers": []}, "give a list of IP addresses"),
        ("payments", {"nameservers": ["ns.test"]}, "Dns: nameservers='ns.test'"),
        ("payments", {"nameservers": ["ns.test:53"]}, "Dns: nameservers='ns.test:53'"),
        ("payments", {"nameservers": ["10.0.0.2:0"]}, "Dns: nameservers='10.0.0.2:0'"),
        ("payments", {"nameservers": [7]}, "Dns: nameservers=7"),
        ("payments", {"hosts": 7}, "Dns: hosts=7"),
        ("payments", {"timeout": 0}, "Dns: timeout=0"),
        ("payments", {"least": 0}, "Dns: least=0"),
        ("payments", {"least": 9.0, "most": 8.0}, "Dns: least=9.0: give at most what most is, 8"),
        ("payments", {"most": float("nan")}, "Dns: most=nan"),
        ("payments", {"search": 1}, "write True or False"),
        ("payments", {"priority": -1}, "Dns: priority=-1"),
        ("payments", {"locality": ""}, "Dns: locality=''"),
    ],
)
def test_what_cannot_be(host: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Dns(host, **{"port": 80, **options})
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["10.0.0.2", "10.0.0.2:5353", "::1", "[::1]", "[::1]:5353"])
def test_nameservers(text: str) -> None:
    assert Dns("payments", 80, nameservers=[text]).nameservers == (text,)


def test_without_dnspython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshkit.discover.dns.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"dnspython is not installed: install meshkit with its extra \[dns\]"):
        Dns("payments", 80)
    assert Dns("10.0.0.7", 80).first()


def test_it_is_no_policy_and_a_value() -> None:
    assert Dns("Payments.test.", 80) == Dns("payments.test", 80)
    assert hash(Dns("payments", 80)) == hash(Dns("payments", 80))
    with suppress(AttributeError):
        Dns("payments", 80).port = 81  # type: ignore[misc]
        pytest.fail("it is frozen")
