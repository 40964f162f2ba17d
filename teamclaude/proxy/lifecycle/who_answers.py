"""Ask who answers at an address of this machine: before listening there, or when no answer makes sense."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
from contextlib import closing
from enum import Enum
from typing import Optional

from ...errors import TeamClaudeError
from ...values import NamedTuple
from ..net.peer_user import Address, is_loopback, listener_uid

__all__ = ["Answerer", "Presence", "unverified_context", "who_answers"]

TIMEOUT_SEC = 1.0
MAX_BYTES = 4096


class Presence(Enum):
    """Who is there."""

    NOBODY = "nobody listens"
    TEAMCLAUDE = "a TeamClaude"
    OTHER = "another program"
    SILENT = "something accepts connections and gives no answer in time"
    UNREACHABLE = "the address can't be reached from here"


class Answerer(NamedTuple):
    """Who answers; `uid`: whose program it is, if that is another user's; it is then not asked anything."""

    kind: Presence
    version: str = ""
    uid: Optional[int] = None

    def __str__(self) -> str:
        if self.kind is Presence.TEAMCLAUDE:
            return f"another TeamClaude ({self.version})"
        whose = f" of another user (uid {self.uid})" if self.uid is not None else ""
        return f"another program{whose}"


def who_answers(
    host: str, port: int, tls: Optional[ssl.SSLContext] = None, timeout: Optional[float] = None
) -> Answerer:
    """Return who answers at an IP address and port; `tls` speaks HTTPS.  Nothing is raised."""
    try:
        sock = socket.create_connection((host, port), timeout or TIMEOUT_SEC)
    except ConnectionRefusedError:
        return Answerer(Presence.NOBODY)
    except socket.timeout:
        return Answerer(Presence.SILENT)
    except (OSError, ValueError, OverflowError):
        return Answerer(Presence.UNREACHABLE)
    with closing(sock):
        uid = _foreign_owner(host, port)
        if uid is not None and tls is None:
            return Answerer(Presence.OTHER, uid=uid)
        return _ask(sock, host, port, tls)


def unverified_context() -> ssl.SSLContext:
    """Return a context that verifies nothing, since nothing is told: only the question who is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _foreign_owner(host: str, port: int) -> Optional[int]:
    """Return the user whose program listens, None if it is ours, root's or can't be told."""
    own = os.geteuid() if hasattr(os, "geteuid") else 0
    uid = listener_uid(Address(host, port)) if own != 0 and is_loopback(host) else None
    return None if uid in (None, 0, own) else uid


def _ask(sock: socket.socket, host: str, port: int, tls: Optional[ssl.SSLContext]) -> Answerer:
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = tls.wrap_socket(sock) if tls else sock
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read(MAX_BYTES))
        if answer.get("service") == "teamclaude":
            return Answerer(Presence.TEAMCLAUDE, str(answer.get("version"))[:40])
    except socket.timeout:
        return Answerer(Presence.SILENT)
    except (
        *(OSError, ValueError, AttributeError, RecursionError),
        *(http.client.HTTPException, TeamClaudeError),
    ):
        pass
    finally:
        connection.close()
    return Answerer(Presence.OTHER)
