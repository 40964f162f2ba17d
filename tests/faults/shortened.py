"""The pauses that are constants of modules, made short; and names that can't be looked up."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tests.faults.watched import TappedConnection

__all__ = ["shortened"]

_PROXY = "teamclaude.proxy."
_ACCOUNTS = "teamclaude.accounts."
_SHORT: tuple[tuple[str, str, Any], ...] = (
    (_ACCOUNTS + "tokens", "TIMEOUT_SEC", 0.2),
    (_ACCOUNTS + "keeper", "MAX_TICK_SEC", 0.1),
    (_ACCOUNTS + "keeper", "MIN_TICK_SEC", 0.01),
    (_PROXY + "wire.client", "KEEP_ALIVE_SEC", 3.0),
    (_PROXY + "wire.client", "LINGER_SILENCE_SEC", 0.1),
    (_PROXY + "wire.client", "LINGER_SEC", 0.4),
    (_PROXY + "delivery", "FIRST_EVENT_WAIT_SEC", 0.03),
    (_PROXY + "forward", "FIRST_BACKOFF_SEC", 0.008),
    (_PROXY + "retry", "FIRST_BACKOFF_SEC", 0.008),
    (_PROXY + "retry", "LONGEST_BACKOFF_SEC", 0.03),
    (_PROXY + "retry", "HOP_PAUSES_SEC", (0.0, 0.008, 0.016)),
    (_PROXY + "hold", "TICK_SEC", 0.012),
    (_PROXY + "hold", "COMMENT_SEC", 0.012),
    (_PROXY + "hold", "REFUSED_FOR_SEC", 0.3),
    (_PROXY + "router", "CLIENT_CHECK_SEC", 0.02),
    (_PROXY + "service", "CONFIG_POLL_SEC", 0.02),
    (_PROXY + "service", "MIN_DRAIN_SEC", 0.1),
    (_PROXY + "wire.transport", "KEPT_BODY_SEC", 0.25),
    (_PROXY + "wire.transport", "RETRY_PAUSE_SEC", 0.02),
    (_PROXY + "wire.dialer", "BEAT_SEC", 0.02),
    (_PROXY + "wire.upstream", "SEND_TIMEOUT_SEC", 0.25),
    (_PROXY + "wire.watch", "POLL_SEC", 0.02),
    ("teamclaude.demo.api", "Connection", TappedConnection),
)


@contextmanager
def shortened() -> Iterator[None]:
    """Within this block a retry, a hold or a drain takes milliseconds; the order of things is the same."""
    patches: list[Any] = [
        mock.patch.object(importlib.import_module(module), name, value) for module, name, value in _SHORT
    ]
    patches.append(mock.patch.object(socket, "getaddrinfo", _without_dns(socket.getaddrinfo)))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()


def _without_dns(real: Any) -> Any:
    """`*.invalid` has no address, at once and without a network."""

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    return getaddrinfo
