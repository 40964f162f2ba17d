"""What a client is to be led to, when the server is one that is named by its address."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from ...accounts.config.config import Config
from ...accounts.config.config_file import config_path
from ...accounts.config.identity import find_name
from ...errors import TeamClaudeError, UsageError
from ..launch.client_plan import Wanted
from .client import RemoteProxyClient
from .keys import KEY_VARIABLE

__all__ = ["account_there", "wanted_there"]


def wanted_there(proxy: RemoteProxyClient, account: Optional[str], first_party: bool) -> Wanted:
    """Return what a client of this server needs; raise TeamClaudeError for what is missing."""
    if not proxy.key:
        raise TeamClaudeError(f"claude needs a key for {proxy.url}: set {KEY_VARIABLE} or use --key-file")
    if first_party and proxy.address.prefix:
        raise UsageError(
            f"--first-party needs a server at the root of a host, not below {proxy.address.prefix}/"
        )
    if first_party and not proxy.ca_file:
        raise UsageError(
            "--first-party needs the authority of that server: copy teamclaude.tls/ca.pem, beside its config "
            "file, and name it with --ca-file"
        )
    used = proxy.ca_file if proxy.address.is_tls or first_party else None
    return Wanted(
        Config(),
        config_path(os.environ),
        proxy.url,
        proxy.key,
        account,
        first_party,
        is_elsewhere=True,
        trust=Path(used).absolute() if used else None,
    )


def account_there(proxy: RemoteProxyClient, wanted: str) -> str:
    """Return the name of the account of the server that a person means; every role may know them.

    Raises UsageError for none or several, TeamClaudeError for a paid key that a client's key may not name.
    """
    from ...snapshot import CapacityView
    from ...typed_json import from_json

    view = from_json(CapacityView, proxy.get("/teamclaude/capacity"))
    paid = view.last_resort.accounts if view.last_resort else ()
    names = [account.name for account in (*view.accounts, *paid)]
    found = find_name([name for name in names if name.isprintable()], wanted)
    if any(found == account.name for account in paid):
        caller = proxy.get("/teamclaude/caller")
        if isinstance(caller, dict) and caller.get("role") == "client":
            raise TeamClaudeError(
                f"{found} costs money: only a key with the role operator may name it (proxy.clients[].role)"
            )
    return found
