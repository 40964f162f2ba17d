"""A message of the API as JSON and as the events of a stream. PURE.

Order of events (as the API documents it, and as the client was measured with): message_start; for each
block content_block_start, a ping after the first one, its deltas, content_block_stop; then message_delta
with the cumulative usage, and message_stop.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..values import dataclass, field, replace
from .prompt import tokens_of
from .prompt_cache import TokenUsage

__all__ = ["Message", "event", "events", "message_json", "output_tokens_of", "reply_text"]

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One answer: content blocks as in the API's JSON."""

    id: str
    model: str
    blocks: Sequence[Block]
    usage: TokenUsage
    stop_reason: str = "end_turn"
    pieces: int = 4
    """Deltas per block: a stream has few events whatever its token count."""
    end: Block = field(default_factory=dict)
    """Fields beside the stop reason, such as `safeguard_results`."""


def reply_text(tokens: int) -> str:
    """Return a text that has `tokens` tokens when the client sends it back as history."""
    return f"[[tokens={tokens}]] Done, and the next step is clear. I looked at the files you named."


def output_tokens_of(blocks: Sequence[Block]) -> int:
    """Return the output tokens of scripted blocks."""
    return max(1, sum(tokens_of(json.dumps(block)) for block in blocks))


def message_json(message: Message) -> bytes:
    """Return the body of an answer that is not streamed."""
    document = _document(message, list(message.blocks), message.stop_reason, message.usage)
    return _dump({**document, **message.end})


def event(name: str, data: Block) -> bytes:
    """Return one event as it is on the wire."""
    return b"event: " + name.encode() + b"\ndata: " + _dump(data) + b"\n\n"


def events(message: Message) -> list[bytes]:
    """Return the whole stream, one element per event."""
    out = [event("message_start", _start(message))]
    for index, block in enumerate(message.blocks):
        out.append(event("content_block_start", _block_start(index, block)))
        if index == 0:
            out.append(event("ping", {"type": "ping"}))
        for delta in _deltas(block, message.pieces):
            data = {"type": "content_block_delta", "index": index, "delta": delta}
            out.append(event("content_block_delta", data))
        out.append(event("content_block_stop", {"type": "content_block_stop", "index": index}))
    out.append(event("message_delta", _end(message)))
    out.append(event("message_stop", {"type": "message_stop"}))
    return out


def _document(message: Message, content: list[Block], stop: str | None, usage: TokenUsage) -> Block:
    return {
        "model": message.model,
        "id": message.id,
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {**usage.to_json(), "service_tier": "standard"},
    }


def _start(message: Message) -> Block:
    begun = replace(message.usage, output=min(1, message.usage.output))
    return {"type": "message_start", "message": _document(message, [], None, begun)}


def _end(message: Message) -> Block:
    usage = message.usage.to_json()
    del usage["cache_creation"]
    return {
        "type": "message_delta",
        "delta": {"stop_reason": message.stop_reason, "stop_sequence": None, **message.end},
        "usage": usage,
    }


def _block_start(index: int, block: Block) -> Block:
    empty: dict[str, Block] = {
        "text": {"text": ""},
        "tool_use": {"input": {}},
        "thinking": {"thinking": "", "signature": ""},
    }
    opened = {**block, **empty.get(str(block.get("type")), {})}
    return {"type": "content_block_start", "index": index, "content_block": opened}


def _deltas(block: Block, pieces: int) -> Iterator[Block]:
    kind = block.get("type")
    if kind == "text":
        for part in _split(str(block.get("text", "")), pieces):
            yield {"type": "text_delta", "text": part}
    elif kind == "tool_use":
        for part in _split(json.dumps(block.get("input", {})), pieces):
            yield {"type": "input_json_delta", "partial_json": part}
    elif kind == "thinking":
        for part in _split(str(block.get("thinking", "")), pieces):
            yield {"type": "thinking_delta", "thinking": part}
        yield {"type": "signature_delta", "signature": str(block.get("signature", ""))}


def _split(text: str, pieces: int) -> list[str]:
    """Split into at most `pieces` parts of about the same length; none for an empty text."""
    size = max(1, -(-len(text) // max(1, pieces)))
    return [text[i : i + size] for i in range(0, len(text), size)]


def _dump(data: Block) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()
