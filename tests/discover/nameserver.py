"""A DNS server on the loopback, UDP and TCP on one port, that says what the test wants, right or wrong."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata

Answer = bytes | dns.message.Message | None
Reply = Callable[[dns.message.Message, bool], "Answer | list[Answer]"]
"""What is said to a query, and whether over TCP: one message, several, or nothing."""
SOA = "test. 60 SOA ns.test. root.test. 1 2 3 4 60"


def say(
    query: dns.message.Message, *answer: str, authority: Iterable[str] = (), rcode: str = "NOERROR", ra: bool = True
) -> dns.message.Message:
    """An answer of records such as ``payments.test. 30 A 10.0.0.7``."""
    message = dns.message.make_response(query, recursion_available=ra)
    message.set_rcode(dns.rcode.from_text(rcode))
    for section, records in ((message.answer, answer), (message.authority, authority)):
        for record in records:
            name, ttl, kind, text = record.split(None, 3)
            data = dns.rdata.from_text("IN", kind, text)
            into = message.find_rrset(
                section, dns.name.from_text(name), data.rdclass, data.rdtype, create=True, force_unique=False
            )
            into.add(data, int(ttl))
    return message


def asked(query: dns.message.Message) -> str:
    """The kind of record: ``A``."""
    return query.question[0].to_text().rpartition(" ")[2]


def records(*lines: str) -> Reply:
    """Of these, what fits the question; NODATA if none does."""

    def reply(query: dns.message.Message, tcp: bool) -> Answer:
        mine = [line for line in lines if line.split()[2] in {asked(query), "CNAME"}]
        return say(query, *mine, authority=() if mine else (SOA,))

    return reply


class Nameserver:
    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.questions: list[str] = []
        """As in ``payments.test. A udp``."""
        while True:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind(("127.0.0.1", 0))
            self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self._tcp.bind(self._udp.getsockname())
            except OSError:
                self._udp.close()
                self._tcp.close()
            else:
                break
        self._tcp.listen()
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._udp.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.send(b"!")
        self._thread.join()
        for each in (self._udp, self._tcp, self._end, self._ended):
            each.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self._udp, self._tcp, self._ended):
                selector.register(each, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._ended in ready:
                    return
                if self._udp in ready:
                    data, client = self._udp.recvfrom(65535)
                    for wire in self._wires(data, False):
                        self._udp.sendto(wire, client)
                if self._tcp in ready:
                    self._serve_tcp()

    def _serve_tcp(self) -> None:
        connection, _ = self._tcp.accept()
        with connection, connection.makefile("rb") as file, suppress(OSError, struct.error):
            connection.settimeout(5.0)
            (length,) = struct.unpack("!H", file.read(2))
            for wire in self._wires(file.read(length), True):
                connection.sendall(struct.pack("!H", len(wire)) + wire)

    def _wires(self, data: bytes, tcp: bool) -> list[bytes]:
        query = dns.message.from_wire(data)
        self.questions.append(f"{query.question[0].name} {asked(query)} {'tcp' if tcp else 'udp'}")
        said = self.reply(query, tcp)
        said = said if isinstance(said, list) else [said]
        return [each if isinstance(each, bytes) else each.to_wire() for each in said if each is not None]


def truncated(query: dns.message.Message) -> dns.message.Message:
    message = say(query)
    message.flags |= dns.flags.TC
    return message
