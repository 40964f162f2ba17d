"""Short values for the timing constants of modules, and host names without an address."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tests.faults.world.watched_api import TappedConnection

__all__ = ["shortened"]

_PROXY = "teamclaude.proxy."
_ACCOUNTS = "teamclaude.accounts."
_SHORT: tuple[tuple[str, str, Any], ...] = (
    (_ACCOUNTS + "oauth.token_endpoint", "TIMEOUT_SEC", 0.2),
    (_ACCOUNTS + "tokens.token_manager", "MAX_TICK_SEC", 0.1),
    (_ACCOUNTS + "tokens.token_manager", "MIN_TICK_SEC", 0.01),
    (_PROXY + "net.client_connection", "KEEP_ALIVE_SEC", 3.0),
    (_PROXY + "net.client_connection", "LINGER_SILENCE_SEC", 0.1),
    (_PROXY + "net.client_connection", "LINGER_SEC", 0.4),
    (_PROXY + "forwarding.early_upload", "EARLY_BYTES", 1 << 15),
    (_PROXY + "forwarding.early_upload", "START_BYTES", 1 << 12),
    (_PROXY + "forwarding.early_upload", "AT_ONCE_SEC", 0.0),
    (_PROXY + "forwarding.early_upload", "MOST_SEC", 0.1),
    (_PROXY + "forwarding.response_writer", "FIRST_EVENT_WAIT_SEC", 0.03),
    (_PROXY + "forwarding.retry", "FIRST_BACKOFF_SEC", 0.008),
    (_PROXY + "forwarding.retry", "MAX_BACKOFF_SEC", 0.03),
    (_PROXY + "forwarding.retry", "HOP_PAUSES_SEC", (0.0, 0.008, 0.016)),
    (_PROXY + "forwarding.hold", "TICK_SEC", 0.012),
    (_PROXY + "forwarding.hold", "COMMENT_SEC", 0.012),
    (_PROXY + "forwarding.context", "REFUSED_FOR_SEC", 0.3),
    (_PROXY + "forwarding.queued_request", "CLIENT_CHECK_SEC", 0.02),
    (_PROXY + "server", "CONFIG_POLL_SEC", 0.02),
    (_PROXY + "server", "MIN_DRAIN_SEC", 0.1),
    (_PROXY + "net.transport", "KEPT_BODY_SEC", 0.25),
    (_PROXY + "net.transport", "RETRY_PAUSE_SEC", 0.02),
    (_PROXY + "net.upstream_connection", "SEND_TIMEOUT_SEC", 0.25),
    (_PROXY + "net.socket_wait", "POLL_SEC", 0.02),
    (_PROXY + "net.coroutine", "POLL_SEC", 0.02),
    ("teamclaude.fakeapi.api", "ApiConnection", TappedConnection),
)


@contextmanager
def shortened() -> Iterator[None]:
    """Within this block a retry, a hold or a drain takes milliseconds; the order of events is the same."""
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
    """Return a getaddrinfo that fails at once for `*.invalid`."""

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    return getaddrinfo
