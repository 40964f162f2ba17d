"""The ways a request can take to the API: straight, through nginx, through this proxy, through others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Optional

from servers import Server, nginx_proxy, teamclaude

__all__ = ["Way", "ways_to"]


class Way(NamedTuple):
    """Where requests go; `prefix` stands before their path, `headers` are added to theirs."""

    name: str
    server: Server
    scheme: str = "http"
    prefix: str = ""
    headers: Mapping[str, str] = {}

    @property
    def port(self) -> int:
        return self.server.port


def ways_to(
    api: Server, directory: Path, running: ExitStack, inflight: int = 5, ca: Optional[Path] = None
) -> list[Way]:
    """Direct, nginx where there is one, and the proxy, started in `running`; with `ca` by TLS to the API."""
    ways = [Way("direct", api, "http" if ca is None else "https")]
    other = nginx_proxy(directory, api.port, ca)
    if other is not None:
        ways.append(Way("nginx", running.enter_context(other)))
    home = directory / "teamclaude"
    home.mkdir()
    ways.append(Way("teamclaude", running.enter_context(teamclaude(home, api.port, inflight, ca))))
    return ways
