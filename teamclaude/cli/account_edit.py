"""Change an account from the command line: through the running proxy, else in the config file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional
from urllib.parse import quote

from ..accounts.config.config_file import state_path
from ..accounts.config.edits import set_enabled
from ..accounts.config.identity import find_account
from .proxy_client import ProxyClient, ProxyUnreachableError
from .reload import reload_proxy
from .terminal import note
from .user_config import read_config

__all__ = ["AccountEdit"]


class AccountEdit:
    """One account, found by a name that a person typed; raise UsageError with the candidates if ambiguous."""

    def __init__(self, name: str, port: Optional[int] = None) -> None:
        self.file, config = read_config()
        self.account = find_account(config.accounts, name)
        self._proxy = ProxyClient(config, self.file.path, port)
        self._full = config.rules.full

    def update(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the config file and have a running proxy reload it."""
        self.file.update(change)
        reload_proxy(self._proxy)

    def set_enabled(self, enabled: bool) -> None:
        """Enable or disable through the proxy, which writes the file, or in the file if none answers."""
        verb = "enable" if enabled else "disable"
        try:
            self._proxy.post(f"/teamclaude/accounts/{quote(self.account.name, safe='')}/{verb}")
        except ProxyUnreachableError:
            self.file.update(lambda raw: set_enabled(raw, self.account.key, enabled))
            if enabled:
                self._clear_saved_blocks()

    def _clear_saved_blocks(self) -> None:
        """Remove the account's blocks from the state that the next proxy reads."""
        from ..proxy.state_file import StateFile
        from ..routing.persistence import reset_saved_benches

        saved = StateFile(str(state_path(self.file.path)), note)
        state = saved.load()
        if reset_saved_benches(state, self.account.key, self._full):
            saved.save(state)
