"""The address of the server that a config describes, for clients on this machine."""

from __future__ import annotations

import argparse
from typing import Optional

from ..accounts.config.config import ProxyConfig

__all__ = ["add_port_option", "port_number", "server_host", "server_url"]

# Wildcard addresses are for listening only: connect to loopback.
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def port_number(text: str) -> int:
    """Parse a port; the argparse type of --port."""
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port from 0 to 65535')
    return port


def add_port_option(parser: argparse.ArgumentParser) -> None:
    """Add --port, for commands that talk to a running server."""
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="port of the server, if not the config file's"
    )


def server_host(proxy: ProxyConfig) -> str:
    """Return the host to connect to; `localhost` stays a name, which may have two addresses."""
    return WILDCARDS.get(proxy.host, proxy.host)


def server_url(proxy: ProxyConfig, port: Optional[int] = None) -> str:
    """Return the base URL; with TLS it keeps the name `localhost`, which the certificate may be for."""
    host = server_host(proxy)
    if host == "localhost" and proxy.tls is None:
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if proxy.tls else 'http'}://{shown}:{port or proxy.port}"
