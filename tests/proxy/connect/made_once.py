"""Certificates that openssl makes once for all tests that only need some: it takes six commands for each."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.atomic_write import write_private
from teamclaude.proxy.connect import certificates
from teamclaude.proxy.connect.openssl import CertificateAuthority

__all__ = ["made_once", "make_once", "really_make"]

DAY = 86400.0
really_make = certificates._make_generation
_made: dict[tuple[tuple[str, ...], float], str] = {}


def make_once(directory: Path, hosts: Sequence[str], now: float, make: Any) -> None:
    """Write a generation, which is the same for the same hosts on the same day."""
    if make is not CertificateAuthority:
        really_make(directory, hosts, now, make)
        return
    key = tuple(hosts), now // DAY
    if key not in _made:
        before = set(directory.glob("server-*.pem"))
        really_make(directory, hosts, now, make)
        (new,) = set(directory.glob("server-*.pem")) - before
        _made[key] = new.read_text("ascii")
        return
    write_private(str(directory / f"server-{secrets.token_hex(4)}.pem"), _made[key].encode("ascii"))


@pytest.fixture
def made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the certificates of first-party mode made once."""
    monkeypatch.setattr(certificates, "_make_generation", make_once)
