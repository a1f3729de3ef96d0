"""Who vouches for the servers of these tests? An authority that is made for this run and forgotten after it."""

from __future__ import annotations

import ssl

import trustme


class Authority:
    def __init__(self) -> None:
        self.ca = trustme.CA()

    def serving(self, *names: str) -> ssl.SSLContext:
        """What a server of these names shows."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def trusting(self) -> ssl.SSLContext:
        """What a client needs to believe it."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context
