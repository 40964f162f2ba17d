"""Findings about a server that is named by its address.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.remote_facts import RemoteFacts

__all__ = ["check_remote"]

UNREACHABLE = Kind("remote.unreachable", Level.ERROR, "No client here can use it.")
REFUSED = Kind("remote.refused", Level.ERROR, "No client here can use it.")
PLAIN = Kind("remote.plain-http", Level.WARNING, "The key and all prompts can be read on the network.")
OBSERVER = Kind("remote.observer", Level.NOTE, "It reads everything and sends no requests.")
VERSION = Kind("remote.version", Level.NOTE, "Commands may know more, or less, than the server.")


def check_remote(facts: RemoteFacts, version: str) -> Group:
    """Return what is wrong; `version` is that of this program."""
    parts = [facts.url, facts.version, f"as {facts.role}" if facts.role else ""]
    return Group("server", ", ".join(part for part in parts if part), [*_findings(facts, version)])


def _findings(facts: RemoteFacts, version: str) -> Iterator[Finding]:
    if facts.problem:
        kind = REFUSED if facts.is_refused else UNREACHABLE
        yield kind.found(facts.problem, "teamclaude help machines")
    if facts.is_plain:
        yield PLAIN.found(f"{facts.url} is plain http", "set proxy.tls there (teamclaude help security)")
    if facts.role == "observer":
        yield OBSERVER.found("the key is an observer's", "claude needs a key with the role client")
    if facts.version and facts.version != version:
        yield VERSION.found(f"version {facts.version} runs there, this is {version}")
