"""A request body as the API reads it: a chain of prompt prefixes. PURE.

Texts may contain size hints, so that a small body stands for a large prompt:

    [[tokens=120000]]   the block with this hint has that many tokens (hints add up)
    [[reply=800]]       in the last message: the number of output tokens of the answer

A block without a hint has a quarter of its length in tokens.  To everything between the session and the
fake API the hints are ordinary text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from ..values import NamedTuple, dataclass

__all__ = ["FIVE_MINUTES", "ONE_HOUR", "BadPromptError", "Prefix", "Prompt", "read_prompt", "tokens_of"]

FIVE_MINUTES = 300
ONE_HOUR = 3600

_TOKENS = re.compile(r"\[\[tokens=(\d{1,9})\]\]")
_REPLY = re.compile(r"\[\[reply=(\d{1,9})\]\]")

# The client's attribution block changes with each version and is not part of the prompt.
_BILLING = "x-anthropic-billing-header"


class BadPromptError(Exception):
    """The body is not a valid request; the text is the API's message."""


class Prefix(NamedTuple):
    """The prompt up to and including one block."""

    digest: bytes
    tokens: int
    ttl: int
    """Cache life in seconds that a `cache_control` here asks for; 0: no breakpoint."""


@dataclass(frozen=True)
class Prompt:
    """One inference request, reduced to what the fake API acts on."""

    model: str
    prefixes: tuple[Prefix, ...]
    stream: bool = False
    max_tokens: int = 0
    reply_tokens: int | None = None
    wants_json: bool = False
    safeguards: tuple[str, ...] = ()
    """The `type` of each check of tool uses that the client asks for."""
    thread: str = ""
    """`create` or `continue` (beta message-threads-2026-08-12); empty: the messages are all there is."""
    previous_message: str = ""
    """Id of the message that a continued thread goes on from."""

    @property
    def tokens(self) -> int:
        """All input tokens, cached or not."""
        return self.prefixes[-1].tokens if self.prefixes else 0


def tokens_of(text: str) -> int:
    """Return the tokens of a text: the sum of its hints, or a quarter of its length."""
    hints = _TOKENS.findall(text)
    return sum(map(int, hints)) if hints else (len(text) + 3) // 4


def read_prompt(body: bytes, *, counting: bool = False) -> Prompt:
    """Read a `/v1/messages` body (`counting`: a count_tokens body, which has no max_tokens).

    Raise BadPromptError with the API's message for what is wrong.
    """
    document = _document(body)
    required = ("model", "messages") if counting else ("model", "messages", "max_tokens")
    for name in required:
        if name not in document:
            raise BadPromptError(f"{name}: Field required")
    messages = document["messages"]
    thread, previous = _thread(document.get("thread"))
    if not isinstance(messages, list) or not (messages or previous):
        raise BadPromptError("messages: at least one message is required")
    model = str(document["model"])
    last = json.dumps(messages[-1:])
    replies = _REPLY.findall(last)
    return Prompt(
        model=model,
        prefixes=tuple(_chain(model, document)),
        stream=document.get("stream") is True,
        max_tokens=_whole(document.get("max_tokens", 0)),
        reply_tokens=int(replies[-1]) if replies else None,
        safeguards=tuple(_safeguards(document.get("safeguards"))),
        wants_json=isinstance(document.get("output_config"), dict) and "format" in document["output_config"],
        thread=thread,
        previous_message=previous,
    )


def _thread(wanted: object) -> tuple[str, str]:
    """Return the type of the thread and, if it is continued, the message it goes on from."""
    if wanted is None:
        return "", ""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    previous = wanted.get("previous_message_id") if isinstance(wanted, dict) else None
    if kind == "create":
        return kind, ""
    if kind != "continue" or not isinstance(previous, str) or not previous:
        raise BadPromptError("thread.type: Input should be 'create' or 'continue' with previous_message_id")
    return kind, previous


def _safeguards(wanted: object) -> Iterator[str]:
    for row in wanted if isinstance(wanted, list) else []:
        if isinstance(row, dict) and isinstance(row.get("type"), str):
            yield row["type"]


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise BadPromptError(f"The request body is not valid JSON: {exc}") from None
    if not isinstance(document, dict):
        raise BadPromptError("The request body is not a JSON object")
    return document


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadPromptError("max_tokens: Input should be a valid integer")
    return value


def _chain(model: str, document: dict[str, Any]) -> Iterator[Prefix]:
    """Yield the cumulative prefixes in the API's cache order: tools, system, messages."""
    digest = blake2b(model.encode(), digest_size=16)
    tokens = 0
    for role, block in _blocks(document):
        ttl = _cache_life(block)
        plain = {key: value for key, value in block.items() if key != "cache_control"}
        text = json.dumps(plain, sort_keys=True)
        digest.update(f"{role}\0{text}\0".encode())
        tokens += tokens_of(text)
        yield Prefix(digest.copy().digest(), tokens, ttl)


def _blocks(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for tool in _as_blocks(document.get("tools") or []):
        yield "tool", tool
    for block in _as_blocks(document.get("system") or []):
        if not str(block.get("text", "")).startswith(_BILLING):
            yield "system", block
    for message in document["messages"]:
        if not isinstance(message, dict) or "content" not in message:
            raise BadPromptError("messages.0.content: Field required")
        for block in _as_blocks(message["content"]):
            yield str(message.get("role")), block


def _as_blocks(value: object) -> list[dict[str, Any]]:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise BadPromptError("messages: Input should be a string or a list of content blocks")


def _cache_life(block: dict[str, Any]) -> int:
    control = block.get("cache_control")
    if not isinstance(control, dict):
        return 0
    return ONE_HOUR if control.get("ttl") == "1h" else FIVE_MINUTES
