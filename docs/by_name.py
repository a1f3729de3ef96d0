"""Writes ``docs/reference/balancers-by-name.md`` from the words of `meshkit.balance`: ``python docs/by_name.py``."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import attrs

from meshkit.balance import VENDORS, named
from meshkit.balance.words.vocabulary import takes_of

PAGE = Path(__file__).with_name("reference") / "balancers-by-name.md"
GIVEN = {"key": "header:x-user", "maxconn": 100, "name": "x-user", "selectors": [["stage"]]}
"""What stands for an option that has no default, in the examples."""
OTHERWISE = {
    ("haproxy", "rdp-cookie"): {"source": len},
    ("haproxy", "hash"): {"source": "header:x-user"},
    ("kong", "consistent-hashing"): {"hash_on": "header", "name": "x-user", "hash_fallback": "ip"},
    ("envoy", "subset"): {"balancer": VENDORS["envoy"]["peak_ewma"](), "selectors": [["stage"]], "key": "header:stage"},
    ("envoy", "override_host"): {"balancer": VENDORS["envoy"]["peak_ewma"](), "key": "header:x-host"},
    ("ingress-nginx", "affinity"): {"mode": "balanced"},
}

HEAD = """# Balancers by name

**What is it called elsewhere?**

```python
from meshkit import Cluster
from meshkit.balance import named

cluster = Cluster("shop", ["10.0.0.1:80", "10.0.0.2:80"], balancer=named("haproxy", "leastconn"))
assert named("haproxy", "random(3)") == named("envoy", "LEAST_REQUEST", choice_count=3, active_request_bias=None)
```

`named(system, word, **options)` answers the spec in the second column, made with the options there. Case, `-` and `_`
do not matter. The options are those in the third column; where there are none, those of the spec itself, except for
what is written in it. `"hdr(x-user)"` and `"sticky(srv)"` are `name="x-user"` and `name="srv"`: what is in parentheses
is the first option. Where there is no such spec, it raises a `ConfigError` with the reason. What the specs do:
[Balancers](balancers.md).

Words about the client's address (`source`, `ip_hash`, `hrw` ...) ask the door for `client`. A server's knows it
(`meshkit.asgi`), that of an httpx client does not: it stands for one client itself. Say whose call it is with `key`:

```python
from meshkit.balance import Hashed

assert named("traefik", "hrw", key="header:x-forwarded-for").key == "header:x-forwarded-for"
named("nginx", "ip_hash", key=lambda call: call.request.headers.get("x-real-ip"))  # answers an address, or None
```

This page is written by `docs/by_name.py` from the table that `named` reads.
"""


def sample(vendor: str, word: str, make: Any) -> dict[str, Any]:
    """Options to show it with: those it cannot do without."""
    if (vendor, word) in OTHERWISE:
        return OTHERWISE[vendor, word]
    return {each.name: GIVEN[each.name] for each in takes_of(make) if each.default is each.empty}


def shown(value: Any) -> str:
    """A spec as one would write it: no more than differs from the defaults."""
    if not attrs.has(type(value)):
        return "..." if callable(value) else repr(value)
    parts = []
    in_order = True
    for field in attrs.fields(type(value)):
        if not field.init:
            continue
        own = getattr(value, field.name)
        default: Any = field.default
        if hasattr(default, "factory"):
            default = default.factory(value) if default.takes_self else default.factory()
        if own == default or (default is not attrs.NOTHING and not own and not default):
            in_order = False
        elif isinstance(own, tuple) and type(value).__name__ == "FirstOf":
            parts += [shown(getattr(each, "source", each)) for each in own]
        else:
            text = "..." if isinstance(own, tuple) else shown(own)
            parts.append(text if in_order and not field.kw_only else f"{field.name}={text}")
    return f"{type(value).__name__}({', '.join(parts)})"


def row(vendor: str, word: str, entry: Any) -> str:
    if isinstance(entry, str):
        return f"| `{word}` | none | {entry} |"
    make, note = (entry.make, entry.note) if hasattr(entry, "make") else (entry, "")
    spec = shown(named(vendor, word, **sample(vendor, word, make)))
    own = attrs.has(make) if isinstance(make, type) else attrs.has(getattr(make, "func", None) or type(None))
    further = getattr(entry, "further", None)
    takes = [] if own else [each.name for each in takes_of(entry)]
    if isinstance(further, type):
        takes = [*[*inspect.signature(make).parameters][:-1], f"those of `{further.__name__}`"]
    options = f"options: {', '.join(takes)}" if takes else ""
    return f"| `{word}` | `{spec}` | {'; '.join(filter(None, [note, options])).replace('``', '`')} |"


def page() -> str:
    parts = [HEAD]
    for vendor, words in VENDORS.items():
        parts.append(f"\n## {vendor}\n\n| word | here | |\n|---|---|---|\n")
        parts += [row(vendor, word, entry) + "\n" for word, entry in words.items()]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
