"""How an account's tokens are refreshed, and what its owner is told when they can't be: setup tokens."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.tokens.refreshers import FollowingRefresher, refresher_for
from tests.accounts.support import Logins

DAY_HOURS = 24.0
AGAIN = "make a new one: claude setup-token, then teamclaude login --token --name ci"


def setup_token(logins: Logins, token: str = "sk-ant-oat01-FAKE-setup", **more: Any) -> None:
    entry = {"name": "ci", "type": "oauth", "accessToken": token, "source": "token", **more}
    logins.write_config({"proxy": {"port": 0, "apiKey": "tc-FAKE"}, "accounts": [entry]})


def test_a_setup_token_without_a_known_end_serves_until_it_is_refused(logins: Logins) -> None:
    setup_token(logins)
    manager = logins.manager()
    logins.run_timer(manager, 1)
    logins.advance(400 * DAY_HOURS)
    assert manager.before_dispatch("ci")
    assert logins.warnings == []
    assert manager.statuses()["ci"].state == "valid"
    assert manager.statuses()["ci"].login_ends_at is None


def test_a_refused_setup_token_says_how_to_make_a_new_one(logins: Logins) -> None:
    setup_token(logins)
    manager = logins.manager()
    usable = manager.after_401("ci", "sk-ant-oat01-FAKE-setup")
    assert not usable
    assert usable.retry_at is None
    assert usable.reason == f"the API refused its token; {AGAIN}"
    assert logins.auth_failures == [("ci", usable.reason)]
    assert logins.warnings == [f"ci: re-login needed: {usable.reason}"]
    assert manager.statuses()["ci"].reason == usable.reason
    assert logins.server.calls == ()


def test_its_known_end_is_announced_and_said(logins: Logins) -> None:
    setup_token(logins, expiresAt=round((logins.clock.now + 365 * 86400) * 1000))
    manager = logins.manager()
    assert manager.statuses()["ci"].login_ends_at == logins.clock.now + 365 * 86400
    logins.advance(362.5 * DAY_HOURS)
    manager.run_due()
    assert logins.warnings == [f"ci: its login ends in 2 days; before that, {AGAIN}"]
    logins.advance(3 * DAY_HOURS)
    usable = manager.before_dispatch("ci")
    assert not usable
    assert usable.reason == f"its token is at its end; {AGAIN}"


def test_a_new_setup_token_serves_at_once(logins: Logins) -> None:
    setup_token(logins)
    manager = logins.manager()
    manager.after_401("ci", "sk-ant-oat01-FAKE-setup")
    setup_token(logins, "sk-ant-oat01-FAKE-new")
    assert manager.configure(logins.config_dir.file.load()) == ["ci"]
    assert manager.before_dispatch("ci")


def test_a_renamed_account_is_told_its_new_name(logins: Logins) -> None:
    ids = {"accountUuid": "p", "orgUuid": "o"}
    setup_token(logins, **ids)
    manager = logins.manager()
    setup_token(logins, name="my build", **ids)
    manager.configure(logins.config_dir.file.load())
    assert manager.after_401("p/o", "sk-ant-oat01-FAKE-setup").reason.endswith('--name "my build"')


@pytest.mark.parametrize(
    ("entry", "settings", "remedy"),
    [
        ({"source": "token"}, {}, AGAIN),
        ({"source": "login"}, {}, "log in again: teamclaude login"),
        ({}, {}, "log in again: teamclaude login"),
        ({"importFrom": "/x.json"}, {}, FollowingRefresher.remedy),
        ({"importFrom": "/x.json"}, {"refreshImported": True}, "log in again: teamclaude login"),
    ],
)
def test_what_an_owner_can_do(
    logins: Logins, entry: dict[str, Any], settings: dict[str, Any], remedy: str
) -> None:
    account = {"name": "ci", "type": "oauth", "accessToken": "sk-ant-oat01-FAKE", **entry}
    logins.write_config({"accounts": [account], **settings})
    config = logins.config_dir.file.load()
    assert refresher_for(logins.config_dir.file, config.accounts[0], config).remedy == remedy
