"""Threads of the fake API: known to the account that made them."""

from __future__ import annotations

import json

import pytest

from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.message_threads import THREADS_BETA, thread_refusal
from teamclaude.fakeapi.prompt import BadPromptError, Prompt, read_prompt
from teamclaude.fakeapi.wire import Request

ASKED = {"model": "claude-opus-4-8", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


def prompt_with(thread: object, **more: object) -> Prompt:
    return read_prompt(json.dumps({**ASKED, "thread": thread, **more}).encode())


def refusal_of(prompt: Prompt, account: FakeAccount, beta: str = THREADS_BETA, status: int = 400) -> object:
    request = Request("POST", "/v1/messages", "HTTP/1.1", (("anthropic-beta", f"a,{beta}"),), b"")
    answer = thread_refusal(prompt, request, account, status)
    return None if answer is None else (answer.status, json.loads(answer.parts[0])["error"])


def test_a_thread_is_continued_from_a_message_that_is_known() -> None:
    alice = FakeAccount("alice", "sk-ant-oat01-FAKE-alice")
    alice.threads.add("msg_1")
    assert refusal_of(prompt_with({"type": "create"}), alice) is None
    assert refusal_of(prompt_with({"type": "continue", "previous_message_id": "msg_1"}), alice) is None
    assert refusal_of(prompt_with(None), alice, beta="") is None


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid_request_error"), (404, "not_found_error")])
def test_a_thread_of_another_account_is_unknown(status: int, kind: str) -> None:
    unknown = prompt_with({"type": "continue", "previous_message_id": "msg_1"})
    found = refusal_of(unknown, FakeAccount("bob", "sk-ant-oat01-FAKE-bob"), status=status)
    assert found == (
        status,
        {
            "type": kind,
            "message": "thread.previous_message_id: no thread with the message msg_1",
            "details": {"error_code": "thread_not_found"},
        },
    )


def test_a_thread_needs_its_beta() -> None:
    found = refusal_of(prompt_with({"type": "create"}), FakeAccount("a", "t"), beta="other")
    assert found == (
        400,
        {"type": "invalid_request_error", "message": "thread: Extra inputs are not permitted"},
    )


@pytest.mark.parametrize(
    "thread", ["x", {}, {"type": "x"}, {"type": "continue"}, {"type": "continue", "previous_message_id": 1}]
)
def test_a_malformed_thread_is_refused(thread: object) -> None:
    with pytest.raises(BadPromptError, match=r"^thread\.type"):
        prompt_with(thread)


def test_only_a_continued_thread_may_come_without_messages() -> None:
    assert prompt_with({"type": "continue", "previous_message_id": "m"}, messages=[]).previous_message == "m"
    with pytest.raises(BadPromptError, match="at least one message"):
        prompt_with({"type": "create"}, messages=[])
