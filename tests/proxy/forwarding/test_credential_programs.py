"""The real proxy with accounts whose credentials a program prints."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.proxy.messages.redact import redact_text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the program is cat")

Build = Callable[..., Any]
OLD, NEW = "odd-made-key-FAKE-1", "odd-made-key-FAKE-2"


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    path = tmp_path / "vault"
    path.write_text(OLD)
    return path


def build(stage: Build, vault: Path, kind: str = "apikey") -> Any:
    entry = {"name": "k", "type": kind, "credentialCommand": ["cat", str(vault)], "lastResort": False}
    s = stage("k", accounts=[entry])
    issue(s, OLD, kind)
    return s


def issue(s: Any, token: str, kind: str = "apikey") -> None:
    def act(account: Any, now: float) -> None:
        account.kind, account.tokens = kind, {token}

    s.api.endpoints.change("k", act)


@pytest.mark.parametrize("kind", ["apikey", "oauth"])
def test_requests_are_served_with_it(stage: Build, vault: Path, kind: str) -> None:
    s = build(stage, vault, kind)
    assert s.ask().status == 200
    name = "x-api-key" if kind == "apikey" else "authorization"
    (seen,) = s.seen()
    assert OLD in {key.lower(): value for key, value in seen.headers}[name]


def test_a_refused_one_is_asked_for_again_within_the_request(stage: Build, vault: Path, clock: Any) -> None:
    s = build(stage, vault)
    assert s.ask().status == 200
    clock.now += 60
    vault.write_text(NEW)
    issue(s, NEW)
    assert s.ask().status == 200
    assert [each.status for each in s.seen(3)] == [200, 401, 200]


def test_the_reason_is_shown_and_a_later_success_brings_it_back(stage: Build, vault: Path) -> None:
    vault.write_text("")
    s = build(stage, vault)
    s.until(lambda: s.account("k")["status"] == "auth_failed")
    assert s.account("k")["statusReason"] == "credentialCommand cat: what it printed is empty"
    assert "what it printed is empty" in s.ask().message
    vault.write_text(OLD)
    s.send("POST", "/teamclaude/accounts/reload", {})
    s.until(lambda: s.account("k")["status"] == "active")
    assert s.ask().status == 200


def test_it_is_hidden_wherever_it_stands_and_in_no_file(stage: Build, vault: Path) -> None:
    s = build(stage, vault)
    assert s.ask().status == 200
    assert OLD not in redact_text(f"it said {OLD}")
    assert OLD not in str(s.status())
    s.service.stop(0)
    files = [path for path in s.path.parent.rglob("*") if path.is_file()]
    assert len(files) > 1
    assert not any(OLD.encode() in path.read_bytes() for path in files)


def test_another_credential_of_the_same_account_keeps_its_state(stage: Build, vault: Path) -> None:
    s = build(stage, vault)
    assert s.ask().status == 200
    document = s.document()
    document["accounts"][0]["credentialCommand"] = ["printf", NEW]
    issue(s, NEW)
    s.write(document)
    assert s.send("POST", "/teamclaude/accounts/reload", {}).status == 200
    s.until(lambda: s.service.runtime.token_manager.pairs()["k"].access_token == NEW)
    assert s.ask().status == 200
    assert s.account("k")["usage"]["requests"] == 2
