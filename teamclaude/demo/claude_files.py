"""The files that the fake sessions write, as Claude Code and a session registry do, for the Deck to read.

They are all below the demo's temporary directory.  Their formats are those of Claude Code 2.1.330
(transcripts, sub-agents) and of the launchers that keep a registry (state/sessions.json, pins).
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .scenario import AGENT_WORK, Role, StatusChange

__all__ = ["ClaudeFiles"]


class ClaudeFiles:
    """The directory of one demo; any thread may call `note_request`, one thread the other methods."""

    def __init__(
        self, home: Path, sessions: Sequence[str], roles: Sequence[Role], clock: Callable[[], float]
    ) -> None:
        self._home = home
        self._roles = dict(zip(sessions, roles))
        self._ids = list(sessions)
        self._clock = clock
        self._status = {session: role.status for session, role in self._roles.items()}
        self._noted: deque[tuple[str, str]] = deque()
        self._agents: dict[str, int] = {}  # number of each sub-agent, in order of appearance
        self._turns = 0

    def write_initial(self) -> None:
        """Write the registry, the pins, and transcripts with one prompt; before the first request."""
        state = self._home / "state"
        state.mkdir(parents=True)
        rows = [
            {
                "sid": f"cc-{session}",
                "emoji": role.emoji,
                "intent": role.prompt,
                "pinned_issue": role.issue,
                "started": self._clock(),
            }
            for session, role in self._roles.items()
            if role.issue
        ]
        _write_json(state / "sessions.json", rows)
        for session, role in self._roles.items():
            if role.issue:
                self._pin(session)
            self._append(self._transcript(session), self._opening(session, role))

    def note_request(self, session: str, agent: str = "") -> None:
        """Note that a request has ended; `write_turns` writes it."""
        if session in self._roles:
            self._noted.append((session, agent))

    def change_status(self, change: StatusChange) -> None:
        """Write the pin of an issue whose status changed."""
        session = self._ids[change.session]
        self._status[session] = change.status
        self._pin(session)

    def write_turns(self) -> None:
        """Write the turns that were noted since the last call."""
        while self._noted:
            session, agent = self._noted.popleft()
            self._turns += 1
            path = self._transcript(session)
            if agent:
                path = self._agent_file(session, agent)
            # Two of three turns call a tool, and a hook marks some of those.  A sub-agent's turn is an
            # answer: the sub-agent has ended unless another turn follows.
            calls = self._turns % 3 != 0 and not agent
            self._append(path, [self._answer(session, calls)])
            if calls and self._roles[session].issue and self._turns % 2:
                _write_atomically(self._state(session) / "tool-inflight", f"{self._clock():.0f} Bash\n")

    # --- files --------------------------------------------------------------------------------

    def _state(self, session: str) -> Path:
        return self._home / "state" / "sessions" / f"cc-{session}"

    def _transcript(self, session: str) -> Path:
        folder = f"-home-you-src-{self._roles[session].project}"
        return self._home / "projects" / folder / f"{session}.jsonl"

    def _agent_file(self, session: str, agent: str) -> Path:
        folder = self._transcript(session).with_suffix("") / "subagents"
        if agent not in self._agents:
            self._agents[agent] = len(self._agents)
            kind, work = AGENT_WORK[self._agents[agent] % len(AGENT_WORK)]
            folder.mkdir(parents=True, exist_ok=True)
            _write_json(
                folder / f"agent-{agent}.meta.json", {"agentType": kind, "description": work, "spawnDepth": 1}
            )
        return folder / f"agent-{agent}.jsonl"

    def _pin(self, session: str) -> None:
        role = self._roles[session]
        leader = None if role.leader is None else self._roles[self._ids[role.leader]]
        self._state(session).mkdir(parents=True, exist_ok=True)
        pin: dict[str, Any] = {
            "identifier": role.issue,
            "title": role.title,
            "status": self._status[session],
            "issueId": role.issue_id,
            "parentId": leader.issue_id if leader else None,
            "labels": [],
        }
        _write_json(self._state(session) / "pin.json", pin)

    def _append(self, path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)
        now = self._clock()
        os.utime(path, (now, now))

    # --- entries ------------------------------------------------------------------------------

    def _opening(self, session: str, role: Role) -> list[dict[str, Any]]:
        prompt = {"role": "user", "content": role.prompt}
        title = [] if role.issue else [{"type": "ai-title", "aiTitle": role.title, "sessionId": session}]
        return [self._entry("user", session, prompt), *title]

    def _answer(self, session: str, calls: bool) -> dict[str, Any]:
        tool = {"type": "tool_use", "id": "toolu_demo", "name": "Bash", "input": {}}
        text = {"type": "text", "text": "Done with this step."}
        message = {
            "role": "assistant",
            "content": [tool if calls else text],
            "stop_reason": "tool_use" if calls else "end_turn",
        }
        return self._entry("assistant", session, message)

    def _entry(self, kind: str, session: str, message: Mapping[str, Any]) -> dict[str, Any]:
        role = self._roles[session]
        at = datetime.fromtimestamp(self._clock(), timezone.utc)
        return {
            "type": kind,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "sessionId": session,
            "cwd": f"/home/you/src/{role.project}",
            "gitBranch": role.branch,
            "message": message,
        }


def _write_json(path: Path, value: Any) -> None:
    _write_atomically(path, json.dumps(value))


def _write_atomically(path: Path, text: str) -> None:
    """Write by rename: the Deck may read at any moment."""
    part = path.with_name(path.name + ".new")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
