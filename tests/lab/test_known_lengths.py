"""Waiting if the length of every conversation is known before it begins."""

from __future__ import annotations

from teamclaude.lab.known_lengths import waits_with_known_lengths
from teamclaude.lab.other_use import OtherUse
from teamclaude.lab.scenario import AccountSetup, Scenario, ScenarioSettings
from teamclaude.lab.score import WaitingTimes
from teamclaude.lab.traffic import RequestTrace, SessionTrace
from teamclaude.lab.upper_bound import Demand
from teamclaude.lab.workload import WEEK_SEC, PlannedSession, User

HOUR = 3600.0
END = 24 * HOUR
USER = User(0, ((0.0, END),))
WINDOW = 1000.0


def conversation(*tokens: float, gap: float = 60.0) -> SessionTrace:
    """Requests of so many weighted tokens, 60 s apart, that take no time and share no prefix."""
    return SessionTrace("s", tuple(RequestTrace(gap, "opus", int(each), 0, 0, 0.0) for each in tokens))


def planned(at: float, session: SessionTrace) -> PlannedSession:
    return PlannedSession(at, 0, session)


def waits(
    *plans: PlannedSession,
    accounts: int = 1,
    others: tuple[OtherUse, ...] = (),
    user: User = USER,
    lost_at: float = float("inf"),
) -> list[float]:
    setups = [AccountSetup(1.0, WINDOW, WEEK_SEC, lost_at)] * accounts  # no weekly window holds anything
    scenario = Scenario(ScenarioSettings(), ([user], plans), Demand([], {}), setups, END, others)
    return waited(waits_with_known_lengths(scenario))


def waited(times: WaitingTimes) -> list[float]:
    """Return the waits in minutes, without those of less than half a one."""
    return [round(each / 60.0) for each in times._sorted if each >= 30.0]


def test_what_the_window_does_not_hold_to_its_end_waits_for_the_next_one_and_weeks_do_not_count():
    whole = conversation(400, 300)
    assert waits(planned(0.0, whole)) == []
    assert waits(planned(0.0, whole), planned(HOUR, conversation(300))) == []
    # 300 of 301 are left: it begins when its second request falls after the reset.
    assert waits(planned(0.0, whole), planned(HOUR, conversation(300, 1))) == [4 * 60 - 1]
    assert waits(planned(0.0, whole), planned(HOUR, conversation(301))) == [4 * 60]


def test_another_account_takes_it_at_once():
    plans = [planned(0.0, conversation(700)), planned(HOUR, conversation(301))]
    assert waits(*plans, accounts=2) == []


def test_nobody_passes_one_that_waits():
    plans = [
        planned(0.0, conversation(700)),
        planned(HOUR, conversation(900)),
        planned(2 * HOUR, conversation(1)),
    ]
    assert waits(*plans) == [3 * 60, 4 * 60]


def test_a_conversation_that_has_begun_is_never_interrupted():
    # The second one would fit but for what the first one still needs, before and after the reset.
    first = conversation(100, 800, gap=4 * HOUR)
    assert waits(planned(0.0, first), planned(HOUR, conversation(200))) == [4 * 60]
    late = conversation(100, 800, gap=6 * HOUR)
    assert waits(planned(0.0, late), planned(HOUR, conversation(900))) == []
    # From 6 h to 11 h the first one's second request has the window that the other one would open.
    assert waits(planned(0.0, late), planned(5 * HOUR + 60.0, conversation(900))) == [6 * 60 - 1]


def test_what_follows_a_wait_comes_later():
    alone = USER._replace(max_sessions=1)
    plans = [
        planned(0.0, conversation(900)),
        planned(HOUR, conversation(200)),
        planned(2 * HOUR, conversation(300)),
    ]
    assert waits(*plans) == [3 * 60, 4 * 60]
    assert waits(*plans, user=alone) == [4 * 60]  # the third is wanted when the second is over


def test_a_closed_window_is_opened_first_then_the_soonest_reset_is_used():
    opened = [planned(0.0, conversation(100)), planned(HOUR, conversation(500))]  # acct1, and closed acct2
    sooner = planned(2 * HOUR, conversation(400))  # acct1 is reset at 5 h, acct2 at 6 h
    assert waits(*opened, sooner, planned(3 * HOUR, conversation(600)), accounts=2) == [2 * 60]
    assert waits(*opened, sooner, planned(3 * HOUR, conversation(500)), accounts=2) == []
    again = planned(5.4 * HOUR, conversation(100))  # acct1 until 10.4 h
    sooner = planned(5.5 * HOUR, conversation(400))  # acct2
    assert waits(*opened, again, sooner, planned(5.6 * HOUR, conversation(900)), accounts=2) == []


def test_one_that_is_more_than_a_window_has_one_for_itself():
    large = conversation(800, 800)
    assert waits(planned(0.0, large)) == []
    # Its second request falls after the reset, and no other one into that window.
    assert waits(planned(0.0, conversation(1)), planned(HOUR, large)) == [4 * 60 - 1]
    assert waits(planned(0.0, large), planned(HOUR, conversation(1))) == [4 * 60]


def test_what_others_will_use_is_known():
    use = OtherUse(2 * HOUR, "acct1", 600.0)
    plans = [planned(HOUR, conversation(100)), planned(1.5 * HOUR, conversation(200, 300, gap=HOUR))]
    assert waits(*plans) == waits(*plans, others=(use._replace(account="acct2"),)) == []
    assert waits(*plans, others=(use,)) == [210]  # until its second request falls after the reset
    assert waits(*plans, others=(use._replace(at=3 * HOUR),)) == []  # the API refuses what is left for nobody


def test_none_begins_that_a_lost_login_would_end():
    plans = [planned(0.0, conversation(1, 1, gap=HOUR)), planned(HOUR, conversation(1))]
    assert waits(*plans, lost_at=3 * HOUR) == []
    left = waits(*plans, lost_at=HOUR)
    assert left == [23 * 60, 24 * 60]  # until the end of the run


def test_a_cache_that_ends_in_its_own_pause_is_written_again():
    def session(gap: float) -> SessionTrace:
        first = RequestTrace(0.0, "opus", 300, 0, 0, 0.0)
        return SessionTrace("s", (first, RequestTrace(gap, "opus", 600, 0, 600, 0.0)))

    after = planned(4.9 * HOUR, conversation(200))
    assert waits(planned(0.0, session(0.5 * HOUR)), after) == []
    assert waits(planned(0.0, session(2 * HOUR)), after) == [6]


def test_it_is_the_same_every_time(scenario):
    first = waits_with_known_lengths(scenario(2.5))
    waits_with_known_lengths.cache_clear()
    assert waits_with_known_lengths(scenario(2.5))._sorted == first._sorted


def test_a_run_tells_it_whatever_the_policy(played, scenario):
    expected = waits_with_known_lengths(scenario(2.5)).share_over(600.0)
    assert expected > 0.0
    assert {played(name, 2.5).known_lengths_10min for name in ("sticky", "price")} == {expected}
