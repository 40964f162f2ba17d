"""Only the account uuid of the metadata is rewritten, and only when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.proxy.forwarding.account_targets import with_account_uuid
from teamclaude.proxy.messages.body_scan import scan_body

Build = Callable[..., Any]
OLD = "11111111-1111-4111-8111-111111111111"
NEW = "22222222-2222-4222-8222-222222222222"


def body(account: str = OLD, text: str = "hello", session: str = "s1") -> bytes:
    user_id = json.dumps({"device_id": "d" * 64, "account_uuid": account, "session_id": session})
    document = {
        "model": "claude-opus-4-8",
        "messages": [{"role": "user", "content": text}],
        "metadata": {"user_id": user_id},
        "max_tokens": 5,
        "stream": True,
    }
    return json.dumps(document).encode()


def rewritten(data: bytes, uuid: Optional[str] = NEW) -> bytes:
    return bytes(with_account_uuid(data, scan_body(data), uuid))


def test_the_uuid_is_replaced_and_nothing_else() -> None:
    assert rewritten(body()) == body(NEW)


@pytest.mark.parametrize("uuid", [None, "", "short"])
def test_an_account_without_a_uuid_changes_nothing(uuid: Optional[str]) -> None:
    assert rewritten(body(), uuid) == body()


def test_a_client_without_a_login_has_no_uuid_to_replace() -> None:
    assert rewritten(body("")) == body("")


def test_text_that_looks_like_metadata_is_left_alone() -> None:
    text = body().decode()
    assert rewritten(body(text=text)) == body(NEW, text=text)
    without = json.dumps({"messages": [{"role": "user", "content": text}], "model": "m"}).encode()
    assert rewritten(without) == without


@pytest.mark.parametrize("asked", [True, False])
def test_the_proxy_does_it_only_when_configured(stage: Build, asked: bool) -> None:
    accounts = [
        {
            "name": "a",
            "type": "oauth",
            "accessToken": "sk-ant-oat01-FAKE-a",
            "expiresAt": 4102444800000,
            "accountUuid": NEW,
        }
    ]
    s = stage("a", accounts=accounts, rewriteAccountUuid=asked)
    assert s.send("POST", "/v1/messages", body()).status == 200
    assert s.seen()[0].body == body(NEW if asked else OLD)
