"""Whether a body continues a thread: only a `thread` of the top level, and only where it is asked about."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from teamclaude.proxy.messages import body_scan
from teamclaude.proxy.messages.body_scan import scan_body

CONTINUE = {"type": "continue", "previous_message_id": "msg_1"}
SIZES = [100, 50_000, 1_500_000]


def body(size: int, **more: Any) -> dict[str, Any]:
    """Return a request whose messages name threads on other levels."""
    inner = {"type": "tool_use", "id": "t", "name": "T", "input": {"thread": CONTINUE, "text": "x" * 500}}
    return {
        "model": "claude-opus-4-8",
        "messages": [{"role": "user", "content": [inner]}] * max(1, size // 600),
        "metadata": {"user_id": "u"},
        "max_tokens": 1000,
        "output_config": {"effort": "high"},
        "stream": True,
        **more,
    }


def continues(value: Any, with_thread: bool = True) -> bool:
    return scan_body(json.dumps(value).encode(), with_thread=with_thread).continues_thread


@pytest.mark.parametrize("size", SIZES)
def test_it_is_found_wherever_it_stands(size: int) -> None:
    rng = random.Random(size)
    asked = body(size, thread=CONTINUE)
    assert continues(asked)
    for _ in range(3):
        keys = list(asked)
        rng.shuffle(keys)
        assert continues({key: asked[key] for key in keys})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "thread", [{"type": "create"}, {"type": "x"}, {}, None, "continue", ["continue"], {"type": ["continue"]}]
)
def test_another_thread_is_none_to_continue(size: int, thread: Any) -> None:
    assert not continues(body(size, thread=thread))


@pytest.mark.parametrize("size", SIZES)
def test_a_thread_of_another_level_is_none(size: int) -> None:
    assert not continues(body(size))


def test_it_is_not_looked_for_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not continues(body(100, thread=CONTINUE), with_thread=False)
    monkeypatch.setattr(body_scan, "_MEDIUM_BYTES", 0)
    monkeypatch.setattr(body_scan, "_MAX_STEPS", 20)  # too few to walk over the body
    found = scan_body(json.dumps(body(2_000_000)).encode())
    assert (found.model, found.stream, found.continues_thread) == ("claude-opus-4-8", True, False)


def test_the_other_facts_are_the_same() -> None:
    data = json.dumps(body(50_000, thread=CONTINUE)).encode()
    asked, unasked = scan_body(data, with_thread=True), scan_body(data)
    assert asked == unasked._replace(continues_thread=True)
