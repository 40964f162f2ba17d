"""The forward proxy: open the tunnels to the API, and pass all others on as they are.

Rules that hold in this file:

1. Nothing is sent before the decision: 200 is the promise that the tunnel stands.
2. Certificates exist once `proxy.forward` is on: made at the start, or by the reload that switches it on.
3. What only a tunnel needs is imported by its functions: 1 % of the time until a server answers.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ...accounts.config.config import Config
from ...dial.no_proxy import IpAddress, address_of
from ...dial.tunnel import TUNNEL_IDLE_SEC, Tunnel
from ...errors import (
    ClientError,
    ClientGoneError,
    ConfigError,
    ConnectFailedError,
    ForbiddenError,
    OverloadedError,
    ProxyKeyNeededError,
    TeamClaudeError,
    TunnelFailedError,
    TunnelTimeoutError,
)
from ..http.head import RequestHead
from ..net.client_connection import ClientConnection
from ..net.connections import AcceptedConnection
from ..net.transport import UpstreamPool
from .tunnel_records import TunnelRecords

if TYPE_CHECKING:
    from .handshake import TlsSocket
    from .server_certificates import ServerCertificates
    from .target import ConnectTarget

__all__ = ["ESTABLISHED", "ForwardProxy"]

# RFC 9110 9.3.6: a 2xx to CONNECT has no length and no coding.
ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
HANDSHAKE_SEC = 10.0
TRUSTED_LATELY_SEC = 60.0
WARN_EVERY_SEC = 60.0  # between two warnings of a kind


class ForwardProxy:
    """The forward proxy of one server.  Any thread.

    `config_path` is the config file: certificates are kept beside it.  `warn` prints one line; `clock`
    returns the true epoch seconds, by which clients check certificates.
    """

    def __init__(
        self, config_path: Path, warn: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._config_path = config_path
        self._clock = clock
        self._warn = warn
        self._opened_at = float("-inf")  # the last tunnel; monotonic
        self._warned_at: dict[str, float] = {}  # of each kind of warning; monotonic
        self.tunnels = TunnelRecords(clock)
        self._certificates: Optional[ServerCertificates] = None  # once they were needed

    def configure(self, config: Config) -> None:
        """Make the certificates that this configuration needs; raises ConfigError where there are none."""
        if not config.proxy.forward:
            return
        hosts = config.proxy.forward_hosts
        if self._certificates is None:
            # Here: 0.9 MB of an idle server, for a mode that is off unless it is asked for.
            from .certificates import tls_directory
            from .server_certificates import ServerCertificates

            directory = tls_directory(self._config_path)
            self._certificates = ServerCertificates(directory, hosts, self._clock, self._warn)
        else:
            self._certificates.check(hosts)

    def check(self, config: Config) -> None:
        """Renew certificates that are due; for a timer."""
        if config.proxy.forward and self._certificates is not None:
            self._certificates.check()

    def target_of(self, head: RequestHead, config: Config) -> ConnectTarget:
        """Return where a CONNECT leads; raises what `connect_target` raises."""
        from .target import connect_target

        return connect_target(head, config.proxy)

    def warn_refused(self, head: RequestHead, error: Exception) -> None:
        """Say that a CONNECT was refused, at most once in WARN_EVERY_SEC.

        Not one without a key, which is how many programs begin: they send it when they are asked for it.
        """
        if not isinstance(error, ClientError) or isinstance(error, ClientGoneError):
            return
        if isinstance(error, ProxyKeyNeededError) and "proxy-authorization" not in head:
            return
        self._warn_rarely("refused", f"CONNECT {head.target} is refused: {error}")

    def _warn_rarely(self, kind: str, line: str) -> None:
        now = time.monotonic()
        if now - self._warned_at.get(kind, float("-inf")) >= WARN_EVERY_SEC:
            self._warned_at[kind] = now
            self._warn(line)

    def open_tls(self, client: ClientConnection, host: str, config: Config) -> TlsSocket:
        """Answer 200 and return the decrypted stream; raises ClientGoneError, OverloadedError."""
        from .handshake import BrokenOffError, accept_tls, handshake_failure

        certificates = self._certificates
        if certificates is None:
            raise OverloadedError("The certificate of first-party mode is not ready; see the log.", 5)
        client.send(ESTABLISHED)
        try:
            limit = min(HANDSHAKE_SEC, config.header_read_sec)
            opened = accept_tls(client.sock, client.take_buffered(), certificates.context, limit)
            self._opened_at = time.monotonic()
            return opened
        except OSError as error:
            what, distrust = handshake_failure(error)
            # Where another one has trusted it just now, a client may as well have ended while it connected.
            is_certain = not isinstance(error, BrokenOffError)
            if distrust and (is_certain or time.monotonic() - self._opened_at > TRUSTED_LATELY_SEC):
                file = certificates.certificates.ca_file
                self._warn_rarely(
                    "handshake",
                    f"a client of https://{host} {what}: start it with NODE_EXTRA_CA_CERTS={file}, "
                    "as teamclaude run --first-party does",
                )
            raise ClientGoneError(f"the client {what}") from error
        except ValueError as error:  # the socket was closed meanwhile
            raise ClientGoneError("the client closed its connection") from error

    def pass_on(
        self,
        accepted: AcceptedConnection,
        client: ClientConnection,
        target: ConnectTarget,
        is_local: bool,
        pool: UpstreamPool,
    ) -> None:
        """Connect to the target, answer 200 and copy bytes both ways until the tunnel is over.

        `is_local`: its caller may reach this machine and its network.  Raises TunnelFailedError,
        ForbiddenError or ClientGoneError.
        """
        try:
            allow = None if is_local else _is_elsewhere
            upstream = pool.dial_stream(target.host, target.port, client.watch, allow)
        except (ConnectFailedError, ConfigError, ForbiddenError) as error:
            failure = _refusal(target, error)
            if not isinstance(failure, ForbiddenError):
                self.tunnels.count_failure(str(target), str(failure))
            raise failure from error
        with upstream:
            tunnel = Tunnel(client.sock, upstream, to_upstream=client.take_buffered(), half_close=True)
            accepted.client = tunnel
            with self.tunnels.count(str(target), tunnel):
                client.send(ESTABLISHED)
                tunnel.run(TUNNEL_IDLE_SEC)


def _refusal(target: ConnectTarget, error: TeamClaudeError) -> TeamClaudeError:
    if isinstance(error, ForbiddenError):
        return ForbiddenError(
            f"{target} is on this machine or in a private network; through this proxy only processes of its "
            "own user may go there"
        )
    kind = TunnelTimeoutError if isinstance(error.__cause__, socket.timeout) else TunnelFailedError
    return kind(f"{error}" if str(target) in str(error) else f"{target}: {error}")


def _is_elsewhere(address: IpAddress) -> bool:
    """Return whether an address is one of the Internet, and not one of this machine or its network."""
    from .target import is_near, is_public

    if not is_public(address):
        return False
    source = _source_towards(address)
    return source is None or not is_near(address, source)


def _source_towards(address: IpAddress) -> Optional[IpAddress]:
    """Return the address of this machine that a connection to `address` would have, if there is a way."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))  # sends nothing: the kernel chooses the way
            return address_of(probe.getsockname()[0])
    except OSError:  # no way there
        return None
