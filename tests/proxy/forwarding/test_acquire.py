"""The error when no account can serve: what it says, and when to retry."""

from __future__ import annotations

import time
from typing import Optional

import pytest

from teamclaude.errors import AccountError, NoAccountAvailableError, TeamClaudeError
from teamclaude.proxy.forwarding.acquire import no_account_error
from teamclaude.routing.state.decision import Decision, Exclusion

NOW = 1_800_000_000.0
NAMES = {"ka": "alice", "kb": "bob", "kc": "carol"}


def error_for(
    *excluded: tuple[str, str, str],
    retry_in: Optional[float] = 7200.0,
    final: bool = False,
    reasons: Optional[dict[str, str]] = None,
    jitter: float = 0.0,
    names: Optional[dict[str, str]] = None,
    account: Optional[str] = None,
) -> TeamClaudeError:
    rows = tuple(Exclusion(*row) for row in excluded)
    retry_at = None if retry_in is None else NOW + retry_in
    decision = Decision(account, "no account usable", excluded=rows, retry_at=retry_at, at=NOW)
    return no_account_error(decision, NAMES if names is None else names, reasons or {}, final, NOW, jitter)


BENCHED_A = ("ka", "account benched", "429, back in 2 h")
CAPPED_B = ("kb", "hard cap", "7d at 100%")


def clock(seconds: float) -> str:
    return time.strftime("%H:%M", time.localtime(NOW + seconds))


def test_all_throttled_names_the_first_recovery_and_each_reason() -> None:
    error = error_for(BENCHED_A, CAPPED_B, retry_in=7380.0)
    assert isinstance(error, NoAccountAvailableError)
    assert str(error) == (
        f"All 2 accounts are throttled; the first is back at {clock(7380)} (in 2 h 3 min). "
        "alice: 429, back in 2 h; bob: 7d at 100%"
    )
    assert (error.status, error.kind, error.retry_after) == (429, "rate_limit_error", 7380)


def test_a_refused_key_is_not_worded_as_one_of_the_clients() -> None:
    """At "x-api-key" Claude Code says that one is not logged in, and to run /login (measured: 2.1.332)."""
    words = str(error_for(("ka", "auth_failed", "invalid x-api-key"), final=True))
    assert words == "No account can serve this request. alice: invalid API key. See: teamclaude accounts"


def test_one_throttled_account_is_called_by_its_name() -> None:
    error = error_for(BENCHED_A)
    assert str(error).startswith(f"Account alice is throttled; it is back at {clock(7200)} (in 2 h). ")


def test_accounts_that_need_a_person_are_listed_but_not_counted() -> None:
    words = str(error_for(BENCHED_A, CAPPED_B, ("kc", "auth_failed", "log in again")))
    assert words.startswith("All 2 accounts are throttled")
    assert words.endswith("; carol: log in again")


def test_what_an_account_said_to_this_request_is_preferred() -> None:
    assert "alice: 403 not allowed" in str(error_for(BENCHED_A, reasons={"ka": "403 not allowed"}))
    assert "alice: hard cap" in str(error_for(("ka", "hard cap", ""))), "a rule without words is its own"


@pytest.mark.parametrize(
    ("retry_in", "jitter", "expected"),
    [
        (100.0, 0.0, 100),
        (100.0, 0.5, 105),
        (100.0, 1.0, 110),
        (300.0, 1.0, 330),
        (301.0, 1.0, 331),
        (200_000.0, 0.5, 200_015),
        (200_000.0, 1.0, 200_030),
    ],
)
def test_the_jitter_only_delays_by_a_tenth_and_by_30_s_at_most(
    retry_in: float, jitter: float, expected: int
) -> None:
    error = error_for(BENCHED_A, retry_in=retry_in, jitter=jitter)
    assert isinstance(error, NoAccountAvailableError)
    assert error.retry_after == expected


@pytest.mark.parametrize(("retry_in", "expected"), [(0.2, 1), (-5.0, 1), (1.2, 2), (60.0, 60), (60.1, 61)])
def test_the_wait_is_whole_seconds_and_never_none(retry_in: float, expected: int) -> None:
    error = error_for(BENCHED_A, retry_in=retry_in)
    assert isinstance(error, NoAccountAvailableError)
    assert error.retry_after == expected
    assert dict(error.headers())["Retry-After"] == str(expected)
    assert ("x-should-retry" in dict(error.headers())) == (expected > 60)


@pytest.mark.parametrize(("final", "retry_in"), [(True, 300.0), (False, None)])
def test_what_no_waiting_ends_is_a_502_that_says_what_to_do(final: bool, retry_in: Optional[float]) -> None:
    error = error_for(("ka", "auth_failed", "401, log in again"), CAPPED_B, final=final, retry_in=retry_in)
    assert isinstance(error, AccountError)
    assert (error.status, dict(error.headers())) == (502, {"x-should-retry": "false"})
    assert str(error) == (
        "No account can serve this request. alice: 401, log in again; bob: 7d at 100%. "
        "See: teamclaude accounts"
    )


def test_busy_accounts_are_worth_a_short_wait() -> None:
    error = error_for(account="ka")
    assert isinstance(error, NoAccountAvailableError)
    assert (error.retry_after, "busy" in str(error)) == (5, True)


def test_no_account_at_all_has_its_own_message() -> None:
    error = error_for(names={}, retry_in=None)
    assert isinstance(error, AccountError)
    assert "has no account yet" in str(error)
