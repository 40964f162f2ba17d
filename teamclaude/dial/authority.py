"""Host and port as URLs and messages have them (RFC 3986, 3.2).  Pure."""

from __future__ import annotations

__all__ = ["authority", "bracketed", "reachable_host"]

# Wildcard addresses are for listening only: connect to loopback.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def bracketed(host: str) -> str:
    """Return the host as in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def authority(host: str, port: int) -> str:
    """Return host and port as in a URL."""
    return f"{bracketed(host)}:{port}"


def reachable_host(host: str) -> str:
    """Return the host to connect to, on this machine, for a server that listens on `host`."""
    return _LOOPBACK.get(host, host)
