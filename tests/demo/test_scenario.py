"""The scenario of a demo: accounts, usage from outside, status changes."""

from __future__ import annotations

from teamclaude.demo.scenario import make_accounts, reset_at, status_changes, usage_events

T0 = 1_795_000_000.0
OPUS = "claude-opus-4-8"


def test_accounts_begin_usable_and_one_runs_into_its_limit() -> None:
    length = 1200.0
    accounts = make_accounts(10, 6, T0, length)
    assert len({account.name for account in accounts}) == 10
    assert all(account.usable(OPUS, T0) for account in accounts)
    first, *rest = accounts
    assert first.windows["5h"].reset_at == int(T0 + reset_at(length))
    assert all((account.windows["5h"].reset_at or 0) > T0 + length for account in rest)
    by_name = {account.name: account for account in accounts}
    for event in usage_events(length, 10):
        assert 0 < event.at < reset_at(length) < length
        by_name[event.account].fill(event.axis, event.utilization, T0 + event.at)
    near, full = usage_events(length, 10)
    assert full.account == first.name
    assert near.account == accounts[-1].name
    assert not first.usable(OPUS, T0 + full.at)
    assert first.usable(OPUS, T0 + reset_at(length))
    assert accounts[-1].usable(OPUS, T0 + near.at), "near its limit is not at it"
    assert [event.axis for event in usage_events(length, 2)] == ["5h"], "of two accounts one must have room"


def test_status_changes_are_in_order_within_the_run_and_of_existing_sessions() -> None:
    times = [change.at for change in status_changes(100.0, 12)]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < 100
    assert status_changes(100.0, 3) == []
    assert {change.session for change in status_changes(100.0, 5)} == {3, 4}
