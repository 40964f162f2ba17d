"""Telling a running proxy that the config file has changed."""

from __future__ import annotations

from .proxy_client import ProxyClient, ProxyUnreachableError

__all__ = ["reload_proxy"]


def reload_proxy(proxy: ProxyClient) -> bool:
    """Have the proxy reload its config; return False if none runs, raise ProxyRefusedError if it refuses."""
    try:
        proxy.post("/teamclaude/accounts/reload")
    except ProxyUnreachableError:
        return False
    return True
