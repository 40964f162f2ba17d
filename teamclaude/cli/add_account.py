"""Store the account that `login` or `import` obtained."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Optional

from ..accounts.config.config import AccountConfig, Config
from ..accounts.config.config_file import ConfigFile
from ..accounts.config.edits import Placement, edit_account
from ..accounts.config.value_types import read_text
from ..errors import ConfigError
from .account_rows import tier
from .proxy_client import ProxyClient, ProxyRefusedError
from .terminal import note

__all__ = ["add_name_option", "add_proxy_option", "proxy_of", "store_account"]


OUTCOMES = {
    "added": "is added",
    "updated": "has its new credentials",
    "kept": "has newer credentials already: nothing has changed",
}


def add_name_option(parser: argparse.ArgumentParser) -> None:
    """Add --name, which names the account."""
    parser.add_argument("--name", metavar="N", type=_name, help="what to call it, instead of its email")


def _name(text: str) -> str:
    try:
        return read_text(text.strip(), "", False)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_proxy_option(parser: argparse.ArgumentParser) -> None:
    """Add --proxy, which gives the account a proxy of its own."""
    parser.add_argument(
        "--proxy",
        metavar="URL",
        type=_proxy,
        help="reach Anthropic for this account through this proxy alone, now and later; direct: none",
    )


def _proxy(text: str) -> str:
    try:
        return read_text(text.strip(), "proxy URL", True)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def proxy_of(config: Config, args: argparse.Namespace) -> Optional[str]:
    """Return the proxy that --proxy names, else that of the account that --name names."""
    if args.proxy:
        return str(args.proxy)
    return next((account.proxy for account in config.accounts if account.name == args.name), None)


def store_account(
    file: ConfigFile,
    change: Callable[[dict[str, Any]], Placement],
    about: AccountConfig,
    wanted: Optional[str] = None,
    port: Optional[int] = None,
) -> Placement:
    """Write the account into the file, report it, and have a running proxy reload.

    `about`: the account, for the report, and for its proxy.  `wanted`: the name that was asked for.
    """

    def write(raw: dict[str, Any]) -> Placement:
        placed = change(raw)
        if about.proxy:
            edit_account(raw, placed.name, proxy=about.proxy)
        return placed

    placed = file.update(write)
    kind = tier(about)
    note(f"{placed.name}{f' ({kind})' if kind else ''} {OUTCOMES[placed.outcome]}")
    if wanted and placed.name != wanted:
        note(f'another account is called "{wanted}": this one is "{placed.name}"')
    try:
        if ProxyClient(file.load(), file.path, port).reload():
            note("the running proxy uses it from now on")
    except ProxyRefusedError as error:
        note(f"teamclaude: it is in {file.path}, but the running proxy did not take it over: {error}")
    return placed
