"""The variables that lead Claude Code through an HTTP proxy, or past it.  Pure.

Measured with 2.1.332 (native) and 2.1.112 (JavaScript), 2026-11:

1. https_proxy, HTTPS_PROXY, http_proxy, HTTP_PROXY in this order name the proxy, whatever the scheme of the
   URL; 2.1.332 goes on with all_proxy and ALL_PROXY.  An empty value counts as none.  Loopback is no
   exception: without an exclusion a request to http://127.0.0.1 goes to the proxy, key and prompt in clear.
2. 2.1.332 obeys no_proxy before NO_PROXY, 2.1.112 the other way round; each reads the other if its own is
   empty.  So both must say the same.
3. Commas and blanks separate entries.  Both versions exclude the host itself, with or without its port, names
   below `.domain` and `*.domain`, and all for `*`.  Only 2.1.332 takes networks (127.0.0.0/8), `domain` for
   the names below it and ::1 without brackets; neither takes `127.*`, semicolons or a scheme.
4. Both speak TLS to an https:// proxy, trusting NODE_EXTRA_CA_CERTS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional

__all__ = ["both_lists", "excluding", "http_proxy", "including", "is_excluded", "strangely_excluded"]

PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
EXCLUSIONS = ("NO_PROXY", "no_proxy")
_ENTRY = re.compile(r"[^,\s]+")


def http_proxy(env: Mapping[str, str]) -> Optional[str]:
    """Return the name of the variable whose proxy the newest client takes."""
    return next((name for name in PROXIES if env.get(name)), None)


def is_excluded(env: Mapping[str, str], host: str) -> bool:
    """Return whether every version reaches `host` (brackets around an IPv6 address) without the proxy."""
    return all(_names(text, host) for text in _lists(env))


def both_lists(env: Mapping[str, str]) -> dict[str, str]:
    """Return both lists as they count now, the other one's text where one is empty."""
    return dict(zip(EXCLUSIONS, _lists(env)))


def excluding(env: Mapping[str, str], host: str) -> dict[str, str]:
    """Return both lists with `host` on them; what the user has on either stays there."""
    lists = both_lists(env).items()
    return {name: text if _names(text, host) else _joined(text, host) for name, text in lists}


def strangely_excluded(env: Mapping[str, str], host: str, port: int) -> list[str]:
    """Return the entries of either list that may make a client reach `host` without the proxy."""
    if not any(_lists(env)):
        return []
    from ...dial.no_proxy import is_exempt  # reads networks, which takes a while to import

    entries = dict.fromkeys(entry for text in _lists(env) for entry in _ENTRY.findall(text))
    return [entry for entry in entries if is_exempt(host, port, entry)]


def including(env: Mapping[str, str], host: str, port: int) -> dict[str, str]:
    """Return both lists without the entries that exclude `host`; empty if there is nothing to change."""
    unwanted = strangely_excluded(env, host, port)
    if not unwanted:
        return {}
    return {
        name: ",".join(entry for entry in _ENTRY.findall(text) if entry not in unwanted)
        for name, text in both_lists(env).items()
    }


def _lists(env: Mapping[str, str]) -> tuple[str, str]:
    """Return the list of a client that looks at NO_PROXY first, and of one that looks at no_proxy first."""
    upper, lower = (env.get(name, "") for name in EXCLUSIONS)
    return upper or lower, lower or upper


def _names(text: str, host: str) -> bool:
    entries = {entry.lower() for entry in _ENTRY.findall(text)}
    return "*" in entries or host.lower() in entries


def _joined(text: str, host: str) -> str:
    listed = text.strip().rstrip(", ")
    return f"{listed},{host}" if listed else host
