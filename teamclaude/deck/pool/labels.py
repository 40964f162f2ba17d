"""A short name for each of several servers, by its URL.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

__all__ = ["server_labels"]

_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


def server_labels(urls: Sequence[str]) -> list[str]:
    """Return the first of these that tells them apart: part of the host, host, port, host and port, URL."""
    split = [urlsplit(url) for url in urls]
    hosts = [each.hostname or "" for each in split]
    shortest = [host if _ADDRESS.fullmatch(host) else host.partition(".")[0] for host in hosts]
    same_host = len(set(hosts)) == 1
    candidates = (
        shortest,
        hosts,
        [f":{each.port}" for each in split] if same_host else [],
        [each.netloc for each in split],
    )
    return next((names for names in candidates if len(set(names)) == len(urls)), list(urls))
