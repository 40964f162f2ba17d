"""What waits to be written stays small, and keeps the newest."""

from __future__ import annotations

import random

import pytest

from teamclaude.history import pending as pending_module
from teamclaude.history.pending import Pending
from teamclaude.history.rows import Event, QuotaReading, UsageTotals

from .conftest import NOON, facts


def test_requests_of_one_row_are_counted_together() -> None:
    pending = Pending()
    for _ in range(1000):
        pending.add_all([facts(tokens=2, ttfb_sec=1.0)])
    ((_, totals),) = pending.take().usage.items()
    assert (totals.requests, totals.usage.total, totals.ttfb.count) == (1000, 2000, 1000)
    assert not pending


def test_what_could_not_be_written_comes_before_what_came_meanwhile() -> None:
    pending = Pending()
    pending.add_all([facts(tokens=1)])
    pending.add_event(Event(1.0, "bench"))
    pending.add_readings([QuotaReading(1.0, "a", "5h", 0.1)])
    batch = pending.take()
    pending.add_all([facts(tokens=2)])
    pending.add_all([facts(tokens=4, account="bob")])
    pending.add_event(Event(2.0, "reset"))
    pending.add_readings([QuotaReading(2.0, "a", "5h", 0.2)])
    pending.put_back(batch)
    again = pending.take()
    assert sorted(totals.usage.total for totals in again.usage.values()) == [3, 4]
    assert [event.at for event in again.events] == [1.0, 2.0]
    assert [reading.at for reading in again.readings] == [1.0, 2.0]


def test_when_there_is_no_room_the_oldest_give_way_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_module, "MAX_ROWS", 3)
    monkeypatch.setattr(pending_module, "MAX_OTHERS", 2)
    pending = Pending()
    for number in range(5):
        pending.add_all([facts(at=NOON + 300 * number)])
        pending.add_event(Event(float(number), "bench"))
        pending.add_readings([QuotaReading(float(number), "a", "5h", 0.1)])
    assert pending.lost == 2 + 3 + 3
    batch = pending.take()
    assert [key.begin for key in batch.usage] == [NOON + 600, NOON + 900, NOON + 1200]
    assert [event.at for event in batch.events] == [3.0, 4.0]
    assert [reading.at for reading in batch.readings] == [3.0, 4.0]


@pytest.mark.parametrize("seed", range(10))
def test_however_often_it_is_put_back_nothing_is_lost_or_doubled(seed: int) -> None:
    random_ = random.Random(seed)
    pending, written, added = Pending(), UsageTotals(), 0
    for _ in range(200):
        pending.add_all([facts(at=NOON + random_.randrange(3000), tokens=1, account=random_.choice("ab"))])
        added += 1
        if random_.random() < 0.2:
            batch = pending.take()
            if random_.random() < 0.7:
                pending.put_back(batch)
            else:
                for totals in batch.usage.values():
                    written = written.plus(totals)
    for totals in pending.take().usage.values():
        written = written.plus(totals)
    assert (written.requests, written.usage.total) == (added, added)
