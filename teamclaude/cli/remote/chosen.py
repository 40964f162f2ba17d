"""Which server a command talks to: the option --url, else the variable TEAMCLAUDE_URL, else the config file.

1. An option beats a variable, so that --port means the server of the config file.
2. The key of the config file goes nowhere but to the server that the file describes.
3. A server that is named by its address needs no config file, and none is made.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional

from ...errors import UsageError
from ..arguments import add_port_option

if TYPE_CHECKING:
    from ..proxy_client import ProxyClient
    from .address import ServerAddress
    from .client import RemoteProxyClient

__all__ = [
    "CA_VARIABLE",
    "URL_VARIABLE",
    "add_proxy_arguments",
    "chosen_proxies",
    "chosen_proxy",
    "client_variables",
    "named_proxy",
]

URL_VARIABLE, CA_VARIABLE = "TEAMCLAUDE_URL", "TEAMCLAUDE_CA_FILE"
TIMEOUT_S = 10.0  # that of proxy_client, which takes 20 ms to import


def add_proxy_arguments(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add what names the server: --url, --key-file, --ca-file and --port.

    `several`: --url may be given more than once.
    """
    group = parser.add_argument_group(
        "the server", "--url, else TEAMCLAUDE_URL with TEAMCLAUDE_KEY, else that of the config file"
    )
    again = "; repeat it to show several as one pool" if several else ""
    group.add_argument(
        "--url",
        action="append",
        metavar="URL",
        help=f"its address, http://host:3456{again}",
    )
    group.add_argument(
        "--key-file",
        action="append",
        metavar="PATH",
        help="file with its key, - for stdin (default: TEAMCLAUDE_KEY). The key itself is no option: others "
        "could read it in the list of processes",
    )
    group.add_argument(
        "--ca-file", metavar="PATH", help="certificates to trust besides the system's (TEAMCLAUDE_CA_FILE)"
    )
    add_port_option(group)


def chosen_proxy(args: argparse.Namespace, timeout_s: float = TIMEOUT_S) -> ProxyClient:
    """Return a client of the one server that the command is about, without connecting.

    Raise UsageError for options that contradict each other, ConfigError without a config file.
    """
    from ..proxy_client import configured_proxy

    return named_proxy(args, timeout_s) or configured_proxy(args.port, timeout_s, or_url=True)


def chosen_proxies(args: argparse.Namespace, timeout_s: float = TIMEOUT_S) -> list[ProxyClient]:
    """Return the clients of one or several servers, in the order they were named; as `chosen_proxy`."""
    from ..proxy_client import configured_proxy

    named: list[ProxyClient] = [*_named(args, timeout_s)]
    return named or [configured_proxy(args.port, timeout_s, or_url=True)]


def named_proxy(args: argparse.Namespace, timeout_s: float = TIMEOUT_S) -> Optional[RemoteProxyClient]:
    """Return a client of the server that options or environment name; None for that of the config file."""
    named = _named(args, timeout_s)
    if len(named) > 1:
        raise UsageError(f"this command is about one server, not {len(named)}: name it with --url")
    return named[0] if named else None


def client_variables(proxy: RemoteProxyClient) -> dict[str, str]:
    """Return the variables that lead a command in the environment to the same server."""
    trust = {CA_VARIABLE: os.path.abspath(proxy.ca_file)} if proxy.ca_file else {}
    return {URL_VARIABLE: proxy.url, "TEAMCLAUDE_KEY": proxy.key, **trust}


def _named(args: argparse.Namespace, timeout_s: float) -> list[RemoteProxyClient]:
    found = _addresses(args, os.environ)
    if not found:
        for option, value in (("--key-file", args.key_file), ("--ca-file", args.ca_file)):
            if value:
                raise UsageError(f"{option} goes with --url or {URL_VARIABLE}, which name the server")
        return []
    from .client import RemoteProxyClient
    from .keys import keys_for

    ca_file = args.ca_file or os.environ.get(CA_VARIABLE) or None
    if ca_file and any(at.is_tls for at in found):
        from .trust import check_ca_file

        check_ca_file(ca_file)
    keys = keys_for(len(found), args.key_file or (), os.environ)
    _warn_of_plain_text([at for at, key in zip(found, keys) if key])
    return [RemoteProxyClient(at, key, timeout_s, ca_file) for at, key in zip(found, keys)]


def _addresses(args: argparse.Namespace, env: Mapping[str, str]) -> list[ServerAddress]:
    if args.url and args.port is not None:
        raise UsageError("--url names the port: leave --port out")
    words = args.url or ([] if args.port is not None else [env.get(URL_VARIABLE, "")])
    if not any(word.strip() for word in words) and not args.url:
        return []
    from .address import parse_address, parse_addresses

    if args.url:
        return list(dict.fromkeys(parse_address(word) for word in args.url))
    return parse_addresses(words[0])


def _warn_of_plain_text(named: list[ServerAddress]) -> None:
    """Say that a key travels in clear, in one line for all servers."""
    open_to_all = [at.url for at in named if not at.is_tls and not at.is_loopback]
    if open_to_all:
        from ..terminal import note

        note(
            f"teamclaude: {' and '.join(open_to_all)}: plain http, the key and all prompts can be read "
            "on the network (proxy.tls of the server changes that)"
        )
