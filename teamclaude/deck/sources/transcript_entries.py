"""What the lines of a transcript say (Claude Code 2.1.112 and 2.1.330, measured).

- `user` and `assistant` entries are the turns; they have `timestamp`, `cwd`, `gitBranch`.  One answer is one
  entry for each of its blocks; one that holds `tool_use` waits for a `user` entry with the result.
- `custom-title` (by the user), `ai-title` and `last-prompt` are short lines that begin with their type.  They
  are repeated now and then; the last one counts.
- everything else (requests, snapshots, modes) is no turn, and some of it is written at idle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from .files import clean_text, json_object, parse_time

__all__ = ["TranscriptFacts", "parse_facts"]

MAX_NOTE_BYTES = 1 << 14  # a title or a prompt
MAX_PATH_CHARS = 1024

_NOTE_START = re.compile(rb'\s*\{\s*"type"\s*:\s*"(custom-title|ai-title|last-prompt)"')
_TURN = re.compile(rb'"type"\s*:\s*"(?:user|assistant)"')
_USER = re.compile(rb'"type"\s*:\s*"user"')
_NOTES = (
    ("custom-title", "customTitle", "own_title"),
    ("ai-title", "aiTitle", "ai_title"),
    ("last-prompt", "lastPrompt", "prompt"),
)
_FINAL_STOP_REASONS = ("end_turn", "stop_sequence", "max_tokens", "refusal")
# Wrapped commands, their output, and what the client writes in the user's name.
_NOT_A_PROMPT = ("<", "[Request interrupted", "Caveat:")


@dataclass(frozen=True)
class TranscriptFacts:
    """None and empty: not found (yet)."""

    last_turn: Optional[float] = None
    calling: bool = False
    ended: bool = False
    """The last turn is an answer that calls no tool."""
    cwd: str = ""
    branch: str = ""
    own_title: str = ""
    ai_title: str = ""
    prompt: str = ""

    @property
    def title(self) -> str:
        return self.own_title or self.ai_title

    def merged_over(self, older: TranscriptFacts) -> TranscriptFacts:
        """These, and the older ones where these say nothing."""
        turn = self if self.last_turn is not None else older
        return TranscriptFacts(
            turn.last_turn,
            turn.calling,
            turn.ended,
            self.cwd or older.cwd,
            self.branch or older.branch,
            self.own_title or older.own_title,
            self.ai_title or older.ai_title,
            self.prompt or older.prompt,
        )


def parse_facts(lines: Iterable[bytes], titled: bool = True, until_found: bool = False) -> TranscriptFacts:
    """What lines say that come last first; `until_found` stops when turn and title are known."""
    gathering = _FactsCollector(titled)
    for line in lines:
        gathering.add_line(line)
        if until_found and gathering.complete:
            break
    return TranscriptFacts(**gathering.facts)


class _FactsCollector:
    """The last of everything; what is found first stays."""

    def __init__(self, titled: bool) -> None:
        self.facts: dict[str, Any] = {}
        self._titled = titled

    @property
    def complete(self) -> bool:
        title = "own_title" in self.facts or "ai_title" in self.facts
        return "last_turn" in self.facts and (title or not self._titled)

    def add_line(self, line: bytes) -> None:
        if len(line) <= MAX_NOTE_BYTES and _NOTE_START.match(line):
            self._note(_entry(line))
        elif "last_turn" not in self.facts:
            if _TURN.search(line):
                self._turn(_entry(line))
        elif (
            self._titled
            and "prompt" not in self.facts
            and b'"tool_result"' not in line
            and _USER.search(line)
        ):
            self._prompt(_entry(line))

    def _note(self, entry: dict[str, Any]) -> None:
        for kind, key, name in _NOTES:
            if entry.get("type") == kind:
                self._keep(name, clean_text(entry.get(key)))

    def _turn(self, entry: dict[str, Any]) -> None:
        at = parse_time(entry.get("timestamp"))
        if at is None or entry.get("type") not in ("user", "assistant"):
            return
        message = entry.get("message")
        message = message if isinstance(message, dict) else {}
        answer = entry["type"] == "assistant"
        calling = answer and any(block.get("type") == "tool_use" for block in _blocks(message))
        self.facts["last_turn"] = at
        self.facts["calling"] = calling
        self.facts["ended"] = answer and not calling and message.get("stop_reason") in _FINAL_STOP_REASONS
        self._keep("cwd", clean_text(entry.get("cwd"), MAX_PATH_CHARS))
        self._keep("branch", clean_text(entry.get("gitBranch")))
        self._prompt(entry)

    def _prompt(self, entry: dict[str, Any]) -> None:
        """A `user` entry that is a prompt, not a tool's result or something the client wrote."""
        message = entry.get("message")
        if entry.get("type") != "user" or entry.get("isMeta") or not isinstance(message, dict):
            return
        blocks = _blocks(message)
        if any(block.get("type") == "tool_result" for block in blocks):
            return
        texts = [message.get("content"), *(block.get("text") for block in blocks)]
        text = next((text for text in map(clean_text, texts) if text), "")
        if not text.startswith(_NOT_A_PROMPT):
            self._keep("prompt", text)

    def _keep(self, name: str, text: str) -> None:
        if text:
            self.facts.setdefault(name, text)


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _entry(line: bytes) -> dict[str, Any]:
    try:
        return json_object(line)
    except (ValueError, RecursionError):
        return {}
