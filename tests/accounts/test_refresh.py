"""One refresh against a server with single-use tokens: order, adoption, refusals, lost answers."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts import refresh as refreshing
from teamclaude.accounts import tokens
from teamclaude.accounts.grants import TokenGrant
from teamclaude.accounts.intent import SpendRecord, side_path
from teamclaude.accounts.lock import FileLock
from teamclaude.accounts.refresh import Refresher, Renewal
from teamclaude.accounts.tokenstore import ConfigStore
from teamclaude.demo.authserver import TOKEN_PATH
from teamclaude.demo.fault import Fault
from teamclaude.errors import ConfigError, LoginRefused, TokenEndpointBusy


class Desk:
    """A refresher of the account anna, and its side files."""

    def __init__(self, logins: Any) -> None:
        self.logins = logins
        self.side = side_path(logins.shelf.path, "fake-person-anna")
        store = ConfigStore(logins.shelf.file, logins.key())
        self.refresher = Refresher(self.side, store, logins.clock)
        self.sent: list[str] = []

    def spend(self, token: str) -> TokenGrant:
        self.sent.append(token)
        oauth = self.logins.shelf.file.load().oauth
        return tokens.refresh(oauth, token, clock=self.logins.clock)

    def renew(self, condemned: str | None = None, **changes: Any) -> Renewal:
        return self.refresher.renew(changes.get("spend", self.spend), condemned)

    def fail(self, fault: Fault, error: type[Exception]) -> str:
        self.logins.server.script.once(fault, path=TOKEN_PATH)
        with pytest.raises(error) as caught:
            self.renew()
        return str(caught.value)

    @property
    def record(self) -> SpendRecord:
        return SpendRecord(f"{self.side}.json")


@pytest.fixture
def desk(logins: Any) -> Desk:
    logins.put("anna", "bob")
    logins.later(8)
    return Desk(logins)


def test_a_due_token_is_renewed_and_stored(desk: Desk) -> None:
    before, bob = desk.logins.entry(), desk.logins.entry("bob")
    renewal = desk.renew()
    after = desk.logins.entry()
    assert renewal.spent == before["refreshToken"] and renewal.note == "" and renewal.unsaved is None
    assert (after["accessToken"], after["refreshToken"]) == renewal.pair.tokens
    assert after["expiresAt"] == before["expiresAt"] + 8 * 3600_000
    assert after["refreshTokenExpiresAt"] == before["refreshTokenExpiresAt"]
    assert desk.logins.server.can_refresh(after["refreshToken"])
    assert desk.logins.entry("bob") == bob
    assert desk.record.begun(before["refreshToken"]) is None
    assert "FAKE" not in repr(renewal)


def test_a_newer_pair_in_the_store_is_adopted_and_nothing_sent(desk: Desk) -> None:
    first = desk.renew()
    assert desk.renew().pair.tokens == first.pair.tokens
    assert desk.renew(condemned="sk-ant-oat01-FAKE-older").pair.tokens == first.pair.tokens
    assert len(desk.sent) == 1
    desk.renew(condemned=first.pair.access_token)  # refused before its time: a new one is bought
    assert len(desk.sent) == 2


def test_the_token_is_noted_before_it_is_sent_and_only_as_a_hash(desk: Desk) -> None:
    seen: list[Any] = []

    def spend(token: str) -> TokenGrant:
        seen.append(desk.record.begun(token))
        seen.append(Path(f"{desk.side}.json").read_text())
        return desk.spend(token)

    desk.renew(spend=spend)
    assert seen[0] == desk.logins.clock.now
    assert "FAKE" not in seen[1] and os.stat(f"{desk.side}.json").st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(desk.side)).st_mode & 0o777 == 0o700


def test_the_new_pair_is_stored_when_the_refresher_returns_and_the_lock_is_free(desk: Desk) -> None:
    renewal = desk.renew()
    assert desk.logins.entry()["refreshToken"] == renewal.pair.refresh_token
    with FileLock(f"{desk.side}.lock", 0.0):
        pass


def test_where_nothing_can_be_noted_nothing_is_spent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("teamclaude.accounts.intent.write_private", full)
    with pytest.raises(ConfigError, match="No space left on device; no refresh token is spent"):
        desk.renew()
    assert desk.sent == []


def test_an_unreadable_store_spends_nothing(desk: Desk) -> None:
    good = desk.logins.shelf.text
    desk.logins.shelf.put("{ not JSON")
    with pytest.raises(ConfigError, match="line 1, column 3"):
        desk.renew()
    desk.logins.shelf.put(good)
    assert desk.sent == []


def test_a_refused_token_is_never_sent_twice(desk: Desk) -> None:
    desk.logins.server.revoke(desk.logins.server.users[0])
    for words in ("400 invalid_grant", "refused at", "refused at"):
        with pytest.raises(LoginRefused, match=f"{words}.*log in again: teamclaude login"):
            desk.renew()
    with pytest.raises(LoginRefused, match="refused at"):
        Desk(desk.logins).renew()  # another process
    assert len(desk.sent) == 1


def test_what_was_not_spent_leaves_no_note(desk: Desk) -> None:
    token = desk.logins.entry()["refreshToken"]
    desk.fail(Fault.status(429), TokenEndpointBusy)
    assert desk.record.begun(token) is None
    desk.logins.server.refuse()
    with pytest.raises(TokenEndpointBusy, match="can't be reached"):
        desk.renew()
    assert desk.record.begun(token) is None
    desk.logins.server.listen()
    assert desk.renew().note == ""


LOST = [Fault.no_head(), Fault.cut_head(9), Fault.cut_body(30), Fault.garbage_head(), Fault.html(200)]


@pytest.mark.parametrize("fault", [*LOST, Fault.status(502)])
def test_a_lost_answer_leaves_a_note(desk: Desk, fault: Fault) -> None:
    token = desk.logins.entry()["refreshToken"]
    desk.fail(fault, TokenEndpointBusy)
    assert desk.record.begun(token) == desk.logins.clock.now


def test_a_lost_answer_that_spent_the_token_ends_in_a_precise_message(desk: Desk) -> None:
    desk.fail(Fault.no_head(), TokenEndpointBusy)
    when = refreshing._moment(desk.logins.clock.now)
    desk.logins.later(0.01)
    with pytest.raises(LoginRefused) as caught:
        desk.renew()
    assert f"the answer to a refresh at {when} was never stored" in str(caught.value)
    assert "that answer probably held the new tokens" in str(caught.value)
    assert str(caught.value).endswith("log in again: teamclaude login")


def test_a_lost_answer_that_spent_nothing_is_told_and_heals(desk: Desk) -> None:
    desk.fail(Fault.status(502), TokenEndpointBusy)
    desk.fail(Fault.status(429), TokenEndpointBusy)  # says nothing about the first one
    renewal = desk.renew()
    assert "was never stored" in renewal.note and renewal.note.endswith("was still good")
    assert desk.logins.server.granted == 1


def test_a_fresh_token_with_an_open_note_is_tried_at_once(logins: Any) -> None:
    logins.put("anna")
    desk = Desk(logins)
    desk.record.begin(logins.entry()["refreshToken"], logins.clock.now - 5)
    assert "was still good" in desk.renew().note
    assert len(desk.sent) == 1


def test_without_a_refresh_token_there_is_nothing_to_send(logins: Any) -> None:
    logins.put("anna", refreshToken=None)
    logins.later(9)
    desk = Desk(logins)
    with pytest.raises(LoginRefused, match="no refresh token"):
        desk.renew()


def test_an_answer_without_a_refresh_token_keeps_the_old_one(desk: Desk) -> None:
    old = desk.logins.entry()
    grant = TokenGrant("sk-ant-oat01-FAKE-next", None, desk.logins.clock.now + 3600)
    renewal = desk.renew(spend=lambda token: grant)
    assert renewal.pair.refresh_token == old["refreshToken"]
    after = desk.logins.entry()
    assert after["refreshTokenExpiresAt"] == old["refreshTokenExpiresAt"]
    assert after["accessToken"] == "sk-ant-oat01-FAKE-next"
    assert desk.record.begun(old["refreshToken"]) is None


def test_a_login_made_meanwhile_is_not_overwritten(desk: Desk) -> None:
    def spend(token: str) -> TokenGrant:
        grant = desk.spend(token)
        desk.logins.put("anna")  # the owner runs `teamclaude login`
        return grant

    renewal = desk.renew(spend=spend)
    entry = desk.logins.entry()
    assert renewal.pair.tokens == (entry["accessToken"], entry["refreshToken"])
    assert desk.logins.server.can_refresh(entry["refreshToken"])


def test_an_account_removed_meanwhile_is_not_put_back(desk: Desk) -> None:
    def spend(token: str) -> TokenGrant:
        grant = desk.spend(token)
        desk.logins.put("bob")
        return grant

    assert desk.renew(spend=spend).unsaved is None
    assert [entry["name"] for entry in desk.logins.shelf.json["accounts"]] == ["bob"]


def test_a_pair_that_cannot_be_stored_is_kept_and_the_lock_with_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    old = desk.logins.entry()["refreshToken"]
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.store.write_private", full)
        renewal = desk.renew()
        assert renewal.unsaved is not None
        assert "in memory only and lost at a restart" in renewal.note and "No space left" in renewal.note
        with pytest.raises(ConfigError, match="No space left"):
            renewal.unsaved.save()
    assert desk.logins.entry()["refreshToken"] == old
    # Another process would spend the old token a second time: it does not get in.
    monkeypatch.setattr(refreshing, "LOCK_SEC", 0.01)
    with pytest.raises(ConfigError, match=r"another process has held"):
        Desk(desk.logins).renew()
    pair = renewal.unsaved.save()
    assert desk.logins.entry()["refreshToken"] == pair.refresh_token == renewal.pair.refresh_token
    assert Desk(desk.logins).renew().pair.tokens == pair.tokens
    assert len(desk.sent) == 1 and desk.record.begun(old) is None


def test_a_note_that_cannot_be_removed_harms_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SpendRecord, "clear", partial(_broken))
        renewal = desk.renew()
    assert renewal.unsaved is None
    assert desk.renew().pair.tokens == renewal.pair.tokens


def _broken(*args: Any) -> None:
    raise OSError(30, "Read-only file system")


def test_a_lock_file_that_cannot_be_made_is_named(desk: Desk) -> None:
    Path(os.path.dirname(desk.side)).write_text("in the way")
    with pytest.raises(ConfigError, match=r"\.lock: can't lock it"):
        desk.renew()
    assert desk.sent == []


def test_all_names_of_one_file_share_the_lock(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(desk.logins.shelf.path)
    assert side_path(link, "x") == side_path(desk.logins.shelf.path, "x")
    assert side_path(link, "x") != side_path(link, "y")


def test_a_garbled_record_counts_as_empty(desk: Desk) -> None:
    os.makedirs(os.path.dirname(desk.side))
    for text in ("", "[]", '{"spending": 7, "refused": {"x": "y"}}', "[" * 100_000):
        Path(f"{desk.side}.json").write_text(text)
        assert desk.record.begun("t") is None and desk.record.refused("t") is None
    assert desk.renew().pair.access_token


def test_the_record_forgets_old_notes(desk: Desk) -> None:
    record = desk.record
    for number in range(30):
        record.refuse(f"token-{number}", 1000.0 + number)
    assert len(json.loads(Path(f"{desk.side}.json").read_text())["refused"]) == 20
    assert desk.record.refused("token-29") == 1029.0 and desk.record.refused("token-5") is None
