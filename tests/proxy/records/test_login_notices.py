"""Log lines about logins: each change once, nothing for what a start finds."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.proxy.records.login_notices import ENDING_SEC, LoginNotices, LoginState, login_states
from teamclaude.routing.view import AccountState
from teamclaude.snapshot import TokenView

pytestmark = pytest.mark.usefixtures("utc")

NOW = 1_795_428_000.0  # 10:00:00 UTC
HOUR = 3600.0


def login(
    lost: str = "", valid_in: Optional[float] = HOUR, ends_in: Optional[float] = None
) -> dict[str, LoginState]:
    valid = None if valid_in is None else NOW + valid_in
    return {"a": LoginState("alice", lost, valid, None if ends_in is None else NOW + ends_in)}


def told(*looks: dict[str, LoginState], now: float = NOW) -> list[str]:
    """The lines after the first look, a second apart."""
    notices = LoginNotices()
    lines = [str(notice) for n, logins in enumerate(looks) for notice in notices.update(logins, now + n)]
    assert all(line.startswith("LOGIN alice: ") for line in lines)
    return [line[len("LOGIN alice: ") :] for line in lines]


def test_a_renewed_token_is_told_once() -> None:
    assert told(login(), login(valid_in=8 * HOUR + 1), login(valid_in=8 * HOUR + 1)) == [
        "renewed, its token is good for 8 h"
    ]


def test_a_lost_login_is_told_once_and_so_is_its_return() -> None:
    lost = login("the login was refused")
    assert told(login(), lost, lost, login(valid_in=9 * HOUR)) == [
        "lost: the login was refused",
        "usable again",
    ]


def test_what_the_first_look_finds_is_no_event() -> None:
    assert told(login("refused", ends_in=HOUR), login("refused", ends_in=HOUR)) == []


def test_the_end_of_a_login_is_told_when_it_comes_near() -> None:
    far, near = login(ends_in=ENDING_SEC + 0.5), login(ends_in=2 * 86400.0)
    assert told(far, far, far) == ["ends in 3 d (2026-11-26 10:00): log in again before that"]
    assert told(login(ends_in=30 * 86400.0), near, near) == [
        "ends in 2 d (2026-11-25 10:00): log in again before that"
    ]
    assert told(far, login(ends_in=-1.0)) == [], "not of one that has ended"


def test_a_new_account_is_no_event() -> None:
    assert told({}, login("refused")) == []


def test_a_refused_key_and_a_refused_login_are_both_lost() -> None:
    accounts = [
        AccountState("k", "paid", None, None, "", {}, "401: invalid x-api-key"),
        AccountState("a", "alice", None, None, "", {}),
        AccountState("b", "bob", None, None, "", {}),
    ]
    tokens = {
        "a": TokenView("re-login needed", NOW, NOW + 1, "invalid_grant"),
        "b": TokenView("refresh due", NOW, None, "its token can't be renewed now"),
    }
    found = login_states(accounts, tokens)
    assert [found[key].lost for key in "kab"] == ["401: invalid x-api-key", "invalid_grant", ""]
    assert (found["a"].valid_until, found["a"].ends_at) == (NOW, NOW + 1)
