"""`teamclaude web`: a code of the server, and the browser with it."""

from __future__ import annotations

import json
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import KEY, Ended, Stub

LOGIN = "POST /teamclaude/page/login"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the browser was started with."""
    found: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", lambda url: not found.append(url))
    return found


@pytest.fixture
def proxy(stub: Stub) -> Stub:
    stub.answers[LOGIN] = (200, {"code": "one-time", "role": "operator", "expiresSec": 60})
    return stub


def sent(proxy: Stub) -> Any:
    return json.loads(proxy.asked[-1].body)


def test_the_browser_opens_with_a_code_that_no_server_gets_to_see(
    proxy: Stub, cli: Callable[..., Ended], opened: list[str]
) -> None:
    ended = cli("web")
    assert (ended.status, ended.out) == (0, "")
    assert opened == [f"http://127.0.0.1:{proxy.port}/#code=one-time"]
    assert sent(proxy) == {"ownUserOnly": True}, "the role is that of the key"
    assert proxy.asked[-1].headers["x-teamclaude-key"] == KEY
    assert "one-time" not in ended.err


def test_the_address_for_another_browser_is_printed(
    proxy: Stub, cli: Callable[..., Ended], opened: list[str]
) -> None:
    ended = cli("web", "--no-browser", "--role", "observer")
    assert (ended.status, ended.out) == (0, f"http://127.0.0.1:{proxy.port}/#code=one-time\n")
    assert "within a minute" in ended.err
    assert sent(proxy) == {"role": "observer", "ownUserOnly": False}
    assert opened == []


def test_without_a_screen_the_address_is_printed(
    proxy: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    ended = cli("web")
    assert ended.out.endswith("/#code=one-time\n")
    assert "no graphical browser" in ended.err


def test_a_browser_that_cannot_be_started_is_one_line(
    proxy: Stub, cli: Callable[..., Ended], opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    ended = cli("web")
    assert (ended.status, ended.out) == (1, "")
    assert "no browser could be started: teamclaude web --no-browser" in ended.err


def test_without_a_server_it_says_how_to_start_one(
    down: Path, cli: Callable[..., Ended], opened: list[str]
) -> None:
    ended = cli("web")
    assert (ended.status, opened) == (1, [])
    assert "start it with: teamclaude server" in ended.err


@pytest.mark.parametrize("answer", [(200, {}), (200, []), (200, {"code": 7})])
def test_an_answer_without_a_code_is_one_line(
    proxy: Stub, cli: Callable[..., Ended], opened: list[str], answer: tuple[int, Any]
) -> None:
    proxy.answers[LOGIN] = answer
    ended = cli("web")
    assert (ended.status, opened) == (1, [])
    assert "gave no code" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_refusal_is_the_servers_own_line(proxy: Stub, cli: Callable[..., Ended], opened: list[str]) -> None:
    proxy.answers[LOGIN] = (403, {"error": {"message": "it needs the role operator"}})
    ended = cli("web")
    assert (ended.status, ended.err) == (1, "teamclaude: it needs the role operator\n")
    assert opened == []


def test_another_port(proxy: Stub, cli: Callable[..., Ended], opened: list[str]) -> None:
    assert cli("web", "--port", str(proxy.port)).status == 0
    assert opened[0].startswith(f"http://127.0.0.1:{proxy.port}/")


def test_only_two_roles(cli: Callable[..., Ended]) -> None:
    ended = cli("web", "--role", "client")
    assert (ended.status, "observer" in ended.err) == (2, True)
