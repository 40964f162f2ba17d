"""Outages as rows of the snapshot and as log lines: one at the begin, one at the end."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pytest

from teamclaude.dial.reachability import Outage, Reachability
from teamclaude.proxy.records.outages import RETRIED_SEC, ApiUsers, OutageNotices, cut_off, outage_views
from teamclaude.request_views import OutageView

pytestmark = pytest.mark.usefixtures("utc")

NOW = 1_795_428_000.0  # 10:00 UTC
BOTH: Mapping[Hashable, ApiUsers] = {"a": ApiUsers("api.example", {"u1": "alice", "u2": "bob"})}
USERS: Mapping[Hashable, ApiUsers] = {**BOTH, "own": ApiUsers("other.example:8443", {"u3": "carol"})}
REFUSED = "no connection to api.example:443: Connection refused"
OUTAGE = Outage(NOW - 240, NOW - 10, 12, REFUSED)


def test_the_longest_outage_comes_first_and_strangers_do_not_come_at_all() -> None:
    later = Outage(NOW - 20, NOW, 1, "timed out")
    found = outage_views({"own": later, "a": OUTAGE, "token host": OUTAGE}, USERS)
    assert found == (
        OutageView("api.example", ("alice", "bob"), *OUTAGE),
        OutageView("other.example:8443", ("carol",), *later),
    )


def test_accounts_are_cut_off_until_a_minute_after_the_last_failure() -> None:
    why = "API unreachable since 09:56: api.example:443: Connection refused"
    assert cut_off({"a": OUTAGE}, USERS, NOW) == {"u1": why, "u2": why}
    assert cut_off({"a": OUTAGE}, USERS, OUTAGE.last_at + RETRIED_SEC) == {}
    assert cut_off({}, USERS, NOW) == {}


class Told:
    """The lines of an API that fails and answers by hand."""

    def __init__(self) -> None:
        self.now = NOW
        self.seen = Reachability(lambda: self.now)
        self.notices = OutageNotices(self.seen)
        self.users = USERS

    def lines(self, after: float = 2.0) -> list[str]:
        self.now += after
        return [str(notice) for notice in self.notices.update(self.users, self.now)]


def test_an_outage_has_a_line_at_its_begin_and_one_at_its_end() -> None:
    told = Told()
    assert told.lines() == []
    told.seen.failed("a", REFUSED)
    assert told.lines() == [f"API api.example: unreachable: {REFUSED}"]
    for _ in range(11):
        told.seen.failed("a", REFUSED)
    assert told.lines(200.0) == []
    told.seen.reached("a")
    assert told.lines() == ["API api.example: reachable again after 4 min; 12 requests got no connection"]
    assert told.lines() == []


def test_a_failure_between_two_looks_has_no_line() -> None:
    told = Told()
    told.seen.failed("a", REFUSED)
    told.seen.reached("a")
    assert told.lines() == []


def test_a_line_about_one_account_names_it() -> None:
    told = Told()
    told.seen.failed("own", "refused")
    (notice,) = told.notices.update(USERS, NOW)
    assert (notice.subject, notice.account) == ("other.example:8443", "carol")


def test_an_outage_of_an_api_that_is_no_longer_used_ends_without_a_line() -> None:
    told = Told()
    told.seen.failed("own", "refused")
    assert len(told.lines()) == 1
    told.users = BOTH
    assert told.lines() == []
    assert told.seen.outages == {}
