"""Handshakes in memory: what a client that trusts our file thinks of our certificates."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Any

from teamclaude.proxy.connect.certificates import Certificates

__all__ = ["client_of", "handshake"]


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str, session: Any = None
) -> ssl.SSLObject:
    """Return the client's end of a connection in memory; raises ssl.SSLError."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for step in (near.do_handshake, far.do_handshake) * 3:
        with suppress(ssl.SSLWantReadError):
            step()
    far.write(b"x")  # with TLS 1.3 the tickets come with the first data
    assert near.read(1) == b"x"
    return near


def client_of(certificates: Certificates) -> ssl.SSLContext:
    """Return a client that trusts ca.pem alone, as it is now."""
    client = ssl.create_default_context(cafile=str(certificates.ca_file))
    # The certificates of these tests are of another year.
    client.verify_flags = ssl.VerifyFlags(int(client.verify_flags) | 0x200000)
    return client
