"""Conversations that the API keeps (beta message-threads-2026-08-12), and who may continue them.  PURE.

A thread is known to the account that made it and to no other.  Shapes as read in Claude Code 2.1.332:
`thread` in the body, and the errors after which it sends the whole conversation again.
"""

from __future__ import annotations

import json

from .answer import ApiAnswer
from .fake_account import FakeAccount
from .prompt import Prompt
from .wire import Request

__all__ = ["THREADS_BETA", "thread_refusal"]

THREADS_BETA = "message-threads-2026-08-12"
_NO_BETA = "thread: Extra inputs are not permitted"


def thread_refusal(
    prompt: Prompt, request: Request, owner: FakeAccount, status: int = 400
) -> ApiAnswer | None:
    """Return the answer to a request whose thread is not the account's; None if nothing is wrong with it."""
    if not prompt.thread:
        return None
    if THREADS_BETA not in (request.header("anthropic-beta") or ""):
        return _error(400, _NO_BETA, "")
    if prompt.thread == "create" or prompt.previous_message in owner.threads:
        return None
    message = f"thread.previous_message_id: no thread with the message {prompt.previous_message}"
    return _error(status, message, "thread_not_found")


def _error(status: int, message: str, code: str) -> ApiAnswer:
    error: dict[str, object] = {
        "type": "not_found_error" if status == 404 else "invalid_request_error",
        "message": message,
    }
    if code:
        error["details"] = {"error_code": code}
    body = json.dumps({"type": "error", "error": error}).encode()
    return ApiAnswer(status, [("content-type", "application/json")], (body,))
