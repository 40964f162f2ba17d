"""Texts that UTF-8 or a terminal can't show, in orders and in answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.proxy.answers.endpoint_types import json_reply

Build = Callable[..., Any]


@pytest.mark.parametrize("session", ["\ud83d", "a\nb", "a\u202eb", "a" * 129])
def test_a_session_id_that_none_has_is_not_pinned(session: str, stage: Build) -> None:
    s = stage("a", "b")
    reply = s.send("POST", "/teamclaude/switch", {"account": "a", "session": session})
    assert reply.status == 400
    assert s.status()["pins"] == []


def test_a_title_that_ends_in_half_a_character_breaks_no_answer() -> None:
    value = {"title": "half: \ud83d", "emoji": "\U0001f99c"}
    assert json.loads(json_reply(value).body.decode()) == value
