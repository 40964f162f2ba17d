"""The web page as browsers get it: the document, its live stream, and how it ends."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.web import publisher
from teamclaude.web.publisher import MAX_VIEWERS

Build = Callable[..., Any]
KEY = "tc-test-key-000000000000000000000000"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Site": "none"}
EVENTS = "/teamclaude/page/events"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "PERIOD_SEC", 0.01)
    monkeypatch.setattr(publisher, "BUSY_REFRESH_SEC", 0.02)
    monkeypatch.setattr(publisher, "CHECK_SEC", 0.02)
    monkeypatch.setattr(publisher, "SILENCE_SEC", 0.1)


# --- the document -------------------------------------------------------------------------------


def test_a_browser_gets_the_page_and_everybody_else_json(stage: Build) -> None:
    s = stage("a", proxy={"trustLoopback": False})
    page = s.send("GET", "/", headers={**BROWSER, "x-teamclaude-key": ""})
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body.startswith(b"<!DOCTYPE html>")
    assert page.headers["vary"] == "Accept"
    for accept in ("*/*", "application/json", ""):
        assert s.send("GET", "/", headers={"Accept": accept}).json()["service"] == "teamclaude"
    assert s.send("GET", "/health", headers=BROWSER).json()["status"] == "ok"
    head = s.raw().request("/", method="HEAD", headers=list(BROWSER.items())).answer(head_only=True)
    assert int(head.headers["content-length"]) == len(page.body)


def test_nothing_runs_in_the_page_but_what_it_came_with(stage: Build) -> None:
    page = stage("a").send("GET", "/", headers=BROWSER)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == "'none'"
    html = page.body.decode()
    for kind in ("style", "script"):
        found = re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.S)
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
        assert policy[f"{kind}-src"] == (" ".join(f"'sha256-{each}'" for each in hashes) or "'none'")
    assert not re.search(r"<(?:script|link)[^>]*(?:src|href)=[\"'](?!data:)", html)
    assert not re.search(r"\son\w+=|\sstyle=", html)
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_knows_nothing_and_is_small(stage: Build) -> None:
    s = stage("alice-the-account")
    s.ask(session="secret-session")
    body = s.send("GET", "/", headers=BROWSER).body
    assert len(body) <= 150_000
    assert b"alice-the-account" not in body
    assert KEY.encode() not in body


def test_a_link_to_the_page_works_from_anywhere_but_a_frame_does_not(stage: Build) -> None:
    s = stage("a")
    link = {**BROWSER, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (
        s.send("GET", "/", headers={**link, "Sec-Fetch-Dest": "document", "x-teamclaude-key": ""}).status
        == 200
    )
    for dest in ("iframe", "image", "empty", "script"):
        refused = s.send("GET", "/", headers={**link, "Sec-Fetch-Dest": dest, "x-teamclaude-key": ""})
        assert refused.status == 403, dest
    for path in ("/health", "/teamclaude/status", EVENTS):
        assert s.send("GET", path, headers={**link, "Sec-Fetch-Dest": "document"}).status == 403, path


def test_a_rebound_name_gets_no_page(stage: Build) -> None:
    s = stage("a")
    answer = s.raw().send(b"GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\n\r\n").answer()
    assert answer.status == 421


# --- the stream ---------------------------------------------------------------------------------


class Events:
    """A reader of the stream over a raw connection."""

    def __init__(self, s: Any, fields: str = f"x-teamclaude-key: {KEY}\r\n", version: str = "1.1") -> None:
        self.raw = s.raw().send(f"GET {EVENTS} HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n".encode())
        self.head = self.raw._until(b"\r\n\r\n").decode("latin-1")
        self._text = b""

    def next(self) -> tuple[str, Any]:
        """Return the kind and the data of the next event; comments and `retry` are skipped."""
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, "nothing but comments"
            while b"\n\n" not in self._text:
                self._text += self.raw._chunk()
            block, _, self._text = self._text.partition(b"\n\n")
            lines = [line for line in block.decode().split("\n") if not line.startswith(":")]
            fields = dict(line.split(": ", 1) for line in lines)
            if "data" in fields:
                return fields["event"], json.loads(fields["data"])

    def until(self, found: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Read on until the state, kept up to date, has it; return the state."""
        kind, state = self.next()
        assert kind == "full"
        while not found(state):
            kind, delta = self.next()
            if kind == "full":
                state = delta
            else:
                for section, rows in delta.items():
                    for key, row in rows.items():
                        state[section].pop(key, None)
                        if row is not None:
                            state[section][key] = row
        return dict(state)


def test_the_first_event_is_everything_and_others_are_what_changed(stage: Build) -> None:
    s = stage("a", "b")
    events = Events(s)
    assert "content-type: text/event-stream" in events.head.lower()
    assert "connection: close" in events.head.lower()
    kind, state = events.next()
    assert kind == "full"
    assert set(state) == {"about", "accounts", "nodes", "needsYou", "inflight", "activity"}
    assert state["about"][""]["role"] == "operator"
    assert [(name, row["order"]) for name, row in state["accounts"].items()] == [("a", 0), ("b", 1)]
    request = s.ask(session="s1").headers["x-teamclaude-request"]
    while True:
        kind, delta = events.next()
        assert kind == "delta"
        if request in delta.get("activity", {}):
            break
    assert delta["activity"][request]["session"] == "s1"
    assert list(delta["activity"]) == [request]


def test_what_is_gone_is_null(stage: Build) -> None:
    s = stage("a", "b")
    events = Events(s)
    document = s.document()
    document["accounts"].pop()
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload")
    state = events.until(lambda state: "b" not in state["accounts"])
    assert list(state["accounts"]) == ["a"]


def test_an_idle_stream_has_comments_and_no_events(stage: Build) -> None:
    events = Events(stage("a"))
    events.next()
    seen = b""
    while seen.count(b": nothing new\n\n") < 3:
        seen += events.raw._chunk()
    assert b"data:" not in seen


def test_http_1_0_reads_to_the_end_of_the_connection(stage: Build) -> None:
    s = stage("a")
    raw = s.raw().send(f"GET {EVENTS} HTTP/1.0\r\nx-teamclaude-key: {KEY}\r\n\r\n".encode())
    head = raw._until(b"\r\n\r\n").lower()
    assert b"chunked" not in head
    assert raw._until(b"\n\n") == b"retry: 2000\n\n"
    assert raw._until(b"\n\n").startswith(b"event: full\n")
    s.service.stop(0)


def test_head_is_answered_at_once_and_takes_no_place(stage: Build) -> None:
    s = stage("a")
    for _ in range(MAX_VIEWERS + 1):
        raw = s.raw().request(EVENTS, method="HEAD")
        assert raw.answer(head_only=True).status == 200
    assert s.service.runtime.page.publisher.viewers == 0


def test_a_drain_ends_the_streams_at_once(stage: Build) -> None:
    s = stage("a", drainSec=30)
    events = Events(s)
    events.next()
    s.service.stop()
    rest, end = events.raw.rest()
    assert (rest.endswith(b"0\r\n\r\n"), end) == (True, "fin")


def test_only_so_many_may_look_and_who_leaves_makes_room(stage: Build) -> None:
    s = stage("a")
    first = Events(s)
    for _ in range(MAX_VIEWERS - 1):
        Events(s)
    reply = s.send("GET", EVENTS)
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert "close one of them" in reply.message
    first.raw.close()
    s.until(lambda: s.service.runtime.page.publisher.viewers < MAX_VIEWERS)
    assert Events(s).next()[0] == "full"


def test_the_last_one_who_leaves_ends_the_work(stage: Build) -> None:
    s = stage("a")
    page = s.service.runtime.page.publisher
    events = Events(s)
    events.next()
    events.raw.reset()
    s.until(lambda: not page.viewers and not page._running)
    assert page._state is None
    assert Events(s).next()[0] == "full"


def test_a_request_that_is_held_is_in_flight_without_durations_that_grow(stage: Build) -> None:
    s = stage("a")
    s.api.script.always(Fault.quota("5h", reset_in=600.0))
    body = json.dumps({"model": "claude-opus-4-8", "messages": [], "max_tokens": 1, "stream": True}).encode()
    raw = s.raw().request(body=body, headers=[("x-claude-code-session-id", "waits")])
    state = Events(s).until(lambda state: any(row["waiting"] for row in state["inflight"].values()))
    (row,) = state["inflight"].values()
    assert (row["session"], row["waiting"]["kind"]) == ("waits", "held")
    assert not {"durationSec", "sec"} & {*row, *row["waiting"]}
    raw.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
def test_a_reader_that_vanishes_without_a_word_keeps_its_place_for_half_a_minute(stage: Build) -> None:
    """A laptop that goes to sleep confirms nothing, and sends no reset either."""
    s = stage("a")
    raw = s.raw().request(EVENTS, method="GET")
    assert b"200" in raw._until(b"\r\n\r\n")
    raw._until(b"retry")  # the option is set between the head and the first piece
    (accepted,) = s.service.runtime.connections._open.values()
    assert accepted.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
