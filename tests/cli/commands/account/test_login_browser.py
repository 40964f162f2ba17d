"""When a browser is opened, and what is typed meanwhile."""

from __future__ import annotations

import os
import queue
import sys
import threading
import webbrowser
from typing import Any

import pytest

from teamclaude.cli.browser import has_browser, open_page
from teamclaude.cli.commands.account.login import MAX_LINE_BYTES, read_stdin_lines


@pytest.mark.parametrize(
    ("env", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"BROWSER": "firefox"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_where_there_is_a_browser(env: dict[str, str], platform: str, expected: bool) -> None:
    assert has_browser(env, platform) is expected


@pytest.mark.parametrize(
    ("opens", "failures"), [(lambda url: True, 0), (lambda url: False, 1), (lambda url: 1 / 0, None)]
)
def test_a_browser_that_cannot_be_started_is_reported(
    monkeypatch: pytest.MonkeyPatch, opens: Any, failures: Any
) -> None:
    def opened(url: str) -> bool:
        if failures is None:
            raise webbrowser.Error("could not locate runnable browser")
        return bool(opens(url))

    monkeypatch.setattr(webbrowser, "open", opened)
    monkeypatch.setenv("BROWSER", "x")
    told: list[str] = []
    open_page("http://x", lambda: told.append("failed"))
    for thread in threading.enumerate():
        if thread.name == "browser":
            thread.join(30)
    assert len(told) == (1 if failures is None else failures)


@pytest.fixture
def lines(keyboard: Any) -> Any:
    """What came of typing, one at a time; None at the end."""
    got: queue.SimpleQueue[Any] = queue.SimpleQueue()
    read_stdin_lines(got.put, lambda: got.put(None))
    return lambda: got.get(timeout=30)


def test_lines_come_as_they_are_typed(keyboard: Any, lines: Any) -> None:
    keyboard("a")
    assert lines() == "a"
    keyboard("ü\nb")
    assert [lines(), lines()] == ["ü", "b"]
    keyboard(end=True)
    assert lines() is None


def test_a_last_line_without_its_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = os.pipe()
    os.write(here, b"last \xff")
    os.close(here)
    got: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with os.fdopen(there) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        read_stdin_lines(got.put, lambda: got.put(None))
        assert [got.get(timeout=30), got.get(timeout=30)] == ["last \ufffd", None]


def test_an_endless_line_is_dropped(keyboard: Any, lines: Any) -> None:
    writer = threading.Thread(target=keyboard, args=("x" * (MAX_LINE_BYTES + 9000),))
    writer.start()
    assert len(lines()) > MAX_LINE_BYTES
    assert lines() is None
    writer.join(30)


def test_without_stdin_there_are_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    ended: list[bool] = []
    read_stdin_lines(lambda line: None, lambda: ended.append(True))
    assert ended == [True]
