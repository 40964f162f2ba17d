"""What is examined: the user's environment, directory, config file, and the proxy that clients are to use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ...accounts.config.config import Config
from ...dial.no_proxy import address_of
from ...values import NamedTuple
from ..user_config import server_url

if TYPE_CHECKING:
    from ..remote.client import RemoteProxyClient

__all__ = ["Subject"]


class Subject(NamedTuple):
    """One examination.  `config` is None where there is no file that can be used.

    `now`: epoch seconds; `port`: the server's, if it is not the config file's; `online`: the API may be
    asked.  `remote`: the server that clients use, if it is named by its address: then the config file is not
    examined.
    """

    env: Mapping[str, str]
    project: Path
    now: float
    path: Path
    config: Optional[Config] = None
    port: Optional[int] = None
    online: bool = False
    remote: Optional[RemoteProxyClient] = None

    @property
    def url(self) -> str:
        """The address that clients are led to; empty without a config."""
        if self.remote is not None:
            return self.remote.url
        return server_url(self.config.proxy, self.port) if self.config else ""

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server of the config."""
        host = self.config.proxy.host if self.config else "localhost"
        address = address_of(host)
        return host == "localhost" or (address is not None and address.is_loopback)
