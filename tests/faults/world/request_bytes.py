"""The bytes of a request that a schedule describes: method, target, body, chunks, writes."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.rules.evidence import Seen
from tests.faults.schedules.plan import Request

__all__ = ["MALFORMED", "OWN_TOKEN", "TARGETS", "body_of", "chunks", "first_write", "method_of"]

OWN_TOKEN = "sk-ant-oat01-FAKE-of-the-client"
HUGE = 1_200_000  # over the 1 MiB that the worlds allow

TARGETS = {
    "messages": "/v1/messages?beta=true",
    "huge": "/v1/messages?beta=true",
    "count": "/v1/messages/count_tokens?beta=true",
    "models": "/v1/models?limit=1000",
    "profile": "/api/oauth/profile",
    "batch": "/v1/messages/batches?beta=true",
    "file": "/v1/files?beta=true",
    "skill": "/v1/skills?beta=true",
}
MALFORMED = {
    "length and chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6",
    "space": "X-Odd : 1",
    "fold": "X-Odd: 1\r\n and more",
    "bare lf": "X-Odd: 1\nX-Smuggled: 1",
    "big": "X-Big: " + "b" * 70_000,
    "chunks in 1.0": "Transfer-Encoding: chunked",
}


def method_of(request: Request) -> str:
    return "GET" if request.kind in ("models", "profile", "fetch") else "POST"


def first_write(data: bytes, seen: Seen) -> int:
    """Return the number of bytes in the first write of a request."""
    if not seen.request.split:
        return len(data)
    body = len(seen.body)
    return len(data) - (body if seen.request.split == "head" else body // 2)


def body_of(tag: str, request: Request, size: int = 0, previous: str = "") -> bytes:
    """Return the JSON of a request, padded to `size` bytes; its thread goes on from `previous`."""
    if request.kind in ("models", "profile", "fetch") or request.malformed:
        return b""
    if request.bad_json:
        return b'{"model": "claude-opus-4-8", "messages": [' + tag.encode()
    text = "x" * HUGE if request.kind == "huge" else f"Hello from {tag}."
    document = {
        "model": request.model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 1000,
        **({"system": [_cached(request.prefix)]} if request.prefix else {}),
        "output_config": {"effort": tag},
        **({"stream": True} if request.stream else {}),
        **({"thread": _thread(previous)} if request.thread else {}),
    }
    if request.kind == "count":
        del document["max_tokens"]
    plain = json.dumps(document).encode()
    return plain.replace(b"Hello from", b"Hello" + b"o" * (size - len(plain)) + b" from") if size else plain


def _cached(tokens: int) -> dict[str, Any]:
    """Return a system prompt with a cache breakpoint."""
    text = f"[[tokens={tokens}]] You are a tester."
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def _thread(previous: str) -> dict[str, str]:
    return {"type": "continue", "previous_message_id": previous} if previous else {"type": "create"}


def chunks(body: bytes) -> bytes:
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
