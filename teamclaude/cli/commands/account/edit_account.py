"""Commands that edit one account: `enable`, `disable`, `priority` and `remove`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Optional
from urllib.parse import quote

from ....accounts.config.edits import edit_account, remove_account
from ....accounts.config.identity import find_account
from ....accounts.config.state_place import state_path
from ...arguments import add_account_name, add_port_option
from ...proxy_client import ProxyClient, ProxyUnreachableError
from ...remote.chosen import add_proxy_arguments, named_proxy
from ...terminal import confirm, note
from ...user_config import read_config


def post_enabled(proxy: ProxyClient, name: str, enabled: bool) -> str:
    """Have a running server enable or disable an account, which its config file then keeps.

    Return what it says of it; empty for nothing.
    """
    done = proxy.post(f"/teamclaude/accounts/{quote(name, safe='')}/{'enable' if enabled else 'disable'}")
    said = done.get("note") if isinstance(done, dict) else None
    return said if isinstance(said, str) else ""


class AccountEdit:
    """One account, found by a name that a person typed; raise UsageError with the candidates if ambiguous."""

    def __init__(self, name: str, port: Optional[int] = None, or_url: bool = False) -> None:
        self.file, config = read_config(or_url)
        self.account = find_account(config.accounts, name)
        self._proxy = ProxyClient(config, self.file.path, port)
        self._full = config.rules.full

    def update(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the config file and have a running proxy reload it."""
        self.file.update(change)
        self._proxy.reload()

    def set_enabled(self, enabled: bool) -> str:
        """Enable or disable through the proxy, which writes the file, or in the file if none answers.

        Return what the proxy says of it.
        """
        try:
            return post_enabled(self._proxy, self.account.name, enabled)
        except ProxyUnreachableError:
            self.file.update(lambda raw: edit_account(raw, self.account.key, disabled=not enabled))
            if enabled:
                self._clear_saved_blocks()
            return ""

    def _clear_saved_blocks(self) -> None:
        """Remove the account's blocks from the state that the next proxy reads."""
        from ....proxy.lifecycle.state_file import StateFile
        from ....routing.persistence import reset_saved_benches

        saved = StateFile(str(state_path(self.file.path)), note)
        state = saved.load()
        if reset_saved_benches(state, self.account.key, self._full):
            saved.save(state)


def enable_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude enable`."""
    add_account_name(parser)
    add_proxy_arguments(parser)


def enable(args: argparse.Namespace) -> int:
    """Let an account serve requests again.

    A running proxy applies it at once; the config file keeps it. Benches, full
    windows and a refused login are forgotten: the next request tries it.
    """
    return _set_enabled(args, True)


disable_arguments = enable_arguments


def disable(args: argparse.Namespace) -> int:
    """Keep an account out of service.

    It gets no new requests; those in progress finish. A running proxy applies it
    at once; the config file keeps it.
    """
    return _set_enabled(args, False)


def _set_enabled(args: argparse.Namespace, enabled: bool) -> int:
    remote = named_proxy(args)
    if remote is not None:
        from ...remote.launching import account_there

        name = account_there(remote, args.name)
        said = post_enabled(remote, name, enabled)
    else:
        edit = AccountEdit(args.name, args.port, or_url=True)
        said = edit.set_enabled(enabled)
        name = edit.account.name
    note(f"{name} is {'enabled' if enabled else 'disabled'}{': ' if said else ''}{said}")
    return 0


def priority_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude priority`."""
    add_account_name(parser)
    parser.add_argument("number", metavar="N", type=int, help="a whole number, also a negative one")
    add_port_option(parser)


def priority(args: argparse.Namespace) -> int:
    """Prefer accounts with a smaller number.

    Others serve only when no account with a smaller number can. The default is 0.
    """
    edit = AccountEdit(args.name, args.port)
    edit.update(lambda raw: edit_account(raw, edit.account.key, priority=args.number))
    note(f"{edit.account.name} has priority {args.number}")
    return 0


def remove_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude remove`."""
    add_account_name(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    add_port_option(parser)


def remove(args: argparse.Namespace) -> int:
    """Remove an account and its credentials from the config file.

    It asks first; --yes skips the question.
    """
    edit = AccountEdit(args.name, args.port)
    if not args.yes and not confirm(f"Remove {edit.account.name} and its credentials from {edit.file.path}?"):
        note("nothing was removed")
        return 1
    edit.update(lambda raw: remove_account(raw, edit.account.key))
    note(f"{edit.account.name} is removed")
    return 0
