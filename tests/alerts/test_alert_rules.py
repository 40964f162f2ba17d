"""Each condition fires once for each episode: not at the first look, not again after a restart."""

from __future__ import annotations

from typing import Callable

import pytest

from teamclaude.snapshot import Snapshot
from tests.alerts.looks import (
    DAY,
    HOUR,
    MINUTE,
    NOTHING,
    NOW,
    Looks,
    account,
    benched,
    dry,
    held,
    needs,
    pool,
    token,
    unreachable,
    used,
)

pytestmark = pytest.mark.usefixtures("utc")

# A condition, and a snapshot in which it is true from the first second on.
TRUE: list[tuple[str, Callable[[], Snapshot]]] = [
    ("pool dry within 30m", lambda: dry(20 * MINUTE)),
    ("window above 90%", lambda: used(0.93)),
    ("7d above 90%", lambda: used(0.9)),
    ("7d unused 30% within 3d", lambda: used(0.5)),
    ("benched", benched),
    ("login lost", lambda: token("re-login needed", reason="refused")),
    ("login ends within 3d", lambda: token(ends_in=2 * DAY)),
    ("needs you for 10m", lambda: needs(NOW - 15 * MINUTE)),
    ("hold", lambda: held(5.0)),
    ("api unreachable", lambda: unreachable(0.0)),
]


@pytest.mark.parametrize(("when", "true"), TRUE, ids=[when for when, _ in TRUE])
def test_an_edge_fires_once_and_no_state_does(when: str, true: Callable[[], Snapshot]) -> None:
    looks = Looks(when)
    assert looks.look(NOTHING) == 0
    assert looks.look(NOTHING, 2 * MINUTE) == 0
    assert looks.look(true()) == 1
    assert [looks.look(true()) for _ in range(5)] == [0] * 5
    assert looks.state is not None
    assert looks.state.fired_at is not None


@pytest.mark.parametrize(("when", "true"), TRUE, ids=[when for when, _ in TRUE])
def test_what_was_true_before_the_first_look_does_not_fire(when: str, true: Callable[[], Snapshot]) -> None:
    looks = Looks(when)
    assert [looks.look(true()) for _ in range(30)] == [0] * 30
    assert looks.state is not None
    assert looks.state.fired_at is None


@pytest.mark.parametrize(("when", "true"), TRUE, ids=[when for when, _ in TRUE])
def test_a_restart_repeats_nothing(when: str, true: Callable[[], Snapshot]) -> None:
    looks = Looks(when)
    looks.look(NOTHING)
    assert looks.look(true(), 2 * MINUTE) == 1
    looks.restart()
    assert looks.look(true(), MINUTE) == 0
    looks.restart()
    assert looks.look(NOTHING, 30.0) == 0, "facts that come late are missing at first"
    assert looks.look(true()) == 0


@pytest.mark.parametrize(("when", "true"), TRUE, ids=[when for when, _ in TRUE])
def test_what_became_true_meanwhile_fires_after_a_restart_except_a_bench(
    when: str, true: Callable[[], Snapshot]
) -> None:
    looks = Looks(when)
    looks.look(NOTHING)
    looks.restart()
    assert looks.look(true(), HOUR if when.startswith("7d unused") else 5 * MINUTE) == (when != "benched")


def test_a_window_fires_once_until_its_reset_and_anew_after_it() -> None:
    looks = Looks("5h above 80%")
    looks.look(used(0.5, HOUR, "5h"))
    assert looks.look(used(0.85, HOUR, "5h")) == 1
    assert looks.last[0].title == "alice: 5h at 85%"
    assert looks.last[0].message == (
        "The 5h window of alice is above 80%; a new one begins 11:00 (in 60 min)."
    )
    assert looks.look(used(0.7, HOUR, "5h"), 10 * MINUTE) == 0
    assert looks.look(used(0.9, HOUR + 2.0, "5h"), 10 * MINUTE) == 0, "seconds are no other window"
    assert looks.look(used(1.0, HOUR, "5h"), 39 * MINUTE) == 0
    assert looks.look(used(1.0, HOUR, "5h"), 2 * MINUTE) == 0, "the old window is over"
    assert looks.look(used(0.9, 6 * HOUR, "5h"), 30.0) == 1


def test_a_window_of_its_own_and_every_window() -> None:
    looks, every = Looks("5h above 80%"), Looks("window above 80%")
    looks.look(NOTHING)
    every.look(NOTHING)
    assert looks.look(used(0.9, axis="7d")) == 0
    assert every.look(used(0.9, axis="7d_opus")) == 1
    assert every.last[0].fields["axis"] == "7d_opus"


def test_a_window_that_is_not_known_is_nothing() -> None:
    above, unused = Looks("window above 0%"), Looks("7d unused 0% within 30d")
    for looks in (above, unused):
        looks.look(NOTHING)
        assert looks.look(used(None)) == 0
        assert looks.look(pool(account(enabled=False, quota=used(0.9).accounts[0].quota))) == 0
    assert unused.look(used(0.1, None)) == 0, "without a reset nothing expires"


def limited(share: float, part: float) -> Snapshot:
    """alice's owner lets that part of her week be used."""
    return pool(account(quota=used(share, 10 * HOUR).accounts[0].quota, usable_parts={"7d": part}))


def test_a_window_that_its_owner_limits_ends_there() -> None:
    above = Looks("7d above 90%")
    assert above.look(limited(0.53, 0.6)) == 0
    assert above.look(limited(0.54, 0.6)) == 1
    assert above.last[0].message.startswith("The 7d window of alice is above 90% of the 60% that may be used")
    unused = Looks("7d unused 30% within 12h")
    assert unused.look(limited(0.31, 0.6)) == 0
    assert unused.look(limited(0.3, 0.6)) == 1
    assert unused.last[0].title == "alice: 30% of 7d unused"


def test_the_end_of_a_week_that_is_not_used() -> None:
    looks = Looks("7d unused 30% within 12h")
    assert looks.look(used(0.5, DAY)) == 0
    assert looks.look(used(0.5, DAY), 11 * HOUR) == 0
    assert looks.look(used(0.71, DAY), 2 * HOUR) == 0
    assert looks.look(used(0.5, DAY)) == 1
    assert looks.last[0].title == "alice: 50% of 7d unused"
    assert looks.last[0].message.startswith("That much is lost when the window ends 10:00 (in 11 h)")


def test_a_forecast_that_wavers_fires_once() -> None:
    looks = Looks("pool dry within 30m")
    looks.look(dry(None))
    assert looks.look(dry(2 * HOUR), 2 * MINUTE) == 0
    assert looks.look(dry(44 * MINUTE)) == 0, "it does not begin where it would not end"
    assert looks.look(dry(31 * MINUTE)) == 1
    assert [looks.look(dry(wait * MINUTE)) for wait in (34, 31, 45, 30)] == [0, 0, 0, 0]
    assert looks.look(dry(3 * HOUR), MINUTE) == 0
    assert looks.look(dry(20 * MINUTE), 5 * MINUTE) == 0, "it had left for 5 minutes only"
    assert looks.look(dry(5 * HOUR), MINUTE) == 0
    assert looks.look(dry(5 * HOUR), 11 * MINUTE) == 0
    assert looks.look(dry(40 * MINUTE), MINUTE) == 1


def test_the_quantile_can_be_chosen() -> None:
    early, late = Looks("pool dry within 30m p10"), Looks("pool dry within 30m p90")
    for looks in (early, late):
        looks.look(dry(None))
        looks.look(dry(None), 2 * MINUTE)
    assert (early.look(dry(40 * MINUTE)), late.look(dry(40 * MINUTE))) == (1, 0)
    assert (
        early.last[0].message
        == "No account serves any more about 10:30; in 8 of 10 cases between 10:30 and 10:50."
    )


def test_growing_benches_are_one_trouble() -> None:
    looks = Looks("benched")
    looks.look(NOTHING)
    assert looks.look(benched()) == 1
    assert looks.last[0].message == "It gets no work until 10:01 (in 52 s): 429"
    for _ in range(3):
        assert looks.look(NOTHING, MINUTE) == 0
        assert looks.look(benched(), MINUTE) == 0
    assert looks.look(NOTHING, MINUTE) == 0
    assert looks.look(NOTHING, 6 * MINUTE) == 0
    assert looks.look(benched()) == 1


def test_a_duration_is_waited_for_and_begins_anew() -> None:
    looks = Looks("benched for 5m")
    looks.look(NOTHING)
    assert looks.look(benched()) == 0
    assert looks.look(benched(), 4 * MINUTE) == 0
    assert looks.look(NOTHING, 10.0) == 0
    assert looks.look(benched(), MINUTE) == 0
    assert looks.look(benched(), 4 * MINUTE) == 0
    assert looks.look(benched(), MINUTE + 1) == 1


def test_a_login_that_is_lost_is_told_once_until_it_is_another_login() -> None:
    looks = Looks("login lost")
    lost = token("re-login needed", NOW, reason="invalid_grant")
    looks.look(token())
    assert looks.look(lost) == 1
    assert (looks.last[0].title, looks.last[0].message) == (
        "alice: login lost",
        "Log in again: invalid_grant",
    )
    looks.restart()
    assert looks.look(token("refresh due", NOW, proven=False), DAY) == 0, "a restart tries it again"
    assert looks.look(lost, HOUR) == 0
    assert looks.look(token("valid", NOW + 9 * HOUR), HOUR) == 0
    assert looks.look(token("re-login needed", NOW + 9 * HOUR), HOUR) == 1


def test_a_key_that_is_refused_is_lost_until_it_has_served() -> None:
    looks = Looks("login lost")
    refused = pool(account(type="apikey", status="auth_failed", status_reason="401", proven=False))
    looks.look(NOTHING)
    assert looks.look(refused) == 1
    looks.restart()
    assert looks.look(pool(account(type="apikey", proven=False)), DAY) == 0
    assert looks.look(refused, MINUTE) == 0
    assert looks.look(NOTHING, MINUTE) == 0
    assert looks.look(NOTHING, 2 * MINUTE) == 0
    assert looks.look(refused, MINUTE) == 1


def test_the_end_of_a_login_moves_a_little_with_each_renewal() -> None:
    looks = Looks("login ends within 3d")
    looks.look(token(ends_in=10 * DAY))
    assert looks.look(token(ends_in=10 * DAY), 8 * DAY) == 1
    assert looks.last[0].title == "alice: login ends in 2 d"
    assert looks.look(token(ends_in=10 * DAY + HOUR), HOUR) == 0
    assert looks.look(token(ends_in=40 * DAY), HOUR) == 0
    assert looks.look(token(ends_in=40 * DAY), 29 * DAY) == 1


def test_a_session_that_waits_is_told_of_when_it_has_waited_for_so_long() -> None:
    looks = Looks("needs you for 10m")
    looks.look(NOTHING)
    looks.look(NOTHING, 2 * MINUTE)
    since = looks.now
    assert looks.look(needs(since)) == 0
    assert looks.look(needs(since), 9 * MINUTE) == 0
    assert looks.look(needs(since), MINUTE) == 1
    assert looks.last[0].title == "fix-login needs you"
    assert looks.last[0].message.startswith("permission prompt (project web), since 10:02 (10 min)")
    assert looks.look(needs(since), HOUR) == 0
    later = looks.now
    assert looks.look(needs(later), MINUTE) == 0, "it waits for something else"
    assert looks.look(needs(later), 10 * MINUTE) == 1


def test_one_that_waits_since_nobody_knows_when_counts_from_its_first_look() -> None:
    looks = Looks("needs you for 10m")
    looks.look(NOTHING)
    assert looks.look(needs(None), 2 * MINUTE) == 0
    assert looks.look(needs(None), 9 * MINUTE) == 0
    assert looks.look(needs(None), MINUTE + 1) == 1


def test_many_held_requests_are_one_hold() -> None:
    looks = Looks("hold for 1m")
    looks.look(NOTHING)
    assert looks.look(held(30, 3)) == 0
    assert looks.look(held(70, 3), 40.0) == 1
    assert looks.last[0].title == "3 requests are held"
    assert looks.last[0].message == "For 70 s: no account usable; alice is back 11:00."
    assert looks.look(held(5), MINUTE) == 0
    assert looks.look(NOTHING, MINUTE) == 0
    assert looks.look(NOTHING, 5 * MINUTE) == 0
    assert looks.look(held(2), MINUTE) == 0
    assert looks.look(held(61), MINUTE) == 1


def test_an_outage_is_told_once_it_has_lasted_and_again_when_it_comes_back_later() -> None:
    looks = Looks("api unreachable for 2m")
    looks.look(NOTHING)
    assert looks.look(unreachable(0.0)) == 0
    assert looks.look(unreachable(30.0, failed=12), 2 * MINUTE) == 1
    assert looks.last[0].title == "The API at api.example can't be reached"
    assert looks.last[0].message == (
        "no connection to api.example:443: Connection refused. Since 09:59, 12 requests got no connection."
    )
    assert looks.last[0].fields["accounts"] == ["alice", "bob"]
    assert looks.look(unreachable(30.0), HOUR) == 0
    assert looks.look(NOTHING, MINUTE) == 0
    assert looks.look(NOTHING, 6 * MINUTE) == 0
    again = unreachable(NOW - looks.now)
    assert looks.look(again, MINUTE) == 0
    assert looks.look(again, 2 * MINUTE) == 1


def test_a_short_hold_does_not_count_for_the_next_one() -> None:
    looks = Looks("hold for 1m")
    looks.look(NOTHING)
    assert looks.look(held(30)) == 0
    assert looks.look(NOTHING, 10.0) == 0
    assert looks.look(held(5), 50.0) == 0


def test_accounts_have_episodes_of_their_own_and_forgotten_ones_leave_no_state() -> None:
    looks = Looks("benched")
    looks.look(NOTHING)
    both = pool(account(status="benched"), account("bob", status="benched"))
    assert looks.look(both) == 2
    looks.look(pool(), MINUTE)
    looks.look(pool(), 6 * MINUTE)
    assert looks.state is not None
    assert looks.state.episodes == {}


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    looks = Looks("benched")
    looks.look(NOTHING)
    assert looks.look(benched()) == 1
    assert looks.look(benched(), -DAY) == 0
    assert looks.look(NOTHING) == 0
    assert looks.look(benched()) == 0
