"""One refresh against a server with single-use tokens: order, adoption, refusals, lost answers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.file_lock import FileLock
from teamclaude.accounts.oauth import token_endpoint
from teamclaude.accounts.oauth.token_response import TokenGrant
from teamclaude.accounts.tokens import refresh as refreshing
from teamclaude.accounts.tokens.refresh import RefreshResult, SpendingRefresher
from teamclaude.accounts.tokens.refresh_journal import RefreshJournal, token_side_path
from teamclaude.accounts.tokens.token_pair import TokenPair
from teamclaude.accounts.tokens.token_store import ConfigStore
from teamclaude.errors import ConfigError, LoginRefusedError, TokenEndpointUnavailableError
from teamclaude.fakeapi.fault import Fault
from tests.accounts.support import Logins
from tests.fakeapi.authserver import TOKEN_PATH


class Desk:
    """A refresher of the account anna, and its side files."""

    def __init__(self, logins: Logins) -> None:
        self.logins = logins
        self.side = token_side_path(logins.config_dir.path, "fake-person-anna")
        store = ConfigStore(logins.config_dir.file, logins.key())
        self.refresher = SpendingRefresher(self.side, store, logins.clock)
        self.sent: list[str] = []

    def spend(self, token: str) -> TokenGrant:
        self.sent.append(token)
        oauth = self.logins.config_dir.file.load().oauth
        return token_endpoint.refresh_tokens(oauth, token, clock=self.logins.clock)

    def renew(self, condemned: str | None = None, **changes: Any) -> RefreshResult:
        return self.refresher.refresh(changes.get("spend", self.spend), condemned)

    def fail(self, fault: Fault, error: type[Exception]) -> str:
        self.logins.server.script.once(fault, path=TOKEN_PATH)
        with pytest.raises(error) as caught:
            self.renew()
        return str(caught.value)

    def intent(self, token: str | None = None) -> RefreshJournal:
        return RefreshJournal(os.path.dirname(self.side), token or self.logins.entry()["refreshToken"])


@pytest.fixture
def desk(logins: Logins) -> Desk:
    logins.log_in("anna", "bob")
    logins.advance(8)
    return Desk(logins)


def test_a_due_token_is_renewed_and_stored(desk: Desk) -> None:
    before, bob = desk.logins.entry(), desk.logins.entry("bob")
    renewal = desk.renew()
    after = desk.logins.entry()
    assert renewal.spent == before["refreshToken"]
    assert renewal.note == ""
    assert renewal.unsaved is None
    assert (after["accessToken"], after["refreshToken"]) == renewal.pair.tokens
    assert after["expiresAt"] == before["expiresAt"] + 8 * 3600_000
    assert after["refreshTokenExpiresAt"] == before["refreshTokenExpiresAt"]
    assert desk.logins.server.can_refresh(after["refreshToken"])
    assert desk.logins.entry("bob") == bob
    assert [path.suffix for path in Path(desk.side).parent.iterdir()] == [".lock"]
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
        seen.append(desk.intent(token).started_at)
        seen.append(Path(desk.intent(token).path).read_text())
        assert os.stat(desk.intent(token).path).st_mode & 0o777 == 0o600
        return desk.spend(token)

    desk.renew(spend=spend)
    assert seen[0] == desk.logins.clock.now
    assert "FAKE" not in seen[1]
    assert len(seen[1]) == 8192
    assert os.stat(os.path.dirname(desk.side)).st_mode & 0o777 == 0o700


def test_the_new_pair_is_stored_when_the_refresher_returns_and_the_lock_is_free(desk: Desk) -> None:
    renewal = desk.renew()
    assert desk.logins.entry()["refreshToken"] == renewal.pair.refresh_token
    with FileLock(f"{desk.side}.lock", 0.0):
        pass


def test_where_nothing_can_be_noted_nothing_is_spent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.accounts.tokens.refresh_journal.write_private", full)
    with pytest.raises(ConfigError, match="No space left on device; no refresh token is spent"):
        desk.renew()
    assert desk.sent == []


def test_an_unreadable_store_spends_nothing(desk: Desk) -> None:
    good = desk.logins.config_dir.text
    desk.logins.config_dir.write("{ not JSON")
    with pytest.raises(ConfigError, match="line 1, column 3"):
        desk.renew()
    desk.logins.config_dir.write(good)
    assert desk.sent == []


def test_a_refused_token_is_never_sent_twice(desk: Desk) -> None:
    desk.logins.server.revoke(desk.logins.server.users[0])
    for words in ("400 invalid_grant", "refused at", "refused at"):
        with pytest.raises(LoginRefusedError, match=f"{words}.*log in again: teamclaude login"):
            desk.renew()
    with pytest.raises(LoginRefusedError, match="refused at"):
        Desk(desk.logins).renew()  # another process
    assert len(desk.sent) == 1


def test_what_was_not_spent_leaves_no_note(desk: Desk) -> None:
    token = desk.logins.entry()["refreshToken"]
    desk.fail(Fault.status(429), TokenEndpointUnavailableError)
    assert desk.intent(token).started_at is None
    desk.logins.server.stop_listening()
    with pytest.raises(TokenEndpointUnavailableError, match="can't be reached"):
        desk.renew()
    assert desk.intent(token).started_at is None
    desk.logins.server.listen()
    assert desk.renew().note == ""


LOST = [Fault.no_head(), Fault.cut_head(9), Fault.cut_body(30), Fault.garbage_head(), Fault.html(200)]


@pytest.mark.parametrize("fault", [*LOST, Fault.status(502)])
def test_a_lost_answer_leaves_a_note(desk: Desk, fault: Fault) -> None:
    token = desk.logins.entry()["refreshToken"]
    desk.fail(fault, TokenEndpointUnavailableError)
    assert desk.intent(token).started_at == desk.logins.clock.now


def test_a_lost_answer_that_spent_the_token_ends_in_a_precise_message(desk: Desk) -> None:
    desk.fail(Fault.no_head(), TokenEndpointUnavailableError)
    when = refreshing._local_time(desk.logins.clock.now)
    desk.logins.advance(0.01)
    with pytest.raises(LoginRefusedError) as caught:
        desk.renew()
    assert f"the answer to a refresh at {when} was never stored" in str(caught.value)
    assert "that answer probably held the new tokens" in str(caught.value)
    assert str(caught.value).endswith("log in again: teamclaude login")


def test_a_lost_answer_that_spent_nothing_is_told_and_heals(desk: Desk) -> None:
    desk.fail(Fault.status(502), TokenEndpointUnavailableError)
    desk.fail(Fault.status(429), TokenEndpointUnavailableError)  # says nothing about the first one
    renewal = desk.renew()
    assert "was never stored" in renewal.note
    assert renewal.note.endswith("was still good")
    assert desk.logins.server.granted == 1


def test_a_fresh_token_with_an_open_note_is_tried_at_once(logins: Logins) -> None:
    logins.log_in("anna")
    desk = Desk(logins)
    desk.intent().write_start(logins.clock.now - 5)
    assert "was still good" in desk.renew().note
    assert len(desk.sent) == 1


def test_without_a_refresh_token_there_is_nothing_to_send(logins: Logins) -> None:
    logins.log_in("anna", refreshToken=None)
    logins.advance(9)
    desk = Desk(logins)
    with pytest.raises(LoginRefusedError, match="no refresh token"):
        desk.renew()


def test_an_answer_without_a_refresh_token_keeps_the_old_one(desk: Desk) -> None:
    old = desk.logins.entry()
    grant = TokenGrant("sk-ant-oat01-FAKE-next", None, desk.logins.clock.now + 3600)
    renewal = desk.renew(spend=lambda token: grant)
    assert renewal.pair.refresh_token == old["refreshToken"]
    after = desk.logins.entry()
    assert after["refreshTokenExpiresAt"] == old["refreshTokenExpiresAt"]
    assert after["accessToken"] == "sk-ant-oat01-FAKE-next"
    assert desk.intent().started_at is None


def test_a_login_made_meanwhile_is_not_overwritten(desk: Desk) -> None:
    def spend(token: str) -> TokenGrant:
        grant = desk.spend(token)
        desk.logins.log_in("anna")  # the owner runs `teamclaude login`
        return grant

    renewal = desk.renew(spend=spend)
    entry = desk.logins.entry()
    assert renewal.pair.tokens == (entry["accessToken"], entry["refreshToken"])
    assert desk.logins.server.can_refresh(entry["refreshToken"])


def test_an_account_removed_meanwhile_is_not_put_back(desk: Desk) -> None:
    def spend(token: str) -> TokenGrant:
        grant = desk.spend(token)
        desk.logins.log_in("bob")
        return grant

    assert desk.renew(spend=spend).unsaved is None
    assert [entry["name"] for entry in desk.logins.config_dir.json["accounts"]] == ["bob"]


def full(*args: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_pair_that_cannot_be_stored_is_kept_and_the_lock_with_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = desk.logins.entry()["refreshToken"]
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.config.config_file.write_private", full)
        renewal = desk.renew()
        assert renewal.unsaved is not None
        where = re.escape(os.path.dirname(desk.side))
        assert re.match(
            f"the new tokens can't be stored and are kept in {where}: .*No space left", renewal.note
        )
        with pytest.raises(ConfigError, match="No space left"):
            renewal.unsaved.save()
    assert desk.logins.entry()["refreshToken"] == old
    # Another process would spend the old token a second time: it does not get in.
    with monkeypatch.context() as patch:
        patch.setattr(refreshing, "LOCK_TIMEOUT_SEC", 0.01)
        with pytest.raises(ConfigError, match=r"another process has held"):
            Desk(desk.logins).renew()
    pair = renewal.unsaved.save()
    assert desk.logins.entry()["refreshToken"] == pair.refresh_token == renewal.pair.refresh_token
    assert Desk(desk.logins).renew().pair.tokens == pair.tokens
    assert len(desk.sent) == 1
    assert desk.intent(old).started_at is None


def test_an_unstored_pair_outlives_its_process(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.config.config_file.write_private", full)
        renewal = desk.renew()
        assert renewal.unsaved is not None
        renewal.unsaved.discard()  # as the end of the process would
        again = Desk(desk.logins).renew()
        assert again.unsaved is not None
        assert again.pair.tokens == renewal.pair.tokens
        again.unsaved.discard()
    found = Desk(desk.logins).renew()
    assert found.unsaved is None
    assert found.pair.tokens == renewal.pair.tokens
    assert "was interrupted; its tokens are found and stored" in found.note
    assert desk.logins.entry()["refreshToken"] == renewal.pair.refresh_token
    assert Desk(desk.logins).renew().note == ""
    assert len(desk.sent) == 1


def test_a_found_pair_that_is_old_by_now_is_renewed(desk: Desk) -> None:
    old = desk.logins.entry()["refreshToken"]
    bought = desk.spend(old)
    desk.intent(old).write_start(desk.logins.clock.now)
    desk.intent(old).write_answer(TokenPair(bought.access_token, bought.refresh_token, bought.expires_at))
    desk.logins.advance(9)
    renewal = desk.renew()
    assert desk.sent == [old, bought.refresh_token]
    assert renewal.pair.refresh_token is not None
    assert desk.logins.server.can_refresh(renewal.pair.refresh_token)


def test_tokens_that_nobody_can_keep_are_in_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.config.config_file.write_private", full)
        patch.setattr(RefreshJournal, "write_answer", full)
        renewal = desk.renew()
    assert "in memory only, and lost at a restart" in renewal.note
    assert renewal.unsaved is not None
    assert renewal.unsaved.save().tokens == renewal.pair.tokens


def test_a_half_written_answer_is_none(desk: Desk) -> None:
    intent = desk.intent("t")
    intent.write_start(5.0)
    intent.write_answer(TokenPair("a", "r", 1.0, 2.0))
    whole = Path(intent.path).read_bytes()
    assert desk.intent("t").answer == TokenPair("a", "r", 1.0, 2.0)
    Path(intent.path).write_bytes(whole[:530].ljust(8192))
    assert desk.intent("t").answer is None
    assert desk.intent("t").started_at == 5.0


def test_a_note_that_cannot_be_removed_harms_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", full)
        renewal = desk.renew()
    assert renewal.unsaved is None
    assert desk.renew().pair.tokens == renewal.pair.tokens


def test_a_lock_file_that_cannot_be_made_is_named(desk: Desk) -> None:
    Path(os.path.dirname(desk.side)).write_text("in the way")
    with pytest.raises(ConfigError, match=r"\.lock: can't lock it"):
        desk.renew()
    assert desk.sent == []


def test_all_names_of_one_file_share_the_lock(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(desk.logins.config_dir.path)
    assert token_side_path(link, "x") == token_side_path(desk.logins.config_dir.path, "x")
    assert token_side_path(link, "x") != token_side_path(link, "y")


def test_a_garbled_note_counts_as_none(desk: Desk) -> None:
    path = Path(desk.intent().path)
    path.parent.mkdir()
    for text in ("", "[]", '{"begun": "y", "refused": []}', "[" * 100_000, "\xff" * 9000):
        path.write_text(text)
        assert (desk.intent().started_at, desk.intent().refused_at, desk.intent().answer) == (
            None,
            None,
            None,
        )
    assert desk.renew().pair.access_token


def test_refused_tokens_are_forgotten_some_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.accounts.tokens.refresh_journal.MAX_FILES", 3)
    for number in range(5):
        intent = desk.intent(f"token-{number}")
        intent.write_refusal(1000.0 + number)
        os.utime(intent.path, (number, number))
    intent.write_refusal(1004.0)
    kept = [desk.intent(f"token-{number}").refused_at for number in range(5)]
    assert kept == [None, None, 1002.0, 1003.0, 1004.0]
