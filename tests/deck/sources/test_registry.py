"""The registry's files and the list of running clients: read once per change; unusable ones are ignored."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from teamclaude.deck.sources.registry import (
    SessionRegistry,
    parse_client,
    parse_pin,
    parse_registry,
    parse_tool,
)
from teamclaude.deck.sources.sources import ClientProcess, IssuePin, RegistryRow
from tests.deck.claude_home import ClaudeHome, session_id

NOW = 1_795_428_000.0
A, B = session_id(1), session_id(2)
EVIL = "\x1b]0;owned\x07\x1b[31m\u202etitle\r\n  of\tit\x00"


@pytest.fixture
def home(tmp_path: Path) -> ClaudeHome:
    return ClaudeHome(tmp_path)


# --- sessions.json --------------------------------------------------------------------------------


def test_rows_as_an_array_or_in_an_object() -> None:
    rows = [{"sid": f"cc-{A}", "emoji": "🦜", "pid": 7, "intent": "solo: tidy up", "started": NOW}]
    expected = {A: RegistryRow("🦜", "tidy up", True, "", NOW)}
    assert parse_registry(json.dumps(rows).encode()) == expected
    assert parse_registry(json.dumps({"sessions": rows}).encode()) == expected


@pytest.mark.parametrize(
    "started", [NOW, NOW * 1000, "2026-11-23T10:00:00.000Z", "2026-11-23T10:00:00+00:00"]
)
def test_started_in_any_usual_form(started: object) -> None:
    rows = parse_registry(json.dumps([{"sid": A, "started": started}]).encode())
    assert rows[A].started == NOW


@pytest.mark.parametrize("started", [None, "soon", True, [], 10**400, "9" * 500])
def test_an_unusable_time_is_unknown(started: object) -> None:
    assert parse_registry(json.dumps([{"sid": A, "started": started}]).encode())[A].started is None


def test_the_intents_solo_is_a_word_of_its_own() -> None:
    intents = ["solo: a", "SOLO:b", "solo", "soloist: c"]
    rows = parse_registry(
        json.dumps([{"sid": f"s{n}", "intent": text} for n, text in enumerate(intents)]).encode()
    )
    assert [(row.intent, row.solo) for row in rows.values()] == [
        ("a", True),
        ("b", True),
        ("solo", False),
        ("soloist: c", False),
    ]


@pytest.mark.parametrize("emoji", ["ab", "x", "", None, 7, "🦜🦜", "🦜" * 100, "\x1b[31m"])
def test_an_emoji_that_is_none_is_left_out(emoji: object) -> None:
    assert parse_registry(json.dumps([{"sid": A, "emoji": emoji}]).encode())[A].emoji == ""


@pytest.mark.parametrize("emoji", ["🦜", "👩‍💻", "🇩🇪", "✅"])
def test_an_emoji_sequence_is_one_cluster(emoji: str) -> None:
    assert parse_registry(json.dumps([{"sid": A, "emoji": emoji}]).encode())[A].emoji == emoji


@pytest.mark.parametrize(
    "sid", ["", "cc-", "../../etc/passwd", "cc-../x", "a/b", ".hidden", "x" * 200, None, 5, "a b"]
)
def test_ids_that_are_no_file_names_are_left_out(sid: object) -> None:
    assert parse_registry(json.dumps([{"sid": sid}, {"sid": A}, 5, None]).encode()).keys() == {A}


@pytest.mark.parametrize("text", ["{}", "5", "null", '{"sessions": 5}', '{"sessions": {"a": 1}}', "[[]]"])
def test_other_json_has_no_rows(text: str) -> None:
    assert parse_registry(text.encode()) == {}


def test_hostile_text_is_clean_and_bounded() -> None:
    row = {"sid": A, "intent": EVIL, "pinned_issue": EVIL + "x" * 500}
    parsed = parse_registry(json.dumps([row]).encode())[A]
    assert parsed.intent == "title of it"
    assert parsed.pinned_issue.startswith("title of itx")
    assert len(parsed.pinned_issue) == 64


# --- pins, tools, clients -------------------------------------------------------------------------


def test_a_pin() -> None:
    raw: dict[str, Any] = {
        "identifier": "ENG-1",
        "title": EVIL,
        "status": "In Review",
        "issueId": "i1",
        "parentId": None,
        "labels": [],
    }
    assert parse_pin(json.dumps(raw).encode()) == IssuePin("ENG-1", "title of it", "In Review", "i1", "")
    assert parse_pin(b'{"status": {"name": "Blocked"}}') == IssuePin(status="Blocked")


def test_the_first_word_of_a_tool_marker_is_its_time() -> None:
    assert parse_tool(b"1795428000 Bash make\n") == NOW
    assert parse_tool(b"1795428000.5") == NOW + 0.5
    assert parse_tool(b"  \n") is None
    assert parse_tool(b"nan") is None


def test_a_client() -> None:
    raw = {"pid": 7, "sessionId": A, "name": EVIL, "status": "waiting", "cwd": "/w", "startedAt": NOW * 1000}
    assert parse_client(json.dumps(raw).encode()) == (A, ClientProcess("title of it", "waiting", "/w", NOW))
    assert parse_client(json.dumps({**raw, "status": "\x1b[31m"}).encode()) == (
        A,
        ClientProcess("title of it", "", "/w", NOW),
    )
    assert parse_client(b'{"sessionId": "../x"}') is None


def test_a_waiting_client_says_for_what_and_since_when() -> None:
    raw = {
        "sessionId": A,
        "waitingFor": "permission\x1b[31m prompt" + "x" * 500,
        "statusUpdatedAt": NOW * 1000,
    }
    (_, client) = parse_client(json.dumps({**raw, "status": "waiting"}).encode()) or ("", ClientProcess())
    assert client.waiting_for.startswith("permission prompt")
    assert (len(client.waiting_for), client.waiting_since) == (64, NOW)
    (_, client) = parse_client(json.dumps({**raw, "status": "busy"}).encode()) or ("", ClientProcess())
    assert (client.waiting_for, client.waiting_since) == ("", None)


# --- on disk --------------------------------------------------------------------------------------


def test_everything_is_read_from_its_place(home: ClaudeHome) -> None:
    home.register(A, intent="x")
    home.pin(A, "ENG-1", title="Carts", parentId="i0")
    home.tool(A, NOW)
    home.client(7, B, name="shop")
    home.write("sessions/notes.txt", "{}")
    registry = SessionRegistry(str(home.path))
    assert registry.rows() == {A: RegistryRow(intent="x")}
    assert registry.pin(A) == IssuePin("ENG-1", "Carts", "", "uuid-ENG-1", "i0")
    assert registry.tool(A) == NOW
    assert registry.clients() == {B: ClientProcess("shop", "idle")}
    assert (registry.pin(B), registry.tool(B)) == (None, None)


def test_a_client_that_was_killed_does_not_wait(home: ClaudeHome) -> None:
    asked: list[int] = []
    registry = SessionRegistry(str(home.path), lives=lambda pid, wrote: bool(asked.append(pid)) or pid == 7)
    for pid, session in ((7, A), (8, B)):
        home.client(pid, session, status="waiting", waitingFor="input needed")
    home.client(9, session_id(3), status="busy")
    clients = registry.clients()
    assert (clients[A].status, clients[A].waiting_for) == ("waiting", "input needed")
    assert (clients[B].status, clients[B].waiting_for) == ("", "")
    assert asked == [7, 8], "only of those that wait"


def test_nothing_on_disk_is_nothing(tmp_path: Path) -> None:
    registry = SessionRegistry(str(tmp_path / "none"))
    assert (registry.rows(), registry.clients(), registry.pin(A), registry.tool(A)) == ({}, {}, None, None)


def test_a_change_is_seen_and_what_goes_is_gone(home: ClaudeHome) -> None:
    home.pin(A, "ENG-1")
    home.tool(A, NOW)
    registry = SessionRegistry(str(home.path))
    assert (registry.pin(A), registry.tool(A)) == (IssuePin("ENG-1", issue_id="uuid-ENG-1"), NOW)
    home.pin(A, "ENG-20")
    home.no_tool(A)
    assert (registry.pin(A), registry.tool(A)) == (IssuePin("ENG-20", issue_id="uuid-ENG-20"), None)
    home.unpin(A)
    assert registry.pin(A) is None


def test_unchanged_files_are_not_read_again(home: ClaudeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home.register(A)
    home.pin(A, "ENG-1")
    registry = SessionRegistry(str(home.path))
    first = registry.pin(A), registry.rows()
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("read again"))
    assert (registry.pin(A), registry.rows()) == first


def test_a_session_that_is_forgotten_is_read_anew(home: ClaudeHome) -> None:
    home.pin(A, "ENG-1")
    registry = SessionRegistry(str(home.path))
    first = registry.pin(A)
    registry.retain([B])
    assert registry.pin(A) == first
    assert registry.pin(A) is not first


@pytest.mark.parametrize("text", ["", "{", "\x00\x01", "[]", "5", "[" * 100_000, '"' + "x" * 70_000 + '"'])
def test_corrupt_files_count_as_missing(home: ClaudeHome, text: str) -> None:
    for name in ("state/sessions.json", f"state/sessions/cc-{A}/pin.json", "sessions/7.json"):
        home.write(name, text)
    home.write(f"state/sessions/cc-{A}/tool-inflight", "now\n")
    registry = SessionRegistry(str(home.path))
    assert (registry.rows(), registry.clients(), registry.pin(A), registry.tool(A)) == ({}, {}, None, None)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_folder_in_a_files_place_does_not_block(home: ClaudeHome) -> None:
    home.pin(A, "ENG-1")
    path = home.path / f"state/sessions/cc-{A}/pin.json"
    path.unlink()
    os.mkfifo(path)
    (home.path / f"state/sessions/cc-{A}/tool-inflight").mkdir()
    registry = SessionRegistry(str(home.path))
    assert (registry.pin(A), registry.tool(A)) == (None, None)
