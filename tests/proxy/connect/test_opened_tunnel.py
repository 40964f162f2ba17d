"""Requests inside the tunnel to the API: the way of any request, or the client's own login's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.proxy.conftest import KEY, TOKEN, message
from tests.proxy.connect.conftest import API, OWN_TOKEN, TunnelClient

Build = Callable[..., Any]
Open = Callable[..., TunnelClient]
OWN_LOGIN = (("Authorization", f"Bearer {OWN_TOKEN}"),)
HELLO = json.dumps(message("hello", stream=False)).encode()


def test_a_message_gets_an_account(forward: Build, opened: Open) -> None:
    s = forward("a")
    reply = opened(s).ask("/v1/messages?beta=true", HELLO, OWN_LOGIN)
    assert (reply.status, reply.headers["x-teamclaude-account"]) == (200, "a")
    sent = s.seen()[0]
    assert sent.header("authorization") == f"Bearer {TOKEN.format('a')}"
    assert sent.header("host") == s.api.url.partition("//")[2]
    assert OWN_TOKEN not in str(sent.headers)
    assert KEY not in str(sent.headers)
    record = s.wait_for_record(reply.headers["x-teamclaude-request"])
    assert (record["path"], record["outcome"]) == ("/v1/messages", "served")
    assert API
