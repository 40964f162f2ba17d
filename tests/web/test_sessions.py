"""Codes and sessions: once, for a time, in bounded numbers."""

from __future__ import annotations

import json
from itertools import count

import pytest

from teamclaude.web import sessions
from teamclaude.web.sessions import Grant, PageSessions, cookie_values

GRANT = Grant("operator")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def page(clock: Clock) -> PageSessions:
    numbers = count()
    return PageSessions(clock, lambda: f"secret-{next(numbers)}")


def test_a_code_serves_once(page: PageSessions) -> None:
    code = page.new_code(GRANT)
    assert page.redeem(code) == GRANT
    assert page.redeem(code) is None
    assert page.redeem("unknown") is None


def test_a_code_lives_a_minute(page: PageSessions, clock: Clock) -> None:
    early, late = page.new_code(GRANT), page.new_code(GRANT)
    clock.now += sessions.CODE_SEC - 0.1
    assert page.redeem(early) == GRANT
    clock.now += 0.1
    assert page.redeem(late) is None


def test_of_many_codes_the_oldest_ends(page: PageSessions) -> None:
    codes = [page.new_code(GRANT) for _ in range(sessions.MAX_CODES + 1)]
    assert [page.redeem(code) is None for code in codes[:2]] == [True, False]


def test_a_key_that_makes_many_codes_and_sessions_takes_nobody_s(page: PageSessions) -> None:
    other = Grant("observer", "wall", "print")
    code, session = page.new_code(GRANT), page.begin(GRANT)
    flood = [page.new_code(other) for _ in range(3 * sessions.MAX_CODES)]
    ids = [page.begin(other) for _ in range(3 * sessions.MAX_SESSIONS)]
    assert page.redeem(code) == page.find([session]) == GRANT
    assert [page.redeem(each) for each in (flood[0], flood[-1])] == [None, other]
    assert [page.find([each]) for each in (ids[0], ids[-1])] == [None, other]


def test_a_session_lasts_while_it_is_used(page: PageSessions, clock: Clock) -> None:
    session = page.begin(GRANT)
    for _ in range(3):
        clock.now += sessions.IDLE_SEC - 1
        assert page.find(["other", session]) == GRANT
    clock.now += sessions.IDLE_SEC + 1
    assert page.find([session]) is None


def test_a_session_ends_after_a_week_however_much_it_is_used(page: PageSessions, clock: Clock) -> None:
    session, end = page.begin(GRANT), clock.now + sessions.SESSION_SEC
    while clock.now < end:
        assert page.find([session]) == GRANT
        clock.now += sessions.IDLE_SEC / 2
    clock.now += 1
    assert page.find([session]) is None


def test_of_many_sessions_the_one_unused_for_longest_ends(page: PageSessions) -> None:
    first, second = page.begin(GRANT), page.begin(GRANT)
    page.find([first])
    for _ in range(sessions.MAX_SESSIONS - 1):
        page.begin(GRANT)
    assert page.find([first]) == GRANT
    assert page.find([second]) is None


def test_an_ended_session_is_gone(page: PageSessions) -> None:
    session = page.begin(GRANT)
    page.end([session, "unknown"])
    assert page.find([session]) is None


def test_secrets_are_not_kept_as_they_are(page: PageSessions) -> None:
    secrets = [page.new_code(GRANT), page.begin(GRANT)]
    assert not [secret for secret in secrets if secret in repr((page._codes, page._sessions))]


def test_real_secrets_cannot_be_guessed() -> None:
    made = {PageSessions().new_code(GRANT) for _ in range(50)}
    assert len(made) == 50
    assert min(map(len, made)) >= 43  # 256 bits in base64


def test_an_address_waits_after_ten_wrong_tries(page: PageSessions, clock: Clock) -> None:
    for _ in range(sessions.TRIES):
        assert page.wait_sec("10.0.0.7") == 0
        page.note_wrong("10.0.0.7")
        clock.now += 1
    assert page.wait_sec("10.0.0.7") == sessions.TRY_SEC - sessions.TRIES
    assert page.wait_sec("10.0.0.8") == 0
    clock.now += sessions.TRY_SEC - sessions.TRIES
    assert page.wait_sec("10.0.0.7") == 0


def test_wrong_tries_are_remembered_of_so_many_addresses(page: PageSessions) -> None:
    for n in range(sessions.MAX_ADDRESSES + 5):
        page.note_wrong(f"address {n}")
    assert len(page._wrong) == sessions.MAX_ADDRESSES


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ([], []),
        (["a=1; tc=x; b=2"], ["x"]),
        (["tc=x", "tc=y;tc=z"], ["x", "y", "z"]),
        (["xtc=1; tc ;tc=; TC=2"], ["", ""]),
        (["tc=a=b"], ["a=b"]),
        (["; ".join(["tc=1"] * 100)], ["1"] * 8),
    ],
)
def test_a_cookie_is_read_from_all_fields(fields: list[str], values: list[str]) -> None:
    assert cookie_values(fields, "tc") == values


def test_the_next_process_goes_on_with_the_sessions_and_their_ages(page: PageSessions, clock: Clock) -> None:
    old, lively = page.begin(GRANT), page.begin(Grant("observer", "eve", "print", True))
    clock.now += sessions.IDLE_SEC - 10
    page.find([lively])
    later = Clock()
    later.now = 5.0
    following = PageSessions(later)
    following.adopt(json.loads(json.dumps(page.dump())))
    assert following.find([lively]) == Grant("observer", "eve", "print", True)
    later.now += 11
    assert following.find([old]) is None
    assert following.find([lively]) is not None


@pytest.mark.parametrize(
    "dumped", [None, 7, [7], [{}], [{"hash": "zz", "grant": ["operator"], "begun": 0, "used": 0}]]
)
def test_what_another_version_hands_over_is_ignored(page: PageSessions, dumped: object) -> None:
    page.adopt(dumped)
    assert page.dump() == []
