"""Transcripts as Claude Code writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

AT = "2026-11-01T10:00:00.000Z"
SESSION = "5f0c8a52-0000-4000-8000-000000000001"


def tokens(given: int = 10, out: int = 20, read: int = 0, short: int = 0, long: int = 0) -> dict[str, Any]:
    """The usage of an answer."""
    return {
        "input_tokens": given,
        "output_tokens": out,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "service_tier": "standard",
    }


def answer(
    id: str = "1", usage: Any = None, at: str = AT, message: Any = None, **more: Any
) -> dict[str, Any]:
    """An entry of an answer: `msg_1` of the request `req_1`."""
    return {
        "parentUuid": None,
        "isSidechain": False,
        "userType": "external",
        "version": "2.1.332",
        "gitBranch": "main",
        "type": "assistant",
        "uuid": f"entry-{id}",
        "sessionId": SESSION,
        "timestamp": at,
        "cwd": "/home/ann/work/site",
        "requestId": f"req_{id}",
        "message": {
            "id": f"msg_{id}",
            "type": "message",
            "role": "assistant",
            "model": "claude-opus-5-5",
            "content": [{"type": "text", "text": "SECRET words"}],
            "usage": tokens() if usage is None else usage,
            **(message or {}),
        },
        **more,
    }


def user(text: str = "SECRET question") -> dict[str, Any]:
    """An entry of the person."""
    return {"type": "user", "message": {"role": "user", "content": text}, "timestamp": AT}


def write(path: Path, *entries: Any) -> Path:
    """Write a transcript; bytes and texts are lines as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        entry
        if isinstance(entry, bytes)
        else (entry if isinstance(entry, str) else json.dumps(entry, separators=(",", ":"))).encode()
        for entry in entries
    ]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
