"""A server that is named by its address: whether it answers, and what the key may do there."""

from __future__ import annotations

from ....errors import TeamClaudeError
from ....values import NamedTuple
from ...proxy_client import ProxyRefusedError
from ...remote.client import RemoteProxyClient

__all__ = ["RemoteFacts", "remote_facts"]


class RemoteFacts(NamedTuple):
    """`problem` is the line of a server that can't be used; `is_refused`: it answered, and said no."""

    url: str
    is_plain: bool = False
    problem: str = ""
    is_refused: bool = False
    version: str = ""
    role: str = ""


def remote_facts(proxy: RemoteProxyClient) -> RemoteFacts:
    """Ask the server who it is and who we are."""
    facts = RemoteFacts(proxy.url, not proxy.address.is_tls and not proxy.address.is_loopback)
    try:
        health = proxy.get("/health")
        version = health.get("version") if isinstance(health, dict) else None
        facts = facts._replace(version=str(version or "")[:40])
        caller = proxy.get("/teamclaude/caller")
        return facts._replace(role=str(caller.get("role") if isinstance(caller, dict) else "")[:20])
    except TeamClaudeError as error:
        return facts._replace(problem=str(error), is_refused=isinstance(error, ProxyRefusedError))
