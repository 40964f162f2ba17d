"""URLs of servers, compared and shown.  Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["is_same_server", "shown_url"]


def is_same_server(url: str, other: str) -> bool:
    """Return whether two base URLs lead to the same server and path; the loopback addresses are one host."""
    return _normalized(url) == _normalized(other)


def shown_url(url: str) -> str:
    """Return a URL without the name and password in it."""
    scheme, slashes, rest = url.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"


def _normalized(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url
    host = "loopback" if host in ("localhost", "127.0.0.1", "::1") else host
    return (
        f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 80)}{parts.path.rstrip('/')}"
    )
