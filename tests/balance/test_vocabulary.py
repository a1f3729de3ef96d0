"""The words of others: each makes a balancer that picks, or says why not, and the page is what the table says."""

import runpy
from pathlib import Path
from random import Random

import attrs
import httpx
import pytest

from meshkit import Cluster, Endpoint, Pipeline
from meshkit.balance import LeastRequest, Member, PeakEwma, RoundRobin
from meshkit.balance.around.sticky import Sticky
from meshkit.balance.hashing.hashed import Hashed
from meshkit.balance.hashing.keys import FirstOf, Uri
from meshkit.balance.hashing.maglev import Maglev
from meshkit.balance.hashing.modulo import Modulo
from meshkit.balance.hashing.ring import NginxConsistent, Ring
from meshkit.balance.load.first import First
from meshkit.balance.load.least_connections import LeastConnections
from meshkit.balance.report.dynamic_ratio import DynamicRatio
from meshkit.balance.words.vocabulary import VENDORS, named
from meshkit.balance.words.words import CLIENT
from meshkit.call import Call
from meshkit.errors import ConfigError
from meshkit.httpx import MeshTransport

ROOT = Path(__file__).parents[2]
BY_NAME = runpy.run_path(str(ROOT / "docs/by_name.py"))
WORDS = [(vendor, word, entry) for vendor, words in VENDORS.items() for word, entry in words.items()]
MADE = [(vendor, word, entry) for vendor, word, entry in WORDS if not isinstance(entry, str)]
NONE = [(vendor, word, entry) for vendor, word, entry in WORDS if isinstance(entry, str)]

COMPARED = {
    "alb": ["round_robin", "least_outstanding_requests"],
    "ingress-nginx": ["round_robin", "ewma"],
    "ambassador": ["round_robin", "ring_hash", "maglev"],
    "traefik": ["wrr", "p2c", "hrw", "leasttime"],
    "kong": ["round-robin", "consistent-hashing", "least-connections", "latency"],
    "istio": ["ROUND_ROBIN", "LEAST_CONN", "RANDOM", "PASSTHROUGH"],
    "contour": ["RoundRobin", "WeightedLeastRequest", "RequestHash", "Random", "Cookie"],
    "haproxy": ["roundrobin", "static-rr", "leastconn", "first", "source", "uri", "url_param", "hdr", "rdp-cookie"],
    "citrix": ["ROUNDROBIN", "LEASTCONNECTION", "LEASTRESPONSETIME", "URLHASH"],
    "gloo": ["roundRobin", "leastRequest", "random"],
    "f5": [
        *("dynamic-ratio-member", "dynamic-ratio-node", "fastest-app-response", "fastest-node"),
        *("least-connections-member", "least-connections-node", "least-sessions"),
        *("observed-member", "predictive-member", "ratio-member", "ratio-node", "ratio-session"),
    ],
    "voyager": ["roundrobin"],
    "envoy": ["ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "MAGLEV", "CLUSTER_PROVIDED"],
    "app-mesh": ["round_robin"],
    "nginx": ["round_robin", "least_conn", "ip_hash", "hash", "random"],
}
"""What the systems of the comparison table balance by."""


def test_nothing_that_was_compared_is_missing():
    for vendor, words in COMPARED.items():
        assert [word for word in words if word not in VENDORS[vendor]] == []


def identified(case):
    return f"{case[0]}-{case[1]}" if isinstance(case, tuple) else None


@pytest.mark.parametrize("case", MADE, ids=identified)
def test_each_word_makes_a_spec_that_starts(case):
    vendor, word, entry = case
    spec = named(vendor, word, **BY_NAME["sample"](vendor, word, getattr(entry, "make", entry)))
    balancer = spec.start(Random(1))
    members = []
    for n in range(3):
        load = balancer.load(1.0)
        members.append(Member(Endpoint(f"10.0.0.{n}:80"), load, [load] if load is not None else []))
    *_, pick = balancer.arrange(members, None)
    if not getattr(balancer, "askers", ()):  # those are for a call that came through a door
        assert pick.pick(Call(None, None, 0.0), 0.0) in members


@pytest.mark.parametrize("case", NONE, ids=identified)
def test_what_has_no_counterpart_says_why(case):
    vendor, word, reason = case
    with pytest.raises(ConfigError) as caught:
        named(vendor, word)
    assert caught.value.fix == reason


@pytest.mark.parametrize(
    ("asked", "options", "spec"),
    [
        (("haproxy", "leastconn"), {}, LeastConnections()),
        (("HAProxy", "STATIC_RR"), {}, RoundRobin(order="map", static=True)),
        (("haproxy", "first"), {"maxconn": 30}, First(places=30)),
        (("haproxy", "random(5)"), {}, LeastRequest(choices=5)),
        (("haproxy", "hdr(X-User)"), {}, Hashed("header:x-user", Modulo(), otherwise="round-robin")),
        (
            ("haproxy", "uri"),
            {"depth": 2, "hash_type": "consistent", "hash_balance_factor": 125},
            Hashed(Uri(depth=2), Ring(), bound=1.25, otherwise="round-robin"),
        ),
        (
            ("haproxy", "url_param(sid)"),
            {"function": "crc32"},
            Hashed("query:sid", Modulo("crc32"), otherwise="round-robin"),
        ),
        (
            ("nginx", "hash"),
            {"key": "uri", "consistent": True},
            Hashed("uri", NginxConsistent(), otherwise="round-robin"),
        ),
        (("nginx", "random"), {"two": "least_conn"}, LeastRequest()),
        (("ingressnginx", "ewma"), {"decay": 5.0}, PeakEwma(decay=5.0)),
        (
            ("kong", "consistent-hashing"),
            {"hash_on": "cookie", "name": "Sid", "hash_fallback": "ip"},
            Hashed(FirstOf("cookie:Sid", "client"), Ring(), otherwise="round-robin"),
        ),
        (("f5", "dynamic-ratio-member"), {}, DynamicRatio()),
        (("envoy", "LEAST_REQUEST"), {"full_scan": True}, LeastRequest(choices="all", bias=1.0)),
        (("envoy", "maglev"), {"key": "host", "table_size": 251}, Hashed("host", Maglev(251))),
        (("istio", "consistentHash"), {"key": "client", "algorithm": "maglev"}, Hashed("client", Maglev())),
    ],
    ids=str,
)
def test_words_and_options(asked, options, spec):
    assert named(*asked, **options) == spec


@pytest.mark.parametrize(
    ("asked", "options", "fix"),
    [
        (("squid", "leastconn"), {}, "vendor='squid': write one of 'alb'"),
        (("haproxy", "wrr"), {}, "word='wrr': of haproxy are known: roundrobin"),
        (("haproxy", "hdr("), {}, "word='hdr\\('"),
        (("haproxy", "leastconn(3)"), {}, "leave out what is in parentheses"),
        (("haproxy", "first"), {}, "give maxconn: it takes maxconn"),
        (("haproxy", "uri"), {"lenght": 3}, "leave out lenght: it takes length, depth"),
        (("haproxy", "source"), {"hash_type": "tree"}, "hash_type='tree'"),
        (("haproxy", "source"), {"hash_balance_factor": 90}, "hash_balance_factor=90"),
        (("kong", "consistent-hashing"), {"hash_on": "consumer"}, "hash_on='consumer'"),
        (("kong", "consistent-hashing"), {"hash_on": "header"}, "give the name of the header"),
        (("nginx", "random"), {"two": "first"}, "two='first'"),
        (("istio", "consistentHash"), {"key": "client", "algorithm": "ketama"}, "algorithm='ketama'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(asked, options, fix):
    with pytest.raises(ConfigError, match=fix):
        named(*asked, **options)


CLIENTS = [
    ("haproxy", "source"),
    ("nginx", "ip_hash"),
    ("citrix", "SOURCEIPHASH"),
    ("traefik", "hrw"),
    ("kong", "consistent-hashing"),
]


@pytest.mark.parametrize("case", CLIENTS, ids=identified)
def test_a_word_about_the_clients_address_takes_another_key_where_the_door_knows_no_client(case):
    def send(request):
        return httpx.Response(200)

    with pytest.raises(ConfigError, match="client"):
        MeshTransport(Pipeline(Cluster("shop", ["http://10.0.0.1"], balancer=named(*case))), httpx.MockTransport(send))
    balancer = named(*case, key="header:x-real-ip")
    assert balancer == attrs.evolve(named(*case), key="header:x-real-ip")
    pipeline = Pipeline(Cluster("shop", ["http://10.0.0.1", "http://10.0.0.2"], balancer=balancer))
    with httpx.Client(transport=MeshTransport(pipeline, httpx.MockTransport(send))) as client:
        assert client.get("http://shop/", headers={"x-real-ip": "192.0.2.1"}).status_code == 200


def test_no_other_word_is_about_the_clients_address_and_the_page_says_so_of_each():
    about = set()
    for vendor, word, entry in MADE:
        options = BY_NAME["sample"](vendor, word, getattr(entry, "make", entry))
        balancer = named(vendor, word, **({} if word == "consistent-hashing" else options))
        if getattr(balancer, "key", None) == "client":
            about.add((vendor, word))
            assert CLIENT in entry.note
    assert about == set(CLIENTS)


@pytest.mark.parametrize("case", [case for case in MADE if getattr(case[2], "further", None) is Sticky], ids=identified)
def test_a_word_for_sessions_takes_the_name_of_the_cookie_and_all_options_of_sticky(case):
    vendor, word, _ = case
    balancer = named(vendor, f"{word}(srv)", secure=True, inner=RoundRobin())
    assert balancer == named(vendor, word, name="srv", secure=True, inner=RoundRobin())
    assert (balancer.cookie, balancer.secure) == ("srv", True)
    assert named(vendor, word, mode="balanced").mode == "balanced"
    with pytest.raises(ConfigError, match="leave out nmae: it takes name, inner, cookie, key, mode, on_failure"):
        named(vendor, word, nmae="srv", secure=True)


def test_only_what_is_unknown_is_to_be_left_out():
    with pytest.raises(ConfigError, match=r"leave out balance: it takes name, use_domain_only, hash_type, function"):
        named("haproxy", "hdr(x-user)", hash_type="consistent", balance=1)
    with pytest.raises(ConfigError, match="give other values for hash_balance_factor"):
        named("haproxy", "source", hash_balance_factor="125")


def test_the_page_is_up_to_date():
    assert BY_NAME["PAGE"].read_text("utf-8") == BY_NAME["page"](), "python docs/by_name.py"
