"""The state is made once for all viewers; nobody has a queue; nothing is done for nobody."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from teamclaude.errors import DrainingError, OverloadedError
from teamclaude.threads import TURN_SEC
from teamclaude.web import changes, publisher
from teamclaude.web.publisher import KEPT, MAX_OBSERVERS, MAX_VIEWERS, Publisher


class Source:
    """A state that the test changes, and how often it was asked for."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {"a": {"n": 0}}
        self.revision = 0
        self.made = 0
        self.broken = False
        self.warnings: list[str] = []

    def state(self) -> dict[str, dict[str, Any]]:
        self.made += 1
        if self.broken:
            raise KeyError("a defect")
        return {"about": {"": {"at": self.made}}, "nodes": dict(self.rows)}

    def change(self, n: int) -> None:
        self.rows = {"a": {"n": n}}
        self.revision += 1


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def page(source: Source, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Its thread runs only as far as a test calls `_publish`."""
    monkeypatch.setattr(Publisher, "_start", lambda self: setattr(self, "_running", True))
    made = Publisher(lambda: source.state, lambda: source.revision, source.warnings.append)
    yield made
    made.close()


def read(page: Publisher, seen: int, role: str = "operator") -> tuple[str, Any, int]:
    """Return kind, data and version of what came after `seen`."""
    text, version = page.next(seen, role, 0)
    assert text
    lines = dict(line.split(": ", 1) for line in text.decode().rstrip().split("\n"))
    return lines["event"], json.loads(lines["data"]), version


def test_all_viewers_get_what_was_made_and_encoded_once(
    page: Publisher, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    event = changes.event
    monkeypatch.setattr(publisher, "event", lambda kind, *of: encoded.append(kind) or event(kind, *of))
    page._publish()
    assert {read(page, 0)[2] for _ in range(3)} == {1}
    source.change(1)
    page._publish()
    assert [read(page, 1)[:2] for _ in range(3)] == [
        ("delta", {"about": {"": {"at": 2, "role": "operator"}}, "nodes": {"a": {"n": 1}}})
    ] * 3
    assert (source.made, encoded) == (2, ["full", "delta"])
    assert read(page, 1, "observer")[1]["about"][""]["role"] == "observer"


def test_nothing_is_made_while_nothing_happens_but_for_what_time_changes(
    page: Publisher, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(int(publisher.REFRESH_SEC)):
        page._publish()
    assert source.made == 1
    page._publish()
    assert source.made == 2
    assert page.next(1, "operator", 0) == (b"", 1), "and nothing is sent: it is the same"


def test_a_slow_viewer_gets_the_sum_and_a_very_slow_one_everything(page: Publisher, source: Source) -> None:
    page._publish()
    for n in range(1, KEPT + 2):
        source.change(n)
        page._publish()
    kind, data, version = read(page, 2)
    assert (kind, data["nodes"], version) == ("delta", {"a": {"n": KEPT + 1}}, KEPT + 2)
    assert read(page, 1)[0] == "full"
    assert len(page._deltas) == KEPT


def test_a_revision_that_fails_does_not_end_the_thread(page: Publisher, source: Source) -> None:
    page._publish()
    del source.revision
    page._publish()
    assert source.warnings == [
        "the page can't be brought up to date: AttributeError: 'Source' object has no attribute 'revision'"
    ]
    source.revision = 0
    source.change(1)
    page._publish()
    assert read(page, 1)[1]["nodes"] == {"a": {"n": 1}}


def test_a_defect_is_reported_once_and_the_last_state_stays(page: Publisher, source: Source) -> None:
    page._publish()
    source.broken = True
    for n in range(3):
        source.change(n)
        page._publish()
    assert source.warnings == ["the page can't be brought up to date: KeyError: 'a defect'"]
    assert read(page, 0)[1]["nodes"] == {"a": {"n": 0}}
    source.broken = False
    source.change(9)
    page._publish()
    assert read(page, 1)[1]["nodes"] == {"a": {"n": 9}}


def test_places_are_bounded_and_given_back(page: Publisher) -> None:
    viewers = [page.open("operator") for _ in range(MAX_VIEWERS)]
    with pytest.raises(OverloadedError, match="close one of them"):
        page.open("operator")
    viewers[0].close()
    viewers[0].close()
    page.open("operator")
    assert page.viewers == MAX_VIEWERS


def test_observers_leave_places_to_operators(page: Publisher) -> None:
    for _ in range(MAX_OBSERVERS):
        page.open("observer")
    with pytest.raises(OverloadedError, match=f"is open {MAX_OBSERVERS} times already"):
        page.open("observer")
    page.open("operator")


def test_closing_wakes_and_ends_all(page: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "CHECK_SEC", 60.0)
    viewer = page.open("observer")
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.extend(viewer))
    thread.start()
    page.close()
    thread.join(30)
    assert not thread.is_alive()
    assert got == [b"retry: 2000\n\n"]
    with pytest.raises(DrainingError):
        page.open("observer")


def test_a_silent_stream_gets_comments(page: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "next", lambda seen, role, timeout: (b"", seen))
    pieces = iter(page.open("observer"))
    assert next(pieces) == b"retry: 2000\n\n"
    assert [next(pieces) for _ in range(6)] == [b"", b"", b": nothing new\n\n"] * 2


def test_without_a_thread_the_page_says_so(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    page = Publisher(lambda: source.state, lambda: 0, source.warnings.append)
    with pytest.raises(OverloadedError, match="no thread is free"):
        page.open("observer")
    assert page.viewers == 0


def test_others_run_while_the_state_is_made_and_encoded(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []
    state, event = source.state, changes.event
    monkeypatch.setattr(source, "state", lambda: turns.append(sys.getswitchinterval()) or state())
    monkeypatch.setattr(publisher, "event", lambda *of: turns.append(sys.getswitchinterval()) or event(*of))
    page = Publisher(lambda: source.state, lambda: source.revision, source.warnings.append)
    viewer = iter(page.open("observer"))
    assert [next(viewer)[:5] for _ in range(2)] == [b"retry", b"event"]
    page.close()
    assert turns == pytest.approx([TURN_SEC] * 2)
