"""A Claude Code directory made for a test: registry, pins, tool markers, transcripts, running clients.

Entries look like those of the real client (2.1.330), cut down to what readers of a transcript need.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

__all__ = ["ClaudeHome", "iso", "session_id"]


def session_id(number: int) -> str:
    """A session id that is the same for the same number, and differs in its first 8 characters."""
    return str(uuid.UUID(int=(number << 96) | (number * 0x9E3779B97F4A7C15) % (1 << 96), version=4))


def iso(at: float) -> str:
    """A time as transcripts have it: `2026-11-23T12:22:59.063Z`."""
    moment = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


class ClaudeHome:
    """Write below `path`; each method may be called again to change what it wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, dict[str, Any]] = {}

    # --- the registry -------------------------------------------------------------------------

    def register(self, session: str, **row: Any) -> None:
        """A row of state/sessions.json: `emoji`, `pid`, `intent`, `pinned_issue`, `started` ..."""
        self._rows[session] = {"sid": f"cc-{session}", **row}
        self.write("state/sessions.json", json.dumps({"sessions": list(self._rows.values())}))

    def pin(self, session: str, identifier: str, **fields: Any) -> None:
        """`title`, `status`, `issueId` (by default made of the identifier), `parentId` ..."""
        pin = {"identifier": identifier, "issueId": f"uuid-{identifier}", "parentId": None, **fields}
        self.write(f"state/sessions/cc-{session}/pin.json", json.dumps(pin))

    def unpin(self, session: str) -> None:
        (self.path / f"state/sessions/cc-{session}/pin.json").unlink()

    def tool(self, session: str, at: float) -> None:
        """A tool executes since `at`."""
        self.write(f"state/sessions/cc-{session}/tool-inflight", f"{at:.0f} Bash\n")

    def no_tool(self, session: str) -> None:
        (self.path / f"state/sessions/cc-{session}/tool-inflight").unlink()

    def client(self, pid: int, session: str, **fields: Any) -> None:
        """A running interactive client: `name`, `status`, `cwd`, `startedAt` ..."""
        value = {"pid": pid, "sessionId": session, "kind": "interactive", "status": "idle", **fields}
        self.write(f"sessions/{pid}.json", json.dumps(value))

    # --- transcripts --------------------------------------------------------------------------

    def transcript(
        self,
        session: str,
        at: float,
        title: str = "",
        prompt: str = "please do it",
        cwd: str = "/home/ann/work/shop",
        branch: str = "main",
        entries: Iterable[dict[str, Any]] | None = None,
    ) -> Path:
        """A prompt one second before `at` and its answer at `at`; or these `entries`.  The mtime is `at`."""
        if entries is None:
            place = {"cwd": cwd, "gitBranch": branch, "sessionId": session}
            entries = [
                self.user(at - 1, prompt, **place),
                self.assistant(at, "done", **place),
                {"type": "last-prompt", "lastPrompt": prompt, "sessionId": session},
            ]
            if title:
                entries.insert(1, {"type": "ai-title", "aiTitle": title, "sessionId": session})
        return self.write_lines(self.transcript_path(session, cwd), entries, at)

    def agent(
        self,
        session: str,
        agent: str,
        at: float,
        kind: str = "Explore",
        description: str = "look around",
        cwd: str = "/home/ann/work/shop",
        ended: bool = False,
        **meta: Any,
    ) -> Path:
        """A sub-agent whose last turn was at `at`: it calls a tool, or gave its answer (`ended`)."""
        folder = self.transcript_path(session, cwd).with_suffix("") / "subagents"
        path = folder / f"agent-{agent}.jsonl"
        meta = {"agentType": kind, "description": description, **meta}
        self.write(str(path.with_suffix(".meta.json").relative_to(self.path)), json.dumps(meta))
        last = self.assistant(at, "done") if ended else self.tool_call(at)
        return self.write_lines(path, [self.user(at - 1, description), last], at)

    def append(self, path: Path, *entries: dict[str, Any], at: float | None = None) -> None:
        """Add entries to a transcript; its mtime becomes `at`."""
        with path.open("a", encoding="utf-8") as file:
            file.writelines(_line(entry) for entry in entries)
        if at is not None:
            os.utime(path, (at, at))

    def transcript_path(self, session: str, cwd: str = "/home/ann/work/shop") -> Path:
        slug = "".join(c if c.isalnum() else "-" for c in cwd)
        return self.path / "projects" / slug / f"{session}.jsonl"

    def write_lines(self, path: Path, entries: Iterable[dict[str, Any]], at: float) -> Path:
        self.write(str(path.relative_to(self.path)), "".join(map(_line, entries)))
        os.utime(path, (at, at))
        return path

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    # --- entries ------------------------------------------------------------------------------

    @staticmethod
    def user(at: float, text: str, **fields: Any) -> dict[str, Any]:
        message = {"role": "user", "content": text}
        return {"isSidechain": False, "type": "user", "message": message, "timestamp": iso(at), **fields}

    @staticmethod
    def tool_result(at: float, **fields: Any) -> dict[str, Any]:
        content = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]
        return {"type": "user", "message": {"content": content}, "timestamp": iso(at), **fields}

    @staticmethod
    def assistant(at: float, text: str, **fields: Any) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
        }
        return {"message": message, "type": "assistant", "timestamp": iso(at), **fields}

    @staticmethod
    def tool_call(at: float, **fields: Any) -> dict[str, Any]:
        content = [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "make"}}]
        message = {"role": "assistant", "content": content, "stop_reason": "tool_use"}
        return {"message": message, "type": "assistant", "timestamp": iso(at), **fields}


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n"
