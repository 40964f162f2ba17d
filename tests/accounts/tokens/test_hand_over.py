"""Hand-overs: the login is in one place at each moment, whatever ends the command; one server spends it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.atomic_write import replace_keeping_owner
from teamclaude.accounts.config.config import AccountConfig
from teamclaude.accounts.config.file_lock import FileLock
from teamclaude.accounts.tokens import hand_over as module
from teamclaude.accounts.tokens.hand_over import (
    STDOUT,
    copy_problem,
    export_bytes,
    finish,
    hand_over,
    is_delivered,
    unfinished,
)
from teamclaude.accounts.tokens.refresh_journal import RefreshJournal, token_side_path
from teamclaude.errors import ConfigError, TeamClaudeError
from tests.accounts.support import ConfigDir, Logins


class Killed(BaseException):
    """The process ends here."""


class Hands:
    """One hand-over to a file, of which each step can be the last."""

    def __init__(self, logins: Logins, directory: Path) -> None:
        self.logins = logins
        self.to = directory / "handed.json"
        self.steps: list[str] = []
        self.killed_at = ""

    @property
    def side(self) -> str:
        return token_side_path(self.logins.config_dir.path, "fake-person-anna")

    def step(self, name: str, before: bool = True) -> None:
        word = f"{'before' if before else 'after'} {name}"
        self.steps.append(word)
        if word == self.killed_at:
            raise Killed

    def within(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            self.step(name)
            result = call(*args)
            self.step(name, before=False)
            return result

        return run

    def run(self, to: str = "") -> str:
        deliver = self.within("deliver", self.put)
        told = self.within("told", lambda: None)
        return hand_over(self.logins.config_dir.file, self.logins.key(), to or str(self.to), deliver, told)

    def put(self, data: bytes) -> None:
        self.to.write_bytes(data)

    def in_config(self) -> bool:
        return any(entry["name"] == "anna" for entry in self.logins.config_dir.json["accounts"])

    def unfinished(self) -> list[Any]:
        file = self.logins.config_dir.file
        return unfinished(file, file.load())


@pytest.fixture
def hands(logins: Logins, tmp_path: Path) -> Hands:
    logins.log_in("anna", "bob")
    return Hands(logins, tmp_path)


def login(logins: Logins) -> str:
    return str(logins.entry()["refreshToken"])


def test_the_login_moves_to_the_file_and_nothing_stays(hands: Hands, logins: Logins) -> None:
    entry = logins.entry()
    assert hands.run() == ""
    moved = json.loads(hands.to.read_text())
    assert moved["accounts"] == [entry]
    assert moved["exported"]["moved"] is True
    assert not hands.in_config()
    assert logins.entry("bob")
    assert hands.unfinished() == []
    assert not Path(f"{hands.side}.moving").exists()


STEPS = [
    *(
        f"{when} {what}"
        for what in ("write", "update", "told", "deliver", "unlink")
        for when in ("before", "after")
    )
]


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_it_in_one_place_or_says_so(
    hands: Hands, logins: Logins, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent, file = login(logins), logins.config_dir.file
    hands.killed_at = step
    with monkeypatch.context() as patch:
        patch.setattr(module, "replace_keeping_owner", hands.within("write", replace_keeping_owner))
        patch.setattr(module, "_unlink", hands.within("unlink", module._unlink))
        patch.setattr(file, "update", hands.within("update", file.update))
        with pytest.raises(Killed):
            hands.run()
    places = [hands.in_config(), hands.to.exists()]
    moves = hands.unfinished()
    assert sum(places) + len(moves) >= 1
    assert sum(places) == 1 or moves, "nobody says where the login is"
    assert sum(places) + len(moves) <= (2 if step in ("after deliver", "before unlink") else 1)
    if moves:
        (move,) = moves
        assert move.name == "anna"
        assert move.path in str(move)
        assert str(hands.to) in str(move)
        if not is_delivered(move, str(hands.to)):
            assert finish(move, str(hands.to), hands.put) == ""
        assert hands.unfinished() == []
        assert not hands.in_config()
    if not hands.in_config():
        assert json.loads(hands.to.read_text())["accounts"][0]["refreshToken"] == spent
    else:
        assert not Path(f"{hands.side}.moving").exists()
    assert logins.server.can_refresh(spent)


def test_the_steps_are_in_their_order(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, attribute in (("write", "replace_keeping_owner"), ("unlink", "_unlink")):
        monkeypatch.setattr(module, attribute, hands.within(name, getattr(module, attribute)))
    file = hands.logins.config_dir.file
    monkeypatch.setattr(file, "update", hands.within("update", file.update))
    hands.run()
    assert hands.steps == STEPS


def test_a_server_does_not_spend_it_any_more(hands: Hands, logins: Logins) -> None:
    manager = logins.manager()
    hands.run()
    logins.advance(9)
    assert not manager.before_dispatch(logins.key())  # before it has read the file again
    assert logins.server.calls == ()
    assert logins.warnings == [
        "anna: its token can't be renewed: the account is not in the config file any more"
    ]
    manager.configure(logins.config_dir.file.load())
    assert logins.key() not in manager.tokens
    logins.run_timer(manager, 9)
    assert logins.server.can_refresh(json.loads(hands.to.read_text())["accounts"][0]["refreshToken"])


def test_the_other_machine_spends_it(
    hands: Hands, logins: Logins, new_config_dir: Any, tmp_path: Path
) -> None:
    hands.run()
    other_dir = tmp_path / "other"
    other_dir.mkdir(mode=0o700)
    other = Logins(new_config_dir(other_dir), logins.server, logins.clock)
    raw = json.loads(hands.to.read_text())
    other.write_config({"proxy": {"port": 0, "apiKey": "tc-FAKE"}, "accounts": raw["accounts"]})
    manager = other.manager()
    other.advance(9)
    assert manager.before_dispatch(other.key())
    assert logins.server.accepts(other.token(manager))


def test_nothing_changes_while_it_is_renewed(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT_SEC", 0.0)
    with (
        FileLock(f"{hands.side}.lock"),
        pytest.raises(ConfigError, match="is being renewed, or the server has"),
    ):
        hands.run()
    assert hands.in_config()
    assert hands.steps == []
    assert hands.run() == ""


def test_nothing_changes_after_an_interrupted_renewal(hands: Hands, logins: Logins) -> None:
    manager = logins.manager()
    logins.advance(9)
    journal = RefreshJournal(os.path.dirname(hands.side), login(logins))
    journal.write_start(logins.clock())
    with pytest.raises(ConfigError, match="a renewal of anna was interrupted: start teamclaude server"):
        hands.run()
    assert hands.in_config()
    assert manager.before_dispatch(logins.key())  # the server finishes it
    assert hands.run() == ""


def test_a_login_that_was_refused_is_not_worth_handing_over(hands: Hands, logins: Logins) -> None:
    journal = RefreshJournal(os.path.dirname(hands.side), login(logins))
    os.makedirs(os.path.dirname(hands.side), mode=0o700, exist_ok=True)
    journal.write_refusal(logins.clock())
    with pytest.raises(ConfigError, match="the login of anna has ended: log in anew"):
        hands.run()


def test_a_login_that_changes_meanwhile_stays(
    hands: Hands, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = logins.config_dir.file
    update = file.update

    def change_first(change: Callable[[dict[str, Any]], Any]) -> Any:
        update(lambda raw: raw["accounts"][0].update(refreshToken="sk-ant-ort01-FAKE-new"))
        return update(change)

    monkeypatch.setattr(file, "update", change_first)
    with pytest.raises(ConfigError, match="anna has got another login just now: do it again"):
        hands.run()
    assert hands.in_config()
    assert not Path(f"{hands.side}.moving").exists()


def test_what_can_not_be_delivered_is_kept(hands: Hands, logins: Logins) -> None:
    def full(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    file = logins.config_dir.file
    with pytest.raises(TeamClaudeError) as caught:
        hand_over(file, logins.key(), str(hands.to), full, lambda: None)
    (move,) = hands.unfinished()
    text = (
        f"can't write to {hands.to}: No space left on device; the login of anna is in {move.path}: teamclaude"
    )
    assert str(caught.value).startswith(text)
    with pytest.raises(TeamClaudeError):
        finish(move, str(hands.to), full)
    (move,) = hands.unfinished()
    assert finish(move, str(hands.to), hands.put) == ""
    assert hands.unfinished() == []


def test_after_stdout_the_record_stays_until_it_is_deleted(hands: Hands) -> None:
    record = hands.run(STDOUT)
    assert record == f"{hands.side}.moving"
    assert Path(record).stat().st_mode & 0o777 == 0o600
    (move,) = hands.unfinished()
    assert str(move).startswith(f"anna was handed over on stdout, and {record} still has its login")
    Path(record).unlink()
    assert hands.unfinished() == []


def test_an_account_that_came_back_has_no_record(hands: Hands, logins: Logins) -> None:
    before = logins.config_dir.text
    record = Path(hands.run(STDOUT))
    logins.config_dir.path.write_text(before)
    assert hands.unfinished() == []
    assert not record.exists()


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"exported": {}}', b'{"exported": 1, "accounts": [{}]}', b"\xff"]
)
def test_records_that_are_none_are_left_alone(config_dir: ConfigDir, data: bytes) -> None:
    config_dir.write({})
    side = token_side_path(config_dir.path, "x")
    os.mkdir(os.path.dirname(side), 0o700)
    Path(f"{side}.moving").write_bytes(data)
    assert unfinished(config_dir.file, config_dir.file.load()) == []
    assert Path(f"{side}.moving").exists()


def test_an_account_that_is_gone(hands: Hands, logins: Logins) -> None:
    with pytest.raises(ConfigError, match="not in the config file any more"):
        hand_over(logins.config_dir.file, "nobody", STDOUT, lambda data: None, lambda: None)


# --- copies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "apikey", "api_key": "k"}, ""),
        ({"access_token": "t", "source": "token"}, ""),
        ({"credential_command": ("pass",)}, ""),
        (
            {"access_token": "t", "refresh_token": "r"},
            "a is a login whose refresh token works once: a copy would",
        ),
        ({"import_from": "/x"}, "a follows /x, a login of Claude Code: there is nothing to hand over"),
    ],
)
def test_what_may_be_copied(fields: dict[str, Any], text: str) -> None:
    problem = copy_problem(AccountConfig("a", **fields))
    assert problem.startswith(text)
    assert bool(problem) == bool(text)


def test_a_copy_has_the_accounts_settings() -> None:
    account = AccountConfig("a", type="apikey", api_key="k", priority=2, last_resort=False, disabled=True)
    raw = json.loads(export_bytes(account, False))
    assert raw["exported"]["moved"] is False
    assert raw["accounts"] == [
        {"name": "a", "type": "apikey", "apiKey": "k", "priority": 2, "disabled": True, "lastResort": False}
    ]
