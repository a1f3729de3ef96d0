"""Which endpoint does a session stay with? The state of `Sticky`: what a slot, a name or a remembered key stands for.

=======================================================  =========================================================
the session's endpoint                                   then the call goes
=======================================================  =========================================================
is not known, or not there any more                      where the inner balancer picks; the session begins anew
is up, or drained and well                               there
has failed in this call, and another has not             elsewhere, and with ``move`` the session does
is ill, and somebody is up                               the same
is ill, and nobody is up; has failed, and so have all    there
=======================================================  =========================================================

A session stays with its endpoint also where the cluster would have gone to another priority or locality. Each of these
has a table of its own, so a slot changes hands only among neighbours; a token says in which of them it was drawn.

Inside a `Subset` a session never leaves the subset the call is for. A token stands for one endpoint in each of them, a
key is remembered for each; a name stands for its endpoint alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from copy import copy
from hashlib import blake2b
from random import Random
from typing import Any
from weakref import WeakValueDictionary

from ...call import Call
from ..balancer import Load, Member, places
from .part import Part, narrowed
from .slots import Table

__all__ = ["Asker", "Kept", "Sessions"]

ALL = 1e-9
"""The share that must be up, lest all are asked: one, of however many."""
LOOKS = 1.0
"""Seconds after which it is looked anew who is drained."""


class Asker:
    """Reads what names the session: a token's slot and tag, an endpoint's name, the key; ``None``: nothing that could
    be one. No number, which a cluster would take for a point between its localities.
    """

    __slots__ = ("_ask", "_read")

    def __init__(self, ask: Callable[[Call], Any], read: Callable[[Any], Hashable]) -> None:
        self._ask = ask
        self._read = read

    def facts(self, call: Call, /) -> Hashable:
        return self._read(self._ask(call))


class Sessions:
    """The balancer that `Sticky` starts."""

    __slots__ = (
        "__weakref__",
        "_digest",
        "admits",
        "asker",
        "askers",
        "attributes",
        "bits",
        "drained",
        "inner",
        "known",
        "load",
        "picks",
        "random",
        "scope",
        "spec",
        "tend",
        "within",
    )

    whole = True

    load: Callable[[float], Load | None]
    tend: Callable[[Sequence[Member], float], tuple[float, bool]]

    def __init__(self, spec: Any, inner: Any, rng: Random, *, asker: Asker, secret: bytes, attributes: str) -> None:
        self.spec = spec
        self.inner = inner
        self.within = (inner,)
        self.asker = asker
        self.askers = (asker, *getattr(inner, "askers", ()))
        self.attributes = attributes
        self.load = inner.load
        if spec.mode == "persistent":
            self.tend = self._tend
        elif hasattr(inner, "tend"):
            self.tend = inner.tend
        self.random = rng.random
        self.bits = rng.getrandbits
        self._digest = blake2b(key=secret, digest_size=16, person=b"meshkit.sticky")
        self.picks: WeakValueDictionary[str, Kept] = WeakValueDictionary()
        """Those in use, by their tags."""
        self.drained: dict[str, Member] = {}
        """By name; no group of the cluster has them."""
        self.known: OrderedDict[Hashable, tuple[str, float]] = OrderedDict()
        """By session, where a key names it: the endpoint's name, and when it was last asked for; the latest last."""
        self.scope: tuple[Hashable, ...] = ()
        """The subset in which the sessions are remembered."""
        self.admits: Callable[[Member], bool] | None = None
        """Who belongs to it; ``None``: all."""

    def narrowed(self, key: Hashable, admits: Callable[[Member], bool], /) -> Sessions:
        """See `meshkit.balance.around.part.narrowed`."""
        outer = self.admits
        sessions = copy(self)
        sessions.inner = narrowed(self.inner, key, admits)
        sessions.picks = WeakValueDictionary()
        sessions.scope = (*self.scope, key)
        sessions.admits = admits if outer is None else lambda member: outer(member) and admits(member)
        return sessions

    def _tend(self, members: Sequence[Member], now: float) -> tuple[float, bool]:
        self.drained.clear()
        self.drained.update((self.name(each.endpoint.hash_key), each) for each in members if not each.endpoint.weight)
        due, changed = self.inner.tend(members, now) if hasattr(self.inner, "tend") else (now + LOOKS, False)
        return min(due, now + LOOKS), changed

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Any]:
        last = before if isinstance(before, Kept) else None
        pick = Kept(self, members)
        places = set()
        for number, member in enumerate(members):
            endpoint = member.endpoint
            pick.names[member] = name = self.name(endpoint.hash_key)
            pick.members[name] = member
            places.add((endpoint.priority, endpoint.locality))
            if not number % 256:
                yield None
        place = places.pop() if len(places) == 1 else (members[0].endpoint.priority, None)
        pick.tag = blake2b(repr(place).encode(), digest_size=2).hexdigest()
        if last is not None and self.spec.mode == "persistent":
            for name, member in last.members.items():
                if not member.endpoint.weight and name not in pick.members:
                    self.drained[name] = member
        yield from pick.inner.follow(None if last is None else last.inner)
        if self.spec.mode == "balanced":
            if last is not None and last.members.keys() == pick.members.keys():
                pick.table = last.table
            else:
                pick.table = Table(list(pick.members))
                yield from pick.table.lay()
        self.picks[pick.tag] = pick
        yield pick

    def name(self, hash_key: str) -> str:
        digest = self._digest.copy()
        digest.update(hash_key.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def find(self, name: str) -> Member | None:
        """A member by its name, of any priority and locality."""
        for pick in self.picks.values():
            member = pick.members.get(name)
            if member is not None:
                return member
        member = self.drained.get(name)
        return member if member is None or self.admits is None or self.admits(member) else None

    def home(self, member: Member) -> Kept | None:
        """The pick that has the member, of any priority and locality."""
        return next((pick for pick in self.picks.values() if member in pick.names), None)

    def recall(self, session: Hashable, now: float) -> str:
        """The name of who serves a remembered session; empty for one that is not."""
        name, used_at = self.known.get(session, ("", now))
        age = self.spec.max_age
        if age is not None and now - used_at > age:
            del self.known[session]
            return ""
        if name:
            self.remember(session, name, now)
        return name

    def remember(self, session: Hashable, name: str, now: float) -> None:
        known = self.known
        known[session] = (name, now)
        known.move_to_end(session)
        if len(known) > self.spec.remembered:
            known.popitem(last=False)


class Kept:
    """Picks who served the session before."""

    __slots__ = ("__weakref__", "_sessions", "inner", "members", "names", "table", "tag")

    def __init__(self, sessions: Sessions, members: Sequence[Member]) -> None:
        self._sessions = sessions
        self.members: dict[str, Member] = {}
        self.names: dict[Member, str] = {}
        self.table: Table | None = None
        """Where tokens are drawn; ``None``: cookies and keys stand for names."""
        self.inner = Part(list(members), sessions.inner, ALL, sessions.random)
        self.tag = ""
        """Four hexadecimal digits for the priority and the locality."""

    def pick(self, call: Call, now: float, /) -> Member:
        sessions = self._sessions
        session: Any = call.facts[sessions.asker]  # type: ignore[index]  # gathered: there is an asker
        if sessions.scope and session is not None and sessions.spec.key is not None:
            session = (*sessions.scope, session)
        held = None if session is None else self._held(session, now)
        if held is None:
            member = self.inner.pick(call, now)
            self._begin(call, session, member, now)
            return member
        well = held.up or (held.present and not held.endpoint.weight and not held.ejected and held.checked is not False)
        failed = bool(call.avoid) and held.place in places(call.avoid)
        if failed or not well:
            member = self.inner.pick(call, now)
            alone = failed and member.place in places(call.avoid)
            if not alone and (failed or self.inner.alight(now)):
                if sessions.spec.on_failure == "move":
                    self._begin(call, session, member, now)
                return member
        if call.cookies is not None:
            self._tell(call, None)
        return held

    def _held(self, session: Any, now: float) -> Member | None:
        """Who serves the session, if it is one of ours."""
        sessions = self._sessions
        if self.table is not None:
            slot, tag = session
            pick = self if tag == self.tag else sessions.picks.get(tag, self)
            table: Any = pick.table
            return pick.members[table.names[table.owners[slot]]]
        name = session if sessions.spec.key is None else sessions.recall(session, now)
        return self.members.get(name) or sessions.find(name)

    def _begin(self, call: Call, session: Hashable, member: Member, now: float) -> None:
        """The session is the member's from now on."""
        sessions = self._sessions
        name = self.names.get(member) or sessions.name(member.endpoint.hash_key)
        if sessions.spec.key is not None:
            if session is not None:
                sessions.remember(session, name, now)
        elif self.table is None:
            self._tell(call, name)
        else:
            home: Any = self if member in self.names else sessions.home(member)  # the inner one went elsewhere
            slots = () if home is None else home.table.slots[name]
            # Among thousands one may have none: it serves, and keeps nobody.
            drawn = slots[int(sessions.random() * len(slots))] if slots else None
            self._tell(call, None if drawn is None else f"{drawn:04x}{home.tag}{sessions.bits(32):08x}")

    def _tell(self, call: Call, value: str | None) -> None:
        """Have the client told; ``None``: nothing, also not what an earlier attempt of this call has said."""
        name = self._sessions.spec.cookie
        cookies = [each for each in call.cookies or () if each[0] != name]
        if value is not None:
            cookies.append((name, value, self._sessions.attributes))
        call.cookies = cookies or None  # a new list: that of a fork is not that of its origin
