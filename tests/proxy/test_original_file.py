"""A server with the config file of the original: what it says, and a reload that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.tokens.hand_over import hand_over

Build = Callable[..., Any]


def test_an_earlier_file_serves_and_what_is_read_otherwise_is_said_once(stage: Build) -> None:
    s = stage(
        "a",
        proxy={"clientKeys": ["tc-client-key-FAKE"], "trustLoopback": False},
        switchThreshold={"5h": 0.9, "7d": 0.98},
        upstreamProxy=False,
        holdSeconds="5",
        quotaProbeSeconds=0,
    )
    said = [line.removeprefix(f"{s.path}: ") for line in s.warnings]
    assert said == [
        "switchThreshold is read as switchThreshold 0.9",
        'upstreamProxy is read as upstreamProxy "direct"',
        "holdSeconds is read as allThrottledHoldBudgetSec 5.0",
        "quotaProbeSeconds is read as quotaProbeSec 0.0",
        "proxy.clientKeys is read as proxy.clients: client-1",
    ]
    assert s.ask(headers={"x-teamclaude-key": "tc-client-key-FAKE"}).status == 200
    assert s.ask(headers={"x-teamclaude-key": "tc-other"}).status == 401
    s.write({**s.document(), "warmupSeconds": 5})
    assert s.send("POST", "/teamclaude/accounts/reload", {}).status == 200
    assert "warmupSeconds has no effect" in s.warnings[-1]
    assert len(s.warnings) == 6


def test_a_reload_with_a_refused_key_keeps_the_old_configuration(stage: Build) -> None:
    s = stage("a", "b")
    document = s.document()
    s.write({**document, "modelMap": {"a": "b"}, "accounts": document["accounts"][:1]})
    answer = s.send("POST", "/teamclaude/accounts/reload", {})
    assert answer.status == 400
    assert "modelMap is a key of another program that has no effect here" in answer.message
    assert {account["name"] for account in s.status()["accounts"]} == {"a", "b"}
    assert s.ask().status == 200


def test_a_hand_over_that_did_not_end_is_said_at_the_start(stage: Build, tmp_path: Path) -> None:
    s = stage("a", "b")
    file, to = s.service.config_file, tmp_path / "out.json"

    def killed(data: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over(file, "a", str(to), killed, s.service.reload)
    assert {account["name"] for account in s.status()["accounts"]} == {"b"}
    s.restart()
    assert s.warnings[-1].startswith("the hand-over of a was interrupted, and its login is in ")
