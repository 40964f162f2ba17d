"""The routes of a request to the API: direct, through nginx, through this proxy, through others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Optional

from tests.bench.servers import Server, nginx_proxy, node_proxy, teamclaude

__all__ = ["Route", "node_route", "routes_to"]


class Route(NamedTuple):
    """Where requests are sent; `prefix` precedes their path, `headers` are added."""

    name: str
    server: Server
    scheme: str = "http"
    prefix: str = ""
    headers: Mapping[str, str] = {}

    @property
    def port(self) -> int:
        return self.server.port


def routes_to(
    api: Server, directory: Path, running: ExitStack, inflight: int = 5, ca: Optional[Path] = None
) -> list[Route]:
    """Start and return direct, nginx if there is one, and the proxy; with `ca` they use TLS to the API."""
    routes = [Route("direct", api, "http" if ca is None else "https")]
    other = nginx_proxy(directory, api.port, ca)
    if other is not None:
        routes.append(Route("nginx", running.enter_context(other)))
    home = directory / "teamclaude"
    home.mkdir()
    routes.append(Route("teamclaude", running.enter_context(teamclaude(home, api.port, inflight, ca))))
    return routes


def node_route(api: Server, running: ExitStack) -> list[Route]:
    """Start a plain proxy on Node; an empty list without Node."""
    other = node_proxy(api.port)
    return [] if other is None else [Route("node", running.enter_context(other))]
