"""Log lines about accounts and held requests: each once, none while nothing happens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.records.exchange import Attempt, Exchange, Outcome
from teamclaude.proxy.records.notices import (
    HoldNotices,
    Notice,
    Notices,
    account_notices,
    clock_line,
)
from teamclaude.routing.state.decision import Decision
from teamclaude.routing.view import AccountState, WindowState
from teamclaude.snapshot import HeldView
from tests.proxy.request_thread import advance_clock, hold_request

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local

Build = Callable[..., Any]
NOW = 1_795_428_000.0  # 10:00:00 UTC
MINUTE, HOUR = 60.0, 3600.0


def window(
    used: Optional[float] = 0.5, resets_in: Optional[float] = HOUR, full: Optional[bool] = None
) -> WindowState:
    resets_at = None if resets_in is None else NOW + resets_in
    return WindowState(used, resets_at, (used or 0.0) >= 0.98 if full is None else full)


def state(
    name: str = "alice",
    bench: Optional[tuple[float, float]] = None,
    reason: str = "429",
    **windows: Optional[WindowState],
) -> AccountState:
    """`bench`: when it began and when it ends, seconds from now; `w5h` is the window 5h."""
    known = {axis[1:]: found for axis, found in windows.items() if found is not None}
    began, until = (None, None) if bench is None else (NOW + bench[0], NOW + bench[1])
    return AccountState(f"key-{name}", name, until, began, reason, known)


def told(before: AccountState, after: AccountState, now: float = NOW) -> list[str]:
    return [clock_line(notice, now) for notice in account_notices([before], [after], now)]


# --- accounts -------------------------------------------------------------------------------------


def test_a_full_window_is_reported_with_its_reset() -> None:
    after = state(w5h=window(1.02, 346.0))
    assert told(state(w5h=window(0.9, 346.0)), after) == [
        "10:00:00 LIMIT alice: the 5h window is full (102%), back at 10:05:46 (in 6 min)"
    ]
    assert told(after, after) == [], "not twice"


@pytest.mark.parametrize(("until", "back"), [(None, "11:00:00 (in 1 h)"), (120.0, "10:02:00 (in 2 min)")])
def test_a_window_that_its_owner_limits_is_reported_with_the_rule(until: Optional[float], back: str) -> None:
    ends = None if until is None else NOW + until
    full = window(0.72, full=True)._replace(limit="maxUsage 70%", limit_until=ends)
    assert told(state(w7d=window(0.6)), state(w7d=full)) == [
        f"10:00:00 LIMIT alice: the 7d window is full (72%, maxUsage 70%), back at {back}"
    ]


def test_a_window_of_which_nothing_may_be_used_is_never_back() -> None:
    full = window(0.2, full=True)._replace(limit="maxUsage 0%", limit_until=math.inf)
    assert told(state(), state(w7d=full)) == [
        "10:00:00 LIMIT alice: the 7d window is full (20%, maxUsage 0%)"
    ]


def test_a_window_that_is_rejected_without_a_figure_or_a_time_claims_neither() -> None:
    assert told(state(), state(w7d=window(None, None, True))) == [
        "10:00:00 LIMIT alice: the 7d window is full"
    ]


def test_a_reset_is_reported_once_also_when_the_next_window_is_known_only_later() -> None:
    before = state(w5h=window(0.4, -1.0))
    gone, anew = state(), state(w5h=window(0.01, 5 * HOUR))
    assert told(before, gone) == ["10:00:00 RESET alice: a new 5h window"]
    assert told(gone, anew) == []
    assert told(before, anew) == ["10:00:00 RESET alice: a new 5h window"]


def test_a_new_window_that_is_full_at_once_is_reported_as_both() -> None:
    lines = told(state(w5h=window(1.0, -1.0)), state(w5h=window(1.0, HOUR)))
    assert [line.split()[1] for line in lines] == ["RESET", "LIMIT"]


def test_headers_that_name_the_same_reset_a_little_later_are_no_reset() -> None:
    assert told(state(w5h=window(0.4, HOUR)), state(w5h=window(0.4, HOUR + 4))) == []


def test_a_window_that_is_open_again_before_its_reset_is_reported() -> None:
    words = "10:00:00 RESET alice: the 5h window is no longer full"
    assert told(state(w5h=window(1.0)), state(w5h=window(0.5))) == [words]
    assert told(state(w5h=window(1.0, None)), state()) == [words]


def test_of_the_limits_of_an_api_key_only_the_end_of_a_full_one_is_reported() -> None:
    assert told(state(wtokens=window(0.2, -1.0)), state(wtokens=window(0.3, MINUTE))) == []
    full = state(wtokens=window(1.0, MINUTE))
    assert told(state(), full) == [
        "10:00:00 LIMIT alice: the tokens limit is full (100%), back at 10:01:00 (in 60 s)"
    ]
    assert told(full, state(), NOW + MINUTE) == ["10:01:00 RESET alice: the tokens limit begins anew"]


def test_a_bench_is_reported_with_its_length_and_its_reason() -> None:
    after = state(bench=(-1.5, 10.5), reason="429 retry-after")
    assert told(state(), after) == ["10:00:00 BENCH alice 12 s: 429 retry-after"]
    assert told(after, after) == []
    assert told(after, state()) == [], "its end was told with its length"


def test_requests_refused_at_the_same_time_make_one_bench() -> None:
    assert told(state(bench=(-3, 300)), state(bench=(-2, 301))) == []
    longer = told(state(bench=(-3, 300)), state(bench=(-3, 3000)))
    assert longer == ["10:00:00 BENCH alice 51 min: 429"]


def test_a_bench_after_one_that_was_over_is_another_one() -> None:
    assert told(state(bench=(-10, -2)), state(bench=(-1, 2))) == ["10:00:00 BENCH alice 3 s: 429"]


def test_a_bench_until_a_full_window_is_reset_is_reported_as_the_limit_alone() -> None:
    limited = state(bench=(0, HOUR), w5h=window(1.1, HOUR))
    assert [line.split()[1] for line in told(state(), limited)] == ["LIMIT"]
    scoped = state(bench=(0, 60), w7d_opus=window(1.1, HOUR))
    assert [line.split()[1] for line in told(state(), scoped)] == ["LIMIT", "BENCH"]


def test_an_account_that_is_new_or_renamed_is_no_event() -> None:
    benched = state("bob", (0, 60), w5h=window(1.0))
    assert account_notices([state()], [state(), benched], NOW) == []
    assert account_notices([benched], [benched._replace(name="robert")], NOW) == []


def test_what_an_upstream_said_can_not_write_to_the_terminal() -> None:
    (line,) = told(state(), state(bench=(0, 60), reason="no\x1b[2J\nHELD forged: " + "x" * 1000))
    assert line.isprintable()
    assert "\x1b" not in line
    assert len(line) < 400


# --- holds ----------------------------------------------------------------------------------------


class HeldRequests:
    """Requests that are held, with a clock."""

    def __init__(self, *names: str) -> None:
        self.now = NOW
        self.notices = HoldNotices()
        self.held = {name: self.request(name) for name in names}
        self.began = dict.fromkeys(names, NOW)

    def request(self, name: str) -> Exchange:
        return Exchange(
            RequestHead("POST", "/v1/messages", 1, []), classify_path("POST", "/v1/messages"), at=NOW, id=name
        )

    def poll(self, seconds: float = 2.0, **changes: Any) -> list[str]:
        self.now += seconds
        rows = [
            (
                exchange,
                HeldView(
                    name,
                    f"{name}-1111-2222",
                    "",
                    "claude-opus-4-8",
                    self.now - self.began[name],
                    "no account usable",
                    "",
                    "alice",
                    NOW + 1322.0,
                )._replace(**changes),
            )
            for name, exchange in self.held.items()
        ]
        return [clock_line(notice, self.now) for notice in self.notices.update(rows, self.now)]


def test_a_hold_is_reported_when_it_begins_and_not_again_at_the_next_poll() -> None:
    requests = HeldRequests("3f2a91c0")
    assert requests.poll() == [
        "10:00:02 HELD 3f2a91c0 claude-opus-4-8: no account usable, alice back 10:22 (in 22 min)"
    ]
    assert requests.poll() == requests.poll(290) == []


def test_a_hold_that_lasts_is_reported_every_5_minutes() -> None:
    requests = HeldRequests("3f2a91c0")
    requests.poll(0)
    lines = [line for _ in range(600) for line in requests.poll(1.0)]
    assert lines == [
        "10:05:00 HELD 3f2a91c0 claude-opus-4-8 5 min: no account usable, alice back 10:22 (in 18 min)",
        "10:10:00 HELD 3f2a91c0 claude-opus-4-8 10 min: no account usable, alice back 10:22 (in 13 min)",
    ]


def test_thirty_requests_that_are_held_have_one_line_every_5_minutes() -> None:
    requests = HeldRequests(*(f"agent{n:03d}" for n in range(30)))
    assert len(requests.poll(0)) == 30
    lines = [line for _ in range(300) for line in requests.poll(2.0)]
    assert lines == [
        "10:05:00 HELD 30 requests, the longest 5 min: no account usable, alice back 10:22 (in 18 min)",
        "10:10:00 HELD 30 requests, the longest 10 min: no account usable, alice back 10:22 (in 13 min)",
    ]


def test_three_requests_that_are_held_have_a_line_each() -> None:
    requests = HeldRequests("a", "b", "c")
    requests.poll(0)
    assert len(requests.poll(300)) == 3


@pytest.mark.parametrize(
    ("outcome", "note", "end"),
    [
        (Outcome.CLIENT_GONE, "the client left", "its client left"),
        (Outcome.HELD_OUT, "All 2 accounts are throttled", "refused: All 2 accounts are throttled"),
        (Outcome.REFUSED, "The proxy is shutting down", "refused: The proxy is shutting down"),
        (Outcome.UPSTREAM_ERROR, "529", "the upstream's error: 529"),
        (Outcome.SERVED, "", "served by bob"),
    ],
)
def test_the_end_of_a_hold_says_how_it_ended_once(outcome: Outcome, note: str, end: str) -> None:
    requests = HeldRequests("3f2a91c0")
    requests.poll()
    exchange = requests.held.pop("3f2a91c0")
    exchange.attempts.append(Attempt("bob", Decision("bob", "x")))
    exchange.end(outcome, note)
    (line,) = requests.poll()
    assert line == f"10:00:04 HELD 3f2a91c0 claude-opus-4-8: over after 0 s, {end}"
    assert requests.poll() == []
    assert requests.notices._announced == {}


def test_a_hold_is_over_when_an_account_answers_not_when_it_is_asked() -> None:
    requests = HeldRequests("3f2a91c0")
    requests.poll()
    exchange = requests.held.pop("3f2a91c0")
    exchange.attempts.append(Attempt("bob", Decision("bob", "x")))
    assert requests.poll() == []
    exchange.attempts[-1].status = 429
    assert requests.poll() == [], "it goes on to wait, as before"
    requests.held["3f2a91c0"] = exchange
    assert requests.poll() == []
    del requests.held["3f2a91c0"]
    exchange.attempts.append(Attempt("alice", Decision("alice", "x")))
    exchange.attempts[-1].status = 200
    assert [line.rpartition(", ")[2] for line in requests.poll()] == ["served by alice"]


def test_a_request_that_the_policy_holds_back_says_why() -> None:
    requests = HeldRequests("3f2a91c0")
    changes: dict[str, Any] = {
        "reason": "waits for room",
        "detail": "2 ahead",
        "account": None,
        "back_at": None,
    }
    assert requests.poll(**changes) == ["10:00:02 HELD 3f2a91c0 claude-opus-4-8: waits for room (2 ahead)"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"agent": "ab12cd34ef"}, "3f2a91c0/ab12cd34 claude-opus-4-8"),
        ({"session": ""}, "tc-3f2a91c0ffee claude-opus-4-8"),
        ({"session": "", "model": ""}, "tc-3f2a91c0ffee"),
    ],
)
def test_a_held_request_is_named_by_session_and_agent_else_by_its_id(
    changes: dict[str, Any], name: str
) -> None:
    (line,) = HeldRequests("tc-3f2a91c0ffee").poll(**{"session": "3f2a91c0-1111", **changes})
    assert line.partition(" HELD ")[2].partition(":")[0] == name


def test_a_clock_that_is_set_back_neither_repeats_a_line_nor_silences_it() -> None:
    requests = HeldRequests("a")
    requests.poll()
    assert requests.poll(-HOUR) == []
    assert requests.poll(299) == []
    assert len(requests.poll(1)) == 1


# --- the server -----------------------------------------------------------------------------------


class Polls:
    """Two states to look at, and what was told."""

    def __init__(self) -> None:
        self.now, self.mark, self.asked = NOW, 0, 0
        self.states = [state(w5h=window(0.5, HOUR))]
        self.lines: list[str] = []
        self.notices = Notices(
            self.accounts,
            list,
            lambda: self.mark,
            lambda: self.now,
            lambda notice, now: self.lines.append(clock_line(notice, now)),
        )

    def accounts(self) -> list[AccountState]:
        self.asked += 1
        return self.states


def test_the_first_poll_reports_nothing() -> None:
    polls = Polls()
    polls.states = [state(bench=(0, 60), w5h=window(1.0))]
    polls.notices.poll()
    assert polls.lines == []


def test_accounts_are_compared_only_when_something_happened_or_a_window_ends() -> None:
    polls = Polls()
    for _ in range(10):
        polls.notices.poll()
    assert polls.asked == 1
    polls.mark, polls.states = 1, [state(bench=(0, 60), w5h=window(0.5, HOUR))]
    polls.notices.poll()
    assert (polls.asked, polls.lines) == (2, ["10:00:00 BENCH alice 60 s: 429"])
    polls.now, polls.states = NOW + HOUR, [state()]
    polls.notices.poll()
    assert (polls.asked, polls.lines[1:]) == (3, ["11:00:00 RESET alice: a new 5h window"])
    polls.notices.poll()
    assert polls.asked == 3


def test_the_server_reports_a_limit_a_hold_and_its_end(stage: Build, clock: Any) -> None:
    s = stage("alice")
    lines: list[str] = []
    s.service._notices._emit = lambda notice, now: lines.append(str(notice))
    waiting_request = hold_request(s, 600.0)
    clock.now += 10
    s.service._notices.poll()
    s.service._notices.poll()
    back = time.strftime("%H:%M", time.gmtime(clock.now + 590))
    assert [line.partition(" (")[0] for line in lines] == [
        "LIMIT alice: the 5h window is full",
        f"HELD s1 claude-opus-4-8: no account usable, alice back {back}",
    ]
    advance_clock(s, clock, 591)
    s.wait_for_record(waiting_request.done().headers["x-teamclaude-request"])
    del lines[:]
    s.service._notices.poll()
    assert lines == [
        "RESET alice: a new 5h window",
        "HELD s1 claude-opus-4-8: over after 11 min, served by alice",
    ]


def test_the_end_of_a_hold_is_reported_when_the_server_stops(stage: Build, clock: Any) -> None:
    s = stage("alice")
    lines: list[str] = []
    s.service._notices._emit = lambda notice, now: lines.append(str(notice))
    hold_request(s, 600.0)
    clock.now += 10
    s.service._notices.poll()
    s.service.stop(0)
    assert "over after" in lines[-1]
    assert "refused: The proxy is shutting down" in lines[-1]


def test_a_defect_in_a_notice_keeps_the_server_neither_from_serving_nor_from_stopping(
    stage: Build, clock: Any
) -> None:
    s = stage("alice")

    def broken(notice: Notice, now: float) -> None:
        raise RuntimeError

    s.service._notices._emit = broken
    waiting_request = hold_request(s, 600.0)
    advance_clock(s, clock, 601)
    assert waiting_request.done().status == 200
    s.service.stop(0)
    assert s.service.wait(0)
