"""A certificate of a server, as the tests of dial/ have it."""

from __future__ import annotations

from tests.dial.conftest import Pem, pem, server_tls

__all__ = ["Pem", "pem", "server_tls"]
