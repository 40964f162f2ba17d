"""A login that is renewed while it is imported: no crash and no full disk loses it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import AccountConfig
from teamclaude.accounts.importing.claude_login import LoginSource, parse_login
from teamclaude.accounts.oauth.token_response import TokenGrant
from teamclaude.accounts.tokens.import_renewal import RenewedLogin, renew_login
from teamclaude.errors import ConfigError, TeamClaudeError
from tests.accounts.support import ConfigDir

LAPSED: dict[str, Any] = {
    "accessToken": "sk-ant-oat01-FAKE-1",
    "refreshToken": "sk-ant-ort01-FAKE-1",
    "expiresAt": 1_700_000_000_000,
}


class Import:
    """One import of a lapsed login; `disk_full` makes storing the account fail."""

    def __init__(self, config_dir: ConfigDir, path: Path) -> None:
        self._file = config_dir.file
        self._path = path
        self.spent: list[str] = []
        self.placed: list[AccountConfig] = []
        self.disk_full = False

    def renew(self) -> RenewedLogin:
        source = LoginSource(self._path.read_bytes(), str(self._path), str(self._path))
        return renew_login(self._file, source, parse_login(source), self._spend, self._place)

    def _spend(self, token: str) -> TokenGrant:
        self.spent.append(token)
        ends = time.time() + 3600
        return TokenGrant(
            "sk-ant-oat01-FAKE-2", "sk-ant-ort01-FAKE-2", ends, None, "p", "a@x.org", "o", "Acme"
        )

    def _place(self, account: AccountConfig) -> None:
        if self.disk_full:
            raise ConfigError("the disk is full")
        self.placed.append(account)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    path = tmp_path / ".claude" / ".credentials.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"claudeAiOauth": LAPSED}))
    return path


@pytest.fixture
def import_(config_dir: ConfigDir, theirs: Path) -> Import:
    config_dir.write({"accounts": []})
    return Import(config_dir, theirs)


def test_the_account_is_stored_before_claude_codes_file(import_: Import, theirs: Path) -> None:
    renewed = import_.renew()
    assert (renewed.issued, renewed.is_shared) == (True, True)
    (placed,) = import_.placed
    assert placed == renewed.account
    assert (placed.name, placed.account_uuid, placed.source) == ("a@x.org", "p", "import")
    assert placed.refresh_token == json.loads(theirs.read_text())["claudeAiOauth"]["refreshToken"]
    assert "FAKE" not in repr(renewed)


def test_new_tokens_that_could_not_be_stored_are_found_again(import_: Import, theirs: Path) -> None:
    import_.disk_full = True
    with pytest.raises(TeamClaudeError, match=r"can't be stored and are kept in .*: the disk is full"):
        import_.renew()
    assert json.loads(theirs.read_text())["claudeAiOauth"] == LAPSED
    import_.disk_full = False
    assert import_.renew().account.access_token == "sk-ant-oat01-FAKE-2"
    assert import_.spent == ["sk-ant-ort01-FAKE-1"]
    assert len(import_.placed) == 1


def test_what_claude_code_renewed_meanwhile_is_taken(config_dir: ConfigDir, theirs: Path) -> None:
    config_dir.write({"accounts": []})
    source = LoginSource(theirs.read_bytes(), str(theirs), str(theirs))
    fresh = {**LAPSED, "accessToken": "sk-ant-oat01-FAKE-3", "expiresAt": (time.time() + 3600) * 1000}
    theirs.write_text(json.dumps({"claudeAiOauth": fresh}))
    import_ = Import(config_dir, theirs)
    renewed = renew_login(config_dir.file, source, parse_login(source), import_._spend, import_._place)
    assert renewed.account.access_token == "sk-ant-oat01-FAKE-3"
    assert not renewed.issued
    assert import_.spent == []


def test_a_file_that_can_not_be_written_loses_nothing_here(
    import_: Import, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from teamclaude.accounts.tokens import claude_credentials

    def full(path: str, data: bytes) -> None:
        raise OSError("no space")

    monkeypatch.setattr(claude_credentials, "write_private", full)
    renewed = import_.renew()
    assert (renewed.issued, renewed.is_shared) == (True, False)
    assert len(import_.placed) == 1
