"""What the history gets of requests, readings and notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.history.issue_totals import IssueTotals
from teamclaude.history.rows import Event, QuotaReading, RequestFacts
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.path_kinds import PathKind, Route
from teamclaude.proxy.messages.body_scan import BodyFacts
from teamclaude.proxy.records.exchange import Attempt, Exchange, Outcome
from teamclaude.proxy.records.notice import API, BENCH, HELD, LIMIT, LOGIN, RESET, SERVER, TUNNEL, Notice
from teamclaude.proxy.reporting import history_feed
from teamclaude.proxy.reporting.history_feed import EventFilter, HistoryFeed, ReadingFilter, project_name
from teamclaude.routing.quota import windows
from teamclaude.routing.quota.usage import NO_USAGE, Price, Usage
from teamclaude.routing.quota.windows import Window
from teamclaude.routing.state.decision import Decision, RoutingRequest

NOW = 1_800_000_000.0
OPUS = "claude-opus-4-8"
PRICE = Price(1.0, 1.0, 1.0, 1.0, 1.0)


class Writer:
    """What the feed hands over."""

    def __init__(self) -> None:
        self.facts: list[RequestFacts] = []
        self.readings: list[QuotaReading] = []
        self.events: list[Event] = []
        self.add_all = self.facts.extend
        self.add_readings = self.readings.extend
        self.add_event = self.events.append
        self.check: Callable[[], None] = lambda: None
        self.close: Callable[[], None] = lambda: None


class Runtime:
    """What the feed looks up."""

    issue_of: Callable[[str], Optional[str]] = {"s1": "ENG-1"}.get
    project_of: Callable[[str], Optional[str]] = {"s1": "/home/me/web"}.get

    def price_of(self, model: Optional[str]) -> Optional[Price]:
        return PRICE if model == OPUS else None


class History:
    def __init__(self) -> None:
        self.writer: Any = Writer()
        self.issues = IssueTotals(86400.0)


@pytest.fixture
def history() -> History:
    return History()


@pytest.fixture
def feed(history: History) -> HistoryFeed:
    history_: Any = history
    return HistoryFeed(history_, Runtime())


def exchange(
    *attempts: Attempt,
    kind: PathKind = PathKind.INFERENCE,
    headers: tuple[tuple[str, str], ...] = (),
    session: Optional[str] = "s1",
    outcome: Outcome = Outcome.SERVED,
) -> Exchange:
    ticks = iter((0.0, 2.0, 5.0))
    made = Exchange(
        RequestHead("POST", "/v1/messages", 1, list(headers)),
        Route(kind, "/v1/messages"),
        NOW,
        monotonic=lambda: next(ticks, 5.0),
    )
    made.routing_request = RoutingRequest(session, "a1" if session else None, model=OPUS)
    made.facts = BodyFacts(model=OPUS)
    made.attempts.extend(attempts)
    for attempt in attempts:
        made.usage = made.usage.plus(attempt.usage)
    made.cost = made.usage.cost(PRICE)
    made.response_started(200)
    made.end(outcome)
    return made


def attempt(account: str, usage: Usage = NO_USAGE, model: str = OPUS) -> Attempt:
    made = Attempt(account, Decision(account, "free"))
    made.status, made.usage, made.model = 200, usage, model
    return made


def test_a_request_is_remembered_with_all_that_tells_it_apart(feed: HistoryFeed, history: History) -> None:
    feed.record_all([exchange(attempt("alice", Usage(10, 20)))])
    (facts,) = history.writer.facts
    assert facts == RequestFacts(
        at=NOW + 5,
        account="alice",
        model=OPUS,
        conversation="s1/a1",
        project="web",
        issue="ENG-1",
        attempts=1,
        ttfb_sec=2.0,
        duration_sec=5.0,
        usage=Usage(10, 20),
        cost=3e-5,
    )
    (issue,) = history.issues.view()
    assert (issue.issue, issue.requests, issue.usage.tokens) == ("ENG-1", 1, 30)


def test_tokens_count_for_the_account_that_took_them(feed: HistoryFeed, history: History) -> None:
    tried = attempt("alice", Usage(10), "gpt-5"), attempt("bob"), attempt("carol", Usage(7))
    feed.record_all([exchange(*tried)])
    early, last = history.writer.facts
    assert (early.account, early.usage.total, early.cost, early.attempts) == ("alice", 10, None, 0)
    assert (last.account, last.usage.total, last.attempts) == ("carol", 7, 3)
    assert last.cost == pytest.approx(7e-6)
    (issue,) = history.issues.view()
    assert (issue.requests, issue.usage.tokens) == (1, 17)


def test_a_new_sessions_first_request_gets_its_project_and_issue_when_they_are_known(
    history: History,
) -> None:
    runtime = Runtime()
    places: dict[str, Optional[str]] = {"s1": None}  # it is being looked for
    issues: dict[str, str] = {}
    runtime.project_of, runtime.issue_of = places.get, issues.get
    history_: Any = history
    feed = HistoryFeed(history_, runtime)
    feed.record_all([exchange(attempt("alice", Usage(10)))])
    feed.tick(NOW + 5.5)
    assert (history.writer.facts, history.issues.view(), feed.unplaced) == ([], (), 1)
    places["s1"], issues["s1"] = "/home/me/web", "ENG-1"
    feed.tick(NOW + 6)
    feed.tick(NOW + 8)
    (facts,) = history.writer.facts
    assert (facts.project, facts.issue, facts.at) == ("web", "ENG-1", NOW + 5)
    assert feed.unplaced == 0
    assert [row.issue for row in history.issues.view()] == ["ENG-1"]


@pytest.mark.parametrize("later", [2.0, -3600.0, None])
def test_a_place_that_is_not_found_soon_is_unknown(history: History, later: Optional[float]) -> None:
    runtime = Runtime()
    runtime.project_of = {"s1": None}.get
    history_: Any = history
    feed = HistoryFeed(history_, runtime)
    feed.record_all([exchange(attempt("alice", Usage(10)))])
    if later is None:
        feed.close()
    else:
        feed.tick(NOW + 5 + later)
    assert [facts.project for facts in history.writer.facts] == [""]


def test_many_requests_do_not_wait_for_places(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_feed, "MAX_UNPLACED", 2)
    runtime = Runtime()
    runtime.project_of = {"s1": None}.get
    history_: Any = history
    feed = HistoryFeed(history_, runtime)
    for _ in range(3):
        feed.record_all([exchange(attempt("alice", Usage(10)))])
    feed.tick(NOW + 5)
    assert (len(history.writer.facts), feed.unplaced) == (1, 2)
    feed.tick(NOW + 7)
    assert (len(history.writer.facts), feed.unplaced) == (3, 0)


def test_a_request_that_no_account_got_is_an_error_without_one(feed: HistoryFeed, history: History) -> None:
    feed.record_all([exchange(outcome=Outcome.HELD_OUT, session=None)])
    (facts,) = history.writer.facts
    assert (facts.account, facts.outcome, facts.attempts, facts.conversation) == ("", "held out", 0, "")
    (issue,) = history.issues.view()
    assert issue.requests == 0


@pytest.mark.parametrize(
    ("kind", "usage", "kept"),
    [
        (PathKind.API, Usage(), 0),
        (PathKind.API, Usage(1), 1),
        (PathKind.CLIENT_LOGIN, Usage(), 0),
        (PathKind.COUNT_TOKENS, Usage(), 0),
        (PathKind.OWN, Usage(), 0),
    ],
)
def test_only_inference_and_what_used_tokens_is_kept(
    feed: HistoryFeed, history: History, kind: PathKind, usage: Usage, kept: int
) -> None:
    feed.record_all([exchange(attempt("alice", usage), kind=kind)])
    assert len(history.writer.facts) == kept


@pytest.mark.parametrize(
    ("header", "project"),
    [
        ("api", "api"),
        ("/srv/deep/api/", "api"),
        ("C:\\work\\api", "api"),
        ("caf%C3%A9", "café"),
        ("a%0Ab\tc", "a b c"),
        ("x" * 200, "x" * 80),
        ("", ""),
        ("///", ""),
    ],
)
def test_a_client_may_name_its_project(
    feed: HistoryFeed, history: History, header: str, project: str
) -> None:
    feed.record_all([exchange(attempt("alice"), headers=(("x-teamclaude-project", header),))])
    assert history.writer.facts[0].project == project


def test_a_project_is_the_last_part_of_a_path() -> None:
    assert [project_name(path) for path in ("/", "/home/me", "me", "/a/b c")] == ["", "me", "me", "b c"]


def test_without_a_writer_the_usage_by_issue_is_still_counted(history: History) -> None:
    history.writer = None
    history_: Any = history
    feed = HistoryFeed(history_, Runtime())
    feed.record_all([exchange(attempt("alice", Usage(1)))])
    feed.notice(Notice(RESET, "alice", "a new 5h window"), NOW)
    feed.tick(NOW)
    feed.close()
    assert len(history.issues.view()) == 1


# --- readings -----------------------------------------------------------------------------------


def reading(
    at: float, used: Optional[float], axis: str = "5h", resets: float = NOW + 9000
) -> windows.QuotaReading:
    return windows.QuotaReading({axis: Window(used, resets, None, at)})


def answered(at: float, used: Optional[float], axis: str = "5h", resets: float = NOW + 9000) -> Attempt:
    made = attempt("alice")
    made.reading = reading(at, used, axis, resets)
    return made


@pytest.mark.parametrize(
    ("second", "is_new"),
    [
        (reading(NOW + 1, 0.10), False),
        (reading(NOW + 1, 0.105), False),
        (reading(NOW + 1, 0.11), True),
        (reading(NOW + 1, 0.09), True),
        (reading(NOW + 301, 0.105), True),
        (reading(NOW + 9000, 0.10), False),
        (reading(NOW + 1, 0.10, resets=NOW + 9004), False),
        (reading(NOW + 1, 0.10, resets=NOW + 19_000), True),
        (reading(NOW + 1, 0.10, axis="7d"), True),
        (reading(NOW + 1, None), False),
        (reading(NOW - 1000, 0.105), True),
    ],
)
def test_a_reading_is_kept_when_it_tells_something_new(second: windows.QuotaReading, is_new: bool) -> None:
    readings = ReadingFilter()
    first = readings.new_of("alice", reading(NOW, 0.10))
    assert first == [QuotaReading(NOW, "alice", "5h", 0.10, NOW + 9000)]
    assert bool(readings.new_of("alice", second)) == is_new


def test_a_reading_that_answers_share_is_kept_once_for_each_account() -> None:
    readings, shared = ReadingFilter(), reading(NOW, 0.10)
    kept = [len(readings.new_of(account, shared)) for account in ("alice", "bob", "alice", "bob", "")]
    assert kept == [1, 1, 0, 0, 0]


def test_the_limits_of_an_api_key_are_kept_every_5_minutes() -> None:
    readings = ReadingFilter()
    kept = [
        len(readings.new_of("alice", reading(NOW + at, at / 1e4, "tokens", NOW + at + 60)))
        for at in (0.0, 1.0, 299.0, 300.0, 301.0)
    ]
    assert kept == [1, 0, 0, 1, 0]


def test_readings_of_every_attempt_are_kept(feed: HistoryFeed, history: History) -> None:
    feed.record_all([exchange(answered(NOW, 1.0), attempt("bob"), kind=PathKind.API)])
    assert history.writer.readings == [QuotaReading(NOW, "alice", "5h", 1.0, NOW + 9000)]


# --- events -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notice", "event"),
    [
        (Notice(BENCH, "alice 5 min", "429", "alice"), Event(NOW, "bench", "alice", "429")),
        (Notice(LIMIT, "alice", "full", "alice"), Event(NOW, "limit", "alice", "full")),
        (Notice(RESET, "alice", "new", "alice"), Event(NOW, "reset", "alice", "new")),
        (Notice(HELD, "s1 opus", "no account"), Event(NOW, "hold", "", "s1 opus: no account")),
        (Notice(HELD, "s1 opus", "over after 5 s"), Event(NOW, "hold over", "", "s1 opus: over after 5 s")),
        (Notice(LOGIN, "bob", "lost: 401", "bob"), Event(NOW, "login lost", "bob", "lost: 401")),
        (Notice(LOGIN, "bob", "renewed, good", "bob"), Event(NOW, "login renewed", "bob", "renewed, good")),
        (Notice(LOGIN, "bob", "usable again", "bob"), Event(NOW, "login renewed", "bob", "usable again")),
        (Notice(LOGIN, "bob", "ends in 2 days", "bob"), Event(NOW, "login ends", "bob", "ends in 2 days")),
        (Notice(SERVER, "1.0", "started on x"), Event(NOW, "started", "", "1.0: started on x")),
        (Notice(SERVER, "1.0", "stopped"), Event(NOW, "stopped", "", "1.0: stopped")),
        (
            Notice(API, "a:443", "unreachable: no"),
            Event(NOW, "api unreachable", "", "a:443: unreachable: no"),
        ),
        (Notice(API, "a", "reachable again"), Event(NOW, "api reachable", "", "a: reachable again")),
        (Notice(TUNNEL, "host", "first"), None),
        (Notice("NEW", "x", "y"), None),
        (
            Notice(RESET, "a", "b\nc\x1b" + "d" * 400, "a"),
            Event(NOW, "reset", "a", ("b c " + "d" * 400)[:300]),
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Notice) else "",
)
def test_a_notice_is_an_event(notice: Notice, event: Optional[Event]) -> None:
    assert EventFilter().event_of(notice, NOW) == event


def test_a_hold_has_one_event_at_its_begin_and_one_at_its_end(feed: HistoryFeed, history: History) -> None:
    for subject, text in (
        ("s1 opus", "no account"),
        ("s2 opus", "no account"),
        ("s1 opus 5 min", "no account"),
        ("4 requests, the longest 9 min", "no account"),
        ("s1 opus", "over after 10 min, served by alice"),
        ("s1 opus", "no account"),
    ):
        feed.notice(Notice(HELD, subject, text), NOW)
    kinds = [(event.kind, event.text.partition(":")[0]) for event in history.writer.events]
    assert kinds == [
        ("hold", "s1 opus"),
        ("hold", "s2 opus"),
        ("hold over", "s1 opus"),
        ("hold", "s1 opus"),
    ]
