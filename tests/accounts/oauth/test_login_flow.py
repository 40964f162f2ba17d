"""One login: what counts as its end, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from teamclaude.accounts.config.config import OAuthConfig
from teamclaude.accounts.oauth.callback import Callback
from teamclaude.accounts.oauth.login_flow import LoginFlow
from teamclaude.errors import TeamClaudeError

REDIRECT = "http://localhost:4711/callback"


class Heard(LoginFlow):
    """An attempt, and what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        super().__init__(OAuthConfig(), REDIRECT, self.said.append)

    def code(self, code: str = "c0de") -> str:
        return f"{code}#{self.secrets.state}"


@pytest.fixture
def attempt() -> Heard:
    return Heard()


def test_the_address_belongs_to_it(attempt: Heard) -> None:
    query = parse_qs(urlsplit(attempt.url).query)
    assert query["state"] == [attempt.secrets.state]
    assert query["redirect_uri"] == [REDIRECT]


def test_a_browser_brings_the_code(attempt: Heard) -> None:
    attempt.on_callback(Callback("c0de", attempt.secrets.state))
    assert attempt.wait_for_code(5.0) == "c0de"
    assert attempt.said == []


@pytest.mark.parametrize("form", ["c0de#{0}", REDIRECT + "?code=c0de&state={0}"])
def test_a_person_pastes_it(attempt: Heard, form: str) -> None:
    attempt.on_paste(form.format(attempt.secrets.state))
    assert attempt.wait_for_code(5.0, only_stdin=True) == "c0de"
    assert attempt.said == []


def test_the_first_that_fits_counts(attempt: Heard) -> None:
    attempt.on_paste(attempt.code("first"))
    attempt.on_callback(Callback("second", attempt.secrets.state))
    assert attempt.wait_for_code(5.0) == "first"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("hello", "that is not a login code"),
        ("c0de#of-another-login", "that code is of another login"),
        (REDIRECT + "?code=c0de&state=other", "that code is of another login"),
        ("   ", ""),
    ],
)
def test_a_wrong_paste_can_be_put_right(attempt: Heard, line: str, complaint: str) -> None:
    attempt.on_paste(line)
    attempt.on_paste(attempt.code())
    assert attempt.wait_for_code(5.0) == "c0de"
    assert len(attempt.said) == (1 if complaint else 0)
    assert "".join(attempt.said).startswith(complaint)


def test_visits_of_strangers_are_told_once_and_end_nothing(attempt: Heard) -> None:
    for _ in range(100):
        attempt.on_callback(Callback("evil", "state", "error"))
    attempt.on_callback(Callback("c0de", attempt.secrets.state))
    assert attempt.wait_for_code(5.0) == "c0de"
    assert len(attempt.said) == 1
    assert "still waiting" in attempt.said[0]


def test_a_refusal_ends_it(attempt: Heard) -> None:
    attempt.on_callback(Callback("", attempt.secrets.state, "access_denied", "The user said no"))
    with pytest.raises(TeamClaudeError) as caught:
        attempt.wait_for_code(5.0)
    expected = 'the login was refused: access_denied ("The user said no"); run teamclaude login again'
    assert str(caught.value) == expected


def test_a_pasted_refusal_too(attempt: Heard) -> None:
    attempt.on_paste(f"{REDIRECT}?error=access_denied&state={attempt.secrets.state}")
    with pytest.raises(TeamClaudeError, match="access_denied"):
        attempt.wait_for_code(5.0)


def test_nobody_comes(attempt: Heard) -> None:
    times: Iterator[float] = iter([0.0, 300.0])
    with pytest.raises(TeamClaudeError, match="within 5 minutes"):
        attempt.wait_for_code(300.0, clock=lambda: next(times))


def test_the_end_of_pastes_ends_only_what_has_no_other_way(attempt: Heard) -> None:
    attempt.close_stdin()
    attempt.on_callback(Callback("c0de", attempt.secrets.state))
    assert attempt.wait_for_code(5.0) == "c0de"
    attempt.close_stdin()
    with pytest.raises(TeamClaudeError, match="no login code came in"):
        attempt.wait_for_code(5.0, only_stdin=True)
