"""What each command does to the proxy of this process, and the notice it gives."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.importing import find_login
from teamclaude.deck import controls as module
from teamclaude.deck.controls import CommandWorker, LocalControls, ReadOnlyControls
from teamclaude.deck.text.spans import plain_text
from teamclaude.deck.ui import CommandResult
from teamclaude.deck.view.ui_state import Command
from teamclaude.errors import NotFoundError
from teamclaude.proxy.server import ProxyServer

KEY = "sk-ant-api03-FAKE-key"
SID = "3f2a91c0-1111-4222-8333-444444444444"


class Proxy:
    """A running proxy with two accounts, and the controls of its Deck."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "teamclaude.json"
        self.home = directory / "claude"
        accounts = [
            {"name": name, "type": "oauth", "accessToken": f"sk-ant-oat01-FAKE-{name}"}
            for name in ("alice", "bob")
        ]
        config = {"proxy": {"port": 0, "apiKey": "k"}, "accounts": accounts}
        self.path.write_text(json.dumps(config))
        self.path.chmod(0o600)
        self.service = ProxyServer(ConfigFile(self.path, print), port=0)
        self.service.start()
        self.controls = LocalControls(self.service, {"CLAUDE_CONFIG_DIR": str(self.home)})

    def execute(self, verb: str, **fields: Any) -> CommandResult:
        return self.controls.execute(Command(verb, **fields))

    def names(self) -> list[str]:
        """Return the names in the file, which must agree with the running proxy."""
        written = [account["name"] for account in json.loads(self.path.read_text())["accounts"]]
        assert [account.name for account in self.service.snapshot().accounts] == written
        return written

    def status(self, name: str) -> str:
        return str(
            next(a["status"] for a in self.service.snapshot().to_json()["accounts"] if a["name"] == name)
        )


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path)
    yield proxy
    proxy.service.stop(0)


def test_pins_move_everything_or_one_session(proxy: Proxy) -> None:
    assert proxy.execute("pin", account="bob") == CommandResult("all work goes to bob from now on", "good")
    assert (
        proxy.execute("pin", account="alice", session=SID).notice == "this session goes to alice from now on"
    )
    pins = {(pin.session, pin.account) for pin in proxy.service.snapshot().pins}
    assert {account for _, account in pins} == {"alice", "bob"}
    assert len(pins) == 2
    assert proxy.execute("unpin", session=SID).notice == "this session is routed automatically again"
    assert proxy.execute("unpin").notice == "all work is routed automatically again"
    assert proxy.service.snapshot().pins == ()


def test_an_account_is_disabled_and_enabled_in_file_and_proxy(proxy: Proxy) -> None:
    assert proxy.execute("disable", account="bob").notice == "bob gets no more work"
    assert proxy.status("bob") == "disabled"
    assert json.loads(proxy.path.read_text())["accounts"][1]["disabled"] is True
    assert proxy.execute("enable", account="bob").notice == "bob serves again"
    assert proxy.status("bob") == "active"


def test_an_account_is_removed_from_file_and_proxy(proxy: Proxy) -> None:
    assert proxy.execute("remove", account="bob") == CommandResult("bob is removed", "good")
    assert proxy.names() == ["alice"]
    assert proxy.execute("remove", account="bob").style == "bad", "it is gone already"


def test_a_key_is_added_and_used_at_once(proxy: Proxy) -> None:
    assert proxy.execute("add key", secret=f" {KEY}\n") == CommandResult("api-1 is added", "good")
    assert proxy.names() == ["alice", "bob", "api-1"]
    again = proxy.execute("add key", secret=KEY)
    assert again.style == "bad"
    assert "api-1" in again.notice


@pytest.mark.parametrize("secret", ["", "hello", "sk-ant-oat01-FAKE", f"{KEY} {KEY}"])
def test_an_invalid_key_is_refused_and_not_repeated(proxy: Proxy, secret: str) -> None:
    outcome = proxy.execute("add key", secret=secret)
    assert outcome.style == "bad"
    assert "FAKE" not in outcome.notice
    assert proxy.names() == ["alice", "bob"]


def test_claude_codes_login_is_followed_not_copied(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "add_profile", lambda config, account: (account, "not asked"))
    proxy.home.mkdir()
    login = {
        "accessToken": "sk-ant-oat01-FAKE-claude",
        "refreshToken": "sk-ant-ort01-FAKE",
        "expiresAt": (time.time() + 3600) * 1000,
    }
    source = proxy.home / ".credentials.json"
    source.write_text(json.dumps({"claudeAiOauth": login}))
    outcome = proxy.execute("import")
    assert outcome == CommandResult("imported-1 is added", "good")
    entry = json.loads(proxy.path.read_text())["accounts"][-1]
    assert entry["importFrom"] == str(source)
    assert "refreshToken" not in entry
    assert "accessToken" not in entry


def test_a_login_of_the_keychain_is_copied_and_the_choice_is_said(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"accessToken": "sk-ant-oat01-FAKE-claude", "refreshToken": "sk-ant-ort01-FAKE"}
    item = json.dumps({"claudeAiOauth": {**login, "expiresAt": (time.time() + 3600) * 1000}})
    monkeypatch.setattr(module, "add_profile", lambda config, account: (account, None))
    monkeypatch.setattr(find_login, "read_keychain", lambda env: item.encode())
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform="darwin"))
    proxy.home.mkdir()
    (proxy.home / ".credentials.json").write_text("{}")
    outcome = proxy.execute("import")
    assert outcome.style == "good"
    assert outcome.notice.startswith("imported-1 is added; the login is taken from the Keychain item of")
    assert "holds no login" in outcome.notice
    entry = json.loads(proxy.path.read_text())["accounts"][-1]
    assert entry["refreshToken"] == login["refreshToken"]
    assert "importFrom" not in entry


def test_without_a_login_of_claude_code_it_says_so(proxy: Proxy) -> None:
    outcome = proxy.execute("import")
    assert outcome.style == "bad"
    assert "not logged in" in outcome.notice


def test_a_reload_reports_what_changed_and_a_bad_file_changes_nothing(proxy: Proxy) -> None:
    assert proxy.execute("reload").notice == "config read again: nothing has changed"
    raw = json.loads(proxy.path.read_text())
    raw["accounts"].append({"name": "carol", "type": "oauth", "accessToken": "sk-ant-oat01-FAKE-carol"})
    proxy.path.write_text(json.dumps(raw))
    assert proxy.execute("reload").notice == "config read again: added carol"
    proxy.path.write_text("{")
    assert proxy.execute("reload").style == "bad"
    assert len(proxy.service.snapshot().accounts) == 3


def test_a_request_that_nobody_remembers(proxy: Proxy) -> None:
    assert proxy.execute("explain", request="tc-0").style == "warn"


def test_read_only_controls_execute_explain_only() -> None:
    def explain(request: str) -> dict[str, Any]:
        if request == "gone":
            raise NotFoundError("No such request")
        return {"request": request, "method": "POST", "path": "/v1/messages", "outcome": "served"}

    read_only = ReadOnlyControls(explain)
    page = read_only.execute(Command("explain", request="tc-1")).page
    assert page is not None
    assert page.title.startswith("tc-1")
    assert "served" in plain_text(page.lines[0])
    assert read_only.execute(Command("explain", request="gone")) == CommandResult("No such request", "bad")
    assert read_only.execute(Command("remove", account="alice")).style == "warn"


def test_commands_are_executed_in_order_in_a_thread() -> None:
    order: list[str] = []
    done = threading.Semaphore(0)

    class Slow:
        def execute(self, command: Command) -> CommandResult:
            order.append(command.action)
            if command.action == "crash":
                raise RuntimeError("secret words")
            return CommandResult(command.action)

    worker = CommandWorker(Slow(), done.release)
    for verb in ("one", "crash", "two"):
        worker.submit(Command(verb))
    for _ in range(3):
        assert done.acquire(timeout=30)
    outcomes = worker.take_results()
    assert order == ["one", "crash", "two"]
    assert [outcome.notice for outcome in outcomes] == ["one", "internal error: RuntimeError", "two"]
    assert worker.take_results() == []
