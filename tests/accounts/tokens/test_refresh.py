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


class RefreshCase:
    """A refresher of the account anna, and its side files."""

    def __init__(self, logins: Logins) -> None:
        self.logins = logins
        self.side = token_side_path(logins.config_dir.path, "fake-person-anna")
        store = ConfigStore(logins.config_dir.file, logins.key())
        self.refresher = SpendingRefresher(logins.config_dir.path, "fake-person-anna", store, logins.clock)
        self.sent: list[str] = []

    def spend(self, token: str) -> TokenGrant:
        self.sent.append(token)
        oauth = self.logins.config_dir.file.load().oauth
        return token_endpoint.refresh_tokens(oauth, token, clock=self.logins.clock)

    def refresh(self, rejected: str | None = None, **changes: Any) -> RefreshResult:
        return self.refresher.refresh(changes.get("spend", self.spend), rejected)

    def fail(self, fault: Fault, error: type[Exception]) -> str:
        self.logins.server.script.once(fault, path=TOKEN_PATH)
        with pytest.raises(error) as caught:
            self.refresh()
        return str(caught.value)

    def journal(self, token: str | None = None) -> RefreshJournal:
        return RefreshJournal(os.path.dirname(self.side), token or self.logins.entry()["refreshToken"])


@pytest.fixture
def case(logins: Logins) -> RefreshCase:
    logins.log_in("anna", "bob")
    logins.advance(8)
    return RefreshCase(logins)


def test_a_due_token_is_renewed_and_stored(case: RefreshCase) -> None:
    before, bob = case.logins.entry(), case.logins.entry("bob")
    result = case.refresh()
    after = case.logins.entry()
    assert result.spent == before["refreshToken"]
    assert result.note == ""
    assert result.unsaved is None
    assert (after["accessToken"], after["refreshToken"]) == result.pair.tokens
    assert after["expiresAt"] == before["expiresAt"] + 8 * 3600_000
    assert after["refreshTokenExpiresAt"] == before["refreshTokenExpiresAt"]
    assert case.logins.server.can_refresh(after["refreshToken"])
    assert case.logins.entry("bob") == bob
    assert [path.suffix for path in Path(case.side).parent.iterdir()] == [".lock"]
    assert "FAKE" not in repr(result)


def test_a_newer_pair_in_the_store_is_adopted_and_nothing_sent(case: RefreshCase) -> None:
    first = case.refresh()
    assert case.refresh().pair.tokens == first.pair.tokens
    assert case.refresh(rejected="sk-ant-oat01-FAKE-older").pair.tokens == first.pair.tokens
    assert len(case.sent) == 1
    case.refresh(rejected=first.pair.access_token)  # refused early: it is refreshed
    assert len(case.sent) == 2


def test_the_token_is_journaled_before_it_is_sent_and_only_as_a_hash(case: RefreshCase) -> None:
    seen: list[Any] = []

    def spend(token: str) -> TokenGrant:
        seen.append(case.journal(token).started_at)
        seen.append(Path(case.journal(token).path).read_text())
        assert os.stat(case.journal(token).path).st_mode & 0o777 == 0o600
        return case.spend(token)

    case.refresh(spend=spend)
    assert seen[0] == case.logins.clock.now
    assert "FAKE" not in seen[1]
    assert len(seen[1]) == 8192
    assert os.stat(os.path.dirname(case.side)).st_mode & 0o777 == 0o700


def test_the_new_pair_is_stored_when_the_refresher_returns_and_the_lock_is_free(case: RefreshCase) -> None:
    result = case.refresh()
    assert case.logins.entry()["refreshToken"] == result.pair.refresh_token
    with FileLock(f"{case.side}.lock", 0.0):
        pass


def test_without_a_journal_nothing_is_spent(case: RefreshCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.accounts.tokens.refresh_journal.write_private", full)
    with pytest.raises(ConfigError, match="No space left on device; no refresh token is spent"):
        case.refresh()
    assert case.sent == []


def test_an_unreadable_store_spends_nothing(case: RefreshCase) -> None:
    good = case.logins.config_dir.text
    case.logins.config_dir.write("{ not JSON")
    with pytest.raises(ConfigError, match="line 1, column 3"):
        case.refresh()
    case.logins.config_dir.write(good)
    assert case.sent == []


def test_a_refused_token_is_never_sent_twice(case: RefreshCase) -> None:
    case.logins.server.revoke(case.logins.server.users[0])
    for words in ("400 invalid_grant", "refused at", "refused at"):
        with pytest.raises(LoginRefusedError, match=f"{words}.*log in again: teamclaude login"):
            case.refresh()
    with pytest.raises(LoginRefusedError, match="refused at"):
        RefreshCase(case.logins).refresh()  # another process
    assert len(case.sent) == 1


def test_a_token_that_was_not_spent_leaves_no_journal(case: RefreshCase) -> None:
    token = case.logins.entry()["refreshToken"]
    case.fail(Fault.status(429), TokenEndpointUnavailableError)
    assert case.journal(token).started_at is None
    case.logins.server.stop_listening()
    with pytest.raises(TokenEndpointUnavailableError, match="can't be reached"):
        case.refresh()
    assert case.journal(token).started_at is None
    case.logins.server.listen()
    assert case.refresh().note == ""


LOST = [Fault.no_head(), Fault.cut_head(9), Fault.cut_body(30), Fault.garbage_head(), Fault.html(200)]


@pytest.mark.parametrize("fault", [*LOST, Fault.status(502)])
def test_a_lost_answer_leaves_a_journal(case: RefreshCase, fault: Fault) -> None:
    token = case.logins.entry()["refreshToken"]
    case.fail(fault, TokenEndpointUnavailableError)
    assert case.journal(token).started_at == case.logins.clock.now


def test_a_lost_answer_that_spent_the_token_ends_in_a_precise_message(case: RefreshCase) -> None:
    case.fail(Fault.no_head(), TokenEndpointUnavailableError)
    when = refreshing._local_time(case.logins.clock.now)
    case.logins.advance(0.01)
    with pytest.raises(LoginRefusedError) as caught:
        case.refresh()
    assert f"the answer to a refresh at {when} was never stored" in str(caught.value)
    assert "that answer probably held the new tokens" in str(caught.value)
    assert str(caught.value).endswith("log in again: teamclaude login")


def test_a_lost_answer_that_spent_nothing_is_reported_and_recovers(case: RefreshCase) -> None:
    case.fail(Fault.status(502), TokenEndpointUnavailableError)
    case.fail(Fault.status(429), TokenEndpointUnavailableError)  # says nothing about the first one
    result = case.refresh()
    assert "was never stored" in result.note
    assert result.note.endswith("was still good")
    assert case.logins.server.granted == 1


def test_a_fresh_token_with_an_open_journal_is_tried_at_once(logins: Logins) -> None:
    logins.log_in("anna")
    case = RefreshCase(logins)
    case.journal().write_start(logins.clock.now - 5)
    assert "was still good" in case.refresh().note
    assert len(case.sent) == 1


def test_without_a_refresh_token_there_is_nothing_to_send(logins: Logins) -> None:
    logins.log_in("anna", refreshToken=None)
    logins.advance(9)
    case = RefreshCase(logins)
    with pytest.raises(LoginRefusedError, match="no refresh token"):
        case.refresh()


def test_an_answer_without_a_refresh_token_keeps_the_old_one(case: RefreshCase) -> None:
    old = case.logins.entry()
    grant = TokenGrant("sk-ant-oat01-FAKE-next", None, case.logins.clock.now + 3600)
    result = case.refresh(spend=lambda token: grant)
    assert result.pair.refresh_token == old["refreshToken"]
    after = case.logins.entry()
    assert after["refreshTokenExpiresAt"] == old["refreshTokenExpiresAt"]
    assert after["accessToken"] == "sk-ant-oat01-FAKE-next"
    assert case.journal().started_at is None


def test_a_login_made_meanwhile_is_not_overwritten(case: RefreshCase) -> None:
    def spend(token: str) -> TokenGrant:
        grant = case.spend(token)
        case.logins.log_in("anna")  # the owner runs `teamclaude login`
        return grant

    result = case.refresh(spend=spend)
    entry = case.logins.entry()
    assert result.pair.tokens == (entry["accessToken"], entry["refreshToken"])
    assert case.logins.server.can_refresh(entry["refreshToken"])


def test_an_account_removed_meanwhile_is_not_put_back(case: RefreshCase) -> None:
    def spend(token: str) -> TokenGrant:
        grant = case.spend(token)
        case.logins.log_in("bob")
        return grant

    assert case.refresh(spend=spend).unsaved is None
    assert [entry["name"] for entry in case.logins.config_dir.json["accounts"]] == ["bob"]


def full(*args: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_pair_that_cannot_be_stored_is_kept_and_the_lock_with_it(
    case: RefreshCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = case.logins.entry()["refreshToken"]
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.config.config_file.replace_keeping_owner", full)
        result = case.refresh()
        assert result.unsaved is not None
        where = re.escape(os.path.dirname(case.side))
        assert re.match(
            f"the new tokens can't be stored and are kept in {where}: .*No space left", result.note
        )
        with pytest.raises(ConfigError, match="No space left"):
            result.unsaved.save()
    assert case.logins.entry()["refreshToken"] == old
    # Another process would spend the old token a second time: it does not get in.
    with monkeypatch.context() as patch:
        patch.setattr(refreshing, "LOCK_TIMEOUT_SEC", 0.01)
        with pytest.raises(ConfigError, match=r"another process has held"):
            RefreshCase(case.logins).refresh()
    pair = result.unsaved.save()
    assert case.logins.entry()["refreshToken"] == pair.refresh_token == result.pair.refresh_token
    assert RefreshCase(case.logins).refresh().pair.tokens == pair.tokens
    assert len(case.sent) == 1
    assert case.journal(old).started_at is None


def test_an_unstored_pair_survives_its_process(case: RefreshCase, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.config.config_file.replace_keeping_owner", full)
        result = case.refresh()
        assert result.unsaved is not None
        result.unsaved.discard()  # as the end of the process would
        again = RefreshCase(case.logins).refresh()
        assert again.unsaved is not None
        assert again.pair.tokens == result.pair.tokens
        again.unsaved.discard()
    found = RefreshCase(case.logins).refresh()
    assert found.unsaved is None
    assert found.pair.tokens == result.pair.tokens
    assert "was interrupted; its tokens are found and stored" in found.note
    assert case.logins.entry()["refreshToken"] == result.pair.refresh_token
    assert RefreshCase(case.logins).refresh().note == ""
    assert len(case.sent) == 1


def test_a_journaled_pair_that_is_due_is_refreshed(case: RefreshCase) -> None:
    old = case.logins.entry()["refreshToken"]
    bought = case.spend(old)
    case.journal(old).write_start(case.logins.clock.now)
    case.journal(old).write_answer(TokenPair(bought.access_token, bought.refresh_token, bought.expires_at))
    case.logins.advance(9)
    result = case.refresh()
    assert case.sent == [old, bought.refresh_token]
    assert result.pair.refresh_token is not None
    assert case.logins.server.can_refresh(result.pair.refresh_token)


def test_a_pair_that_cannot_even_be_journaled_stays_in_memory(
    case: RefreshCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.config.config_file.replace_keeping_owner", full)
        patch.setattr(RefreshJournal, "write_answer", full)
        result = case.refresh()
    assert "in memory only, and lost at a restart" in result.note
    assert result.unsaved is not None
    assert result.unsaved.save().tokens == result.pair.tokens


def test_a_truncated_answer_counts_as_none(case: RefreshCase) -> None:
    journal = case.journal("t")
    journal.write_start(5.0)
    journal.write_answer(TokenPair("a", "r", 1.0, 2.0))
    whole = Path(journal.path).read_bytes()
    assert case.journal("t").answer == TokenPair("a", "r", 1.0, 2.0)
    Path(journal.path).write_bytes(whole[:530].ljust(8192))
    assert case.journal("t").answer is None
    assert case.journal("t").started_at == 5.0


def test_a_journal_that_cannot_be_removed_does_no_harm(
    case: RefreshCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", full)
        result = case.refresh()
    assert result.unsaved is None
    assert case.refresh().pair.tokens == result.pair.tokens


def test_a_lock_file_that_cannot_be_made_is_named(case: RefreshCase) -> None:
    Path(os.path.dirname(case.side)).write_text("in the way")
    with pytest.raises(ConfigError, match=r"\.lock: can't lock it"):
        case.refresh()
    assert case.sent == []


def test_all_names_of_one_file_share_the_lock(case: RefreshCase, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(case.logins.config_dir.path)
    assert token_side_path(link, "x") == token_side_path(case.logins.config_dir.path, "x")
    assert token_side_path(link, "x") != token_side_path(link, "y")


def test_an_invalid_journal_counts_as_none(case: RefreshCase) -> None:
    path = Path(case.journal().path)
    path.parent.mkdir()
    for text in ("", "[]", '{"begun": "y", "refused": []}', "[" * 100_000, "\xff" * 9000):
        path.write_text(text)
        assert (case.journal().started_at, case.journal().refused_at, case.journal().answer) == (
            None,
            None,
            None,
        )
    assert case.refresh().pair.access_token


def test_the_oldest_journals_are_removed(case: RefreshCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.accounts.tokens.refresh_journal.MAX_FILES", 3)
    for number in range(5):
        journal = case.journal(f"token-{number}")
        journal.write_refusal(1000.0 + number)
        os.utime(journal.path, (number, number))
    journal.write_refusal(1004.0)
    kept = [case.journal(f"token-{number}").refused_at for number in range(5)]
    assert kept == [None, None, 1002.0, 1003.0, 1004.0]
