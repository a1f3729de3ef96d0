"""What does a DNS server say to one question? Addresses and their time to live, or that there are none, or an error.

::

    addresses           until the smallest time to live on the way has run out, that of aliases included
    NODATA              the name has no such record (RFC 2308, section 2.2); how long that holds, the zone's SOA says
    NXDOMAIN            an error: there is no such name
    SERVFAIL, REFUSED,  an error: nobody knows
    silence, a referral

The work is that of dnspython, imported here only: datagrams lost, wrong or not asked for, TCP after a truncated answer
(RFC 7766), several servers, the system's configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ..errors import DiscoveryError
from .hosts import Address

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver
    from dns.resolver import Answer

__all__ = ["ask"]

ATTEMPT_SECONDS = 2.0
"""For one server's answer, before it or the next is asked again: a datagram is lost now and then."""
SPARE_SECONDS = 1.0
"""dnspython counts by the wall clock; by so much later, time is up by the loop's own, whatever was set."""


async def ask(
    host: str, kind: str, *, servers: Sequence[tuple[str, int]] | None, search: bool, timeout: float
) -> tuple[set[Address], float]:
    """All addresses in the records of this kind, "A" or "AAAA", and for how many seconds that holds.

    ``servers`` are addresses and ports (``None``: the system's). ``timeout`` is for all attempts. Raises
    `DiscoveryError` without a source.
    """
    from anyio import fail_after
    from dns.asyncbackend import get_backend, sniff
    from dns.exception import DNSException, Timeout
    from dns.flags import TC
    from dns.resolver import NXDOMAIN

    backend = get_backend(sniff())  # the default one is that of the first loop it ever saw
    try:
        resolver = _resolver(servers, search, timeout)
        with fail_after(timeout + SPARE_SECONDS):
            answer = await resolver.resolve(host, kind, raise_on_no_answer=False, search=search, backend=backend)
    except NXDOMAIN as error:
        raise DiscoveryError("there is no such name (NXDOMAIN)") from error
    except (Timeout, TimeoutError) as error:
        raise DiscoveryError(f"no answer to {kind} within {timeout:g} s: {error}") from error
    except (DNSException, OSError) as error:
        raise DiscoveryError(str(error) or repr(error)) from error
    if answer.response.flags & TC:
        raise DiscoveryError(f"{answer.nameserver} truncates its answer to {kind} over TCP as well")
    if answer.rrset is None:
        return set(), _none_for(answer, kind)
    return {ip_address(record.address) for record in answer.rrset}, answer.chaining_result.minimum_ttl


def _resolver(servers: Sequence[tuple[str, int]] | None, search: bool, timeout: float) -> Resolver:
    """Made anew for each question, and the system's configuration read: it changes with the network."""
    from dns.asyncresolver import Resolver
    from dns.nameserver import Do53Nameserver

    resolver = Resolver(configure=servers is None or search)
    if servers is not None:
        resolver.nameservers = [Do53Nameserver(address, port) for address, port in servers]
    resolver.lifetime = timeout
    resolver.timeout = min(ATTEMPT_SECONDS, timeout)
    return resolver


def _none_for(answer: Answer, kind: str) -> float:
    """For how many seconds there is no such record, if that is what the answer without one says."""
    from dns.flags import AA, RA
    from dns.rdatatype import NS, SOA

    response, chain = answer.response, answer.chaining_result
    kinds = {records.rdtype for records in response.authority}
    if SOA in kinds:
        return chain.minimum_ttl
    if NS in kinds or chain.cnames or not response.flags & (AA | RA):
        raise DiscoveryError(f"{answer.nameserver} sends elsewhere for {kind} of {chain.canonical_name}")
    return 0.0  # without an SOA it must not be kept (RFC 2308, section 5)
