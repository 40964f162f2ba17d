"""Read the session registry's files, and Claude Code's own list of running clients.

Launchers and hooks that some users have write `state/sessions.json` and `state/sessions/<sid>/`; Claude
Code itself (2.1.330) writes `sessions/<pid>.json` while an interactive client runs: `status`,
`statusUpdatedAt` and `waitingFor` (`permission prompt`, `input needed`, ...; in the code of 2.1.197).  A
client that is killed leaves its file, so one that says `waiting` counts only while its process lives; nothing
else depends on process ids.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ...values import replace
from ..text.cells import width
from .files import FileCache, clean_text, json_object, parse_time, stamp_of
from .processes import process_lives
from .sources import ClientProcess, IssuePin, RegistryRow, bare_id

__all__ = ["SessionRegistry", "parse_client", "parse_pin", "parse_registry", "parse_tool"]

_MAX_REGISTRY_BYTES = 4 << 20
MAX_ROWS = 2000
_SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")  # it becomes part of a path
_SOLO = re.compile(r"solo\s*:\s*", re.IGNORECASE)
_STATUSES = ("busy", "shell", "idle", "waiting")


class SessionRegistry:
    """The registry below one Claude Code directory; a file that did not change is not read again."""

    def __init__(self, home: str, lives: Callable[[int, float], bool] = process_lives) -> None:
        self._lives = lives
        self._state = os.path.join(home, "state")
        self._sessions = os.path.join(self._state, "sessions")
        self._clients = os.path.join(home, "sessions")
        self._registry = FileCache(parse_registry, _MAX_REGISTRY_BYTES)
        self._pins = FileCache(parse_pin)
        self._tools = FileCache(parse_tool, 4096)
        self._running = FileCache(parse_client)

    def rows(self) -> Mapping[str, RegistryRow]:
        """Return the registered sessions by id."""
        return self._registry.get(os.path.join(self._state, "sessions.json")) or {}

    def pin(self, session: str) -> Optional[IssuePin]:
        """Return the issue that a session is pinned to (pin.json), if any."""
        return self._pins.get(self._file(session, "pin.json"))

    def tool(self, session: str) -> Optional[float]:
        """Return when the executing tool was started, epoch seconds; None: no tool executes."""
        return self._tools.get(self._file(session, "tool-inflight"))

    def clients(self) -> dict[str, ClientProcess]:
        """Return the running interactive clients by session, at most MAX_ROWS."""
        try:
            names = [name for name in os.listdir(self._clients) if re.fullmatch(r"\d+\.json", name)]
        except OSError:
            return {}
        paths = {os.path.join(self._clients, name) for name in sorted(names)[:MAX_ROWS]}
        self._running.retain(paths)
        found: dict[str, ClientProcess] = {}
        for path in sorted(paths):
            pair = self._running.get(path)
            if pair is not None:
                session, client = pair
                if client.status == "waiting" and not self._is_alive(path):
                    client = replace(client, status="", waiting_for="", waiting_since=None)
                found[session] = client
        return found

    def _is_alive(self, path: str) -> bool:
        stamp = stamp_of(path)
        pid = int(os.path.basename(path)[: -len(".json")])
        return stamp is not None and self._lives(pid, stamp.modified)

    def retain(self, sessions: Iterable[str]) -> None:
        """Free what was read of all other sessions."""
        retained = set(sessions)
        self._pins.retain({self._file(session, "pin.json") for session in retained})
        self._tools.retain({self._file(session, "tool-inflight") for session in retained})

    def _file(self, session: str, name: str) -> str:
        return f"{self._sessions}{os.sep}cc-{session}{os.sep}{name}"


def is_session_id(value: Any) -> bool:
    """Return whether `value` may be a session id: a text that cannot leave its directory in a path."""
    return isinstance(value, str) and _SESSION.fullmatch(value) is not None


def parse_registry(raw: bytes) -> dict[str, RegistryRow]:
    """Return the rows of sessions.json by session; raise ValueError for what is no JSON."""
    value = json.loads(raw)
    rows = value.get("sessions") if isinstance(value, dict) else value
    found = {}
    for row in (rows if isinstance(rows, list) else [])[-MAX_ROWS:]:
        session = bare_id(row["sid"]) if isinstance(row, dict) and isinstance(row.get("sid"), str) else ""
        if is_session_id(session):
            found[session] = _row(row)
    return found


def _row(row: Mapping[str, Any]) -> RegistryRow:
    intent = clean_text(row.get("intent"))
    solo = _SOLO.match(intent)
    return RegistryRow(
        emoji=_emoji(row.get("emoji")),
        intent=intent[solo.end() :] if solo else intent,
        solo=solo is not None,
        pinned_issue=clean_text(row.get("pinned_issue"), 64),
        started=parse_time(row.get("started")),
    )


def _emoji(value: Any) -> str:
    """Return an emoji of at most two cells; empty for anything else."""
    emoji = clean_text(value, 16)
    return emoji if width(emoji) <= 2 and not emoji.isascii() else ""


def parse_pin(raw: bytes) -> Optional[IssuePin]:
    """Return the pin in a pin.json; raise ValueError for what is no JSON object."""
    pin = json_object(raw)
    return IssuePin(
        identifier=clean_text(pin.get("identifier"), 64),
        title=clean_text(pin.get("title")),
        status=clean_text(_name(pin.get("status")), 64),
        issue_id=clean_text(pin.get("issueId"), 64),
        parent_id=clean_text(pin.get("parentId"), 64),
        commented=parse_time(pin.get("lastCommentAt")),
    )


def _name(value: Any) -> Any:
    """Return a status as text: trackers write a word, or an object with a name."""
    return value.get("name") if isinstance(value, dict) else value


def parse_tool(raw: bytes) -> Optional[float]:
    """Return the marker's first word, the start time in epoch seconds."""
    words = raw.split(None, 1)
    return parse_time(float(words[0])) if words else None


def parse_client(raw: bytes) -> Optional[tuple[str, ClientProcess]]:
    """Return (session, client); None when the file names no session."""
    value = json_object(raw)
    session, status = value.get("sessionId"), value.get("status")
    if not is_session_id(session):
        return None
    client = ClientProcess(
        name=clean_text(value.get("name")),
        status=status if status in _STATUSES else "",
        cwd=clean_text(value.get("cwd"), 1024),
        started=parse_time(value.get("startedAt")),
        waiting_for=clean_text(value.get("waitingFor"), 64) if status == "waiting" else "",
        waiting_since=parse_time(value.get("statusUpdatedAt")) if status == "waiting" else None,
    )
    return str(session), client
