"""See it work: the same traffic through meshkit and through plain httpx, over upstreams that misbehave."""
