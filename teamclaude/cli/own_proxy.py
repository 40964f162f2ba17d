"""Keep a server from using itself as its proxy: its environment may be that of a first-party client.

`eval "$(teamclaude env --first-party)"` followed by `teamclaude server` in the same shell would make each
request to the API a request to the server itself, without end.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from ..accounts.config.config import ProxyConfig
from ..dial.no_proxy import is_loopback
from ..dial.proxies import parse_proxy
from ..errors import ConfigError

__all__ = ["drop_own_proxy", "names_a_proxy"]

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def names_a_proxy(env: Mapping[str, str]) -> bool:
    """Return whether a variable names a proxy: there may be something to drop."""
    return any(env.get(name) for name in _VARIABLES)


def drop_own_proxy(env: MutableMapping[str, str], config: ProxyConfig, port: int) -> list[str]:
    """Remove the variables that lead to the server at `port` with this configuration; return their names."""
    keys = {key for key in (config.api_key, *(client.key for client in config.clients)) if key}
    dropped = []
    for name in _VARIABLES:
        try:
            proxy = parse_proxy(env.get(name, ""), name)
        except ConfigError:  # none, or one that can't be used, which the server says itself
            continue
        is_here = proxy.port == port != 0 and is_loopback(proxy.host)
        if is_here or keys & {proxy.user, proxy.password}:
            del env[name]
            dropped.append(name)
    return dropped
