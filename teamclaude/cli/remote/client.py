"""The client of a server that is known by its address, with what a person without its config file can do."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Optional

from ...errors import TeamClaudeError
from ..http_exchange import HttpExchange
from ..proxy_client import TIMEOUT_S, ProxyClient, ProxyDownError, ProxyUnreachableError
from .address import ServerAddress
from .keys import KEY_VARIABLE

if TYPE_CHECKING:
    import ssl

__all__ = ["RemoteProxyClient"]


class RemoteProxyClient(ProxyClient):
    """A client of the server at an address; TLS trusts the system's certificates and those of `ca_file`."""

    def __init__(
        self, at: ServerAddress, key: str, timeout_s: float = TIMEOUT_S, ca_file: Optional[str] = None
    ) -> None:
        self.address = at
        self.url, self.key = at.url, key
        self.ca_file = ca_file
        self._host, self._port, self._prefix = at.host, at.port, at.prefix
        self._timeout_s = timeout_s
        self._context: Optional[ssl.SSLContext] = None

    def require_sender(self) -> None:
        """Raise TeamClaudeError unless the key is one that may send requests.

        Claude Code would repeat a refused request for three minutes.
        """
        caller = self.get("/teamclaude/caller")
        role, name = (caller.get("role"), caller.get("name")) if isinstance(caller, dict) else (None, None)
        if role == "observer":
            raise TeamClaudeError(
                f"the key of {name} is an observer's, which sends no requests: use one with the role client "
                "(proxy.clients[].role)"
            )

    def _exchange(self, deadline: Optional[float]) -> HttpExchange:
        if self.address.is_tls and self._context is None:
            from .trust import client_context

            self._context = client_context(self.ca_file)
        return HttpExchange(self._host, self._port, self._timeout_s, self._context, deadline)

    def _check_listener(self, sock: socket.socket) -> None:
        """Whose server it is, who names its address knows."""

    def _key_name(self) -> str:
        return "this key" if self.key else f"a request without its key: set {KEY_VARIABLE} or use --key-file"

    def _tls_error(self, error: ssl.SSLError) -> ProxyUnreachableError:
        from .trust import tls_problem

        return ProxyUnreachableError(tls_problem(error, self.url, self._host))

    def _down_error(self, error: OSError) -> ProxyDownError:
        if isinstance(error, socket.gaierror):
            return ProxyDownError(
                f"the name {self._host} is not known here: is {self.url} written correctly?"
            )
        return ProxyDownError(
            f"no proxy answers at {self.url} ({error.strerror or error}); start it there with: "
            f"teamclaude server --host ADDRESS"
        )

    def _other_program_error(self) -> ProxyUnreachableError:
        return ProxyUnreachableError(f"another program answers at {self.url}, not teamclaude")
