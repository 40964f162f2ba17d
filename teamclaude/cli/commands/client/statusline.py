"""The `statusline` command: print the line below Claude Code's prompt.

For Claude Code `cli.main` calls `status_line.output` without this module, and without argparse.
"""

from __future__ import annotations

import argparse

from ...status_line.line import FIELDS
from ...status_line.output import print_line
from ...status_line.proxy_query import ProxyAddress


def statusline_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude statusline`."""
    parser.add_argument("--format", metavar="TEXT", default="", help="another line, with the fields below")
    parser.add_argument("--first", metavar="COMMAND", default="", help="a command whose output comes first")
    fields = [f"  {'{' + name + '}':12} {about}" for name, about in FIELDS.items()]
    parser.epilog = "\n".join(["fields of --format:", *fields])


def statusline(args: argparse.Namespace) -> int:
    """Print one line about the session, for Claude Code's setting statusLine.

    It reads Claude Code's JSON on stdin and asks the proxy that the environment
    names: the account that serves this session, its use of the 5-hour window and
    of the week, how far that is ahead (+) or behind (-) of an even pace, the time
    to the reset, how much the pool can take, and the cost of this session. When
    the proxy gives no answer, it prints the last one with its age, or nothing.

      teamclaude statusline --format '{account} {5h} {7d} | room {headroom}'
    """
    print_line(args.format, args.first, _configured_proxy)
    return 0


def _configured_proxy() -> ProxyAddress:
    """Return the proxy of the config file, for a line outside of Claude Code; raise ConfigError."""
    from ...user_config import read_config, server_host

    _, config = read_config()
    proxy = config.proxy
    return ProxyAddress(server_host(proxy), proxy.port, proxy.tls is not None, proxy.api_key or "")
