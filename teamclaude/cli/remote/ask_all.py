"""Ask several servers the same at once: a slow or dead one delays the answer by its own time limit alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Optional

from ...errors import TeamClaudeError
from ...values import NamedTuple
from ..proxy_client import ProxyClient

__all__ = ["Answered", "ask_all"]


class Answered(NamedTuple):
    """The JSON object of one server; None: `error` says why there is none, `failure` is what was raised."""

    url: str
    value: Any
    error: str = ""
    failure: Optional[TeamClaudeError] = None


def ask_all(proxies: Sequence[ProxyClient], path: str) -> list[Answered]:
    """Return the answers to GET `path`, in the order of the servers."""
    found: list[Optional[Answered]] = [None] * len(proxies)

    def ask(place: int, proxy: ProxyClient) -> None:
        found[place] = _asked(proxy, path)

    threads = [
        threading.Thread(target=ask, args=(place, proxy), name="pool-question", daemon=True)
        for place, proxy in enumerate(proxies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [each or Answered(proxy.url, None, "it could not be asked") for each, proxy in zip(found, proxies)]


def _asked(proxy: ProxyClient, path: str) -> Answered:
    try:
        value = proxy.get(path)
    except TeamClaudeError as error:
        return Answered(proxy.url, None, str(error), error)
    if not isinstance(value, dict):
        return Answered(proxy.url, None, f"the answer of {proxy.url} can't be read")
    return Answered(proxy.url, value)
