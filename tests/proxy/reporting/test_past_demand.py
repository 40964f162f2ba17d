"""What the forecast is told of the weeks before a start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

import pytest

from teamclaude.errors import HistoryError
from teamclaude.history.reader import HistoryReader
from teamclaude.history.rows import TRANSCRIPTS, Event, RequestFacts
from teamclaude.proxy.reporting.past_demand import past_demand
from teamclaude.routing.quota.usage import Usage
from tests.history.conftest import NOON, facts, fill

HOUR, DAY = 3600.0, 86400.0
WEEK = [(NOON - HOUR * hours, 1.0) for hours in range(168, 0, -1)]  # of the state file


def past(
    path: Path,
    requests: list[RequestFacts],
    events: tuple[tuple[float, str], ...] = (),
    now: float = NOON,
    week: Optional[list[tuple[float, float]]] = None,
) -> list[tuple[float, float]]:
    """Return what is known at noon, by hours relative to it; events too, as (hour, kind)."""
    fill(path, requests, events=[Event(NOON + HOUR * at, kind, "server", kind) for at, kind in events])
    found = past_demand(lambda: HistoryReader(str(path)), week or [], now)
    return [((begin - NOON) / HOUR, tokens) for begin, tokens in found]


def burned(hour: float, tokens: int = 100, **parts: object) -> RequestFacts:
    return facts(NOON + HOUR * hour, tokens, **parts)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the time zone to UTC; return what sets it to another."""

    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    use("UTC")
    yield use
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.history.db"


def test_hours_are_sums_of_what_counts_for_the_windows_and_quiet_ones_are_zero(path: Path) -> None:
    usage = Usage(1, 20, 9_999, 300, 4_000)
    found = past(path, [burned(-4.0), burned(-3.9, 7, account="bob"), burned(-1.5, usage=usage)])
    assert found == [(-4.0, 107.0), (-3.0, 0.0), (-2.0, 4_321.0), (-1.0, 0.0)]


def test_the_hour_that_runs_is_left_out(path: Path) -> None:
    assert past(path, [burned(-2.0), burned(0.2)], now=NOON + 1800.0) == [(-2.0, 100.0), (-1.0, 0.0)]


def test_weeks_count_and_no_more_than_five(path: Path) -> None:
    found = past(path, [burned(-36 * 24.0), burned(-34 * 24.0), burned(-20 * 24.0)])
    assert (found[0], len(found)) == ((-34 * 24.0, 100.0), 34 * 24)
    assert [hour for hour, tokens in found if tokens] == [-34 * 24.0, -20 * 24.0]


def test_what_was_read_from_transcripts_is_no_work_of_the_pool(path: Path) -> None:
    assert past(path, [burned(-3.0, source=TRANSCRIPTS), burned(-2.0)]) == [(-2.0, 100.0), (-1.0, 0.0)]


def test_while_the_server_was_stopped_no_hour_was_quiet(path: Path) -> None:
    runs = ((-9.0, "started"), (-6.5, "stopped"), (-3.5, "started"))
    found = past(path, [burned(-9.0), burned(-7.2), burned(-2.2)], runs)
    # From -6.5 to -3.5; the two hours that it ran a part of teach nothing, either.
    assert [hour for hour, _ in found] == [-9.0, -8.0, -3.0, -2.0, -1.0]


def test_a_stop_without_a_start_lasts_until_now(path: Path) -> None:
    assert [hour for hour, _ in past(path, [burned(-5.0)], ((-3.0, "stopped"),))] == [-5.0, -4.0]


def test_a_crash_is_a_stop_after_the_last_request(path: Path) -> None:
    found = past(path, [burned(-9.0), burned(-8.0), burned(-2.0)], ((-9.0, "started"), (-3.0, "started")))
    assert [hour for hour, _ in found] == [-9.0, -8.0, -3.0, -2.0, -1.0]


def test_hours_of_a_zone_that_is_half_an_hour_off_are_its_own(
    path: Path, zone: Callable[[str], None]
) -> None:
    zone("IST-5:30")
    found = past(path, [burned(-2.6, 5), burned(-2.4, 7)])
    assert found == [(-3.5, 5.0), (-2.5, 7.0), (-1.5, 0.0)]


def test_the_state_file_tells_of_the_time_before_the_history(path: Path) -> None:
    found = past(path, [burned(-10.0)], week=WEEK)
    assert len(found) == 168
    assert {hour for hour, tokens in found if tokens == 1.0} == {float(-hour) for hour in range(168, 10, -1)}


def test_without_a_history_there_is_the_state_files_week(path: Path) -> None:
    def missing() -> HistoryReader:
        raise HistoryError("there is no history yet")

    path.write_bytes(b"no database" * 1000)
    for open_history in (None, missing, lambda: HistoryReader(str(path))):
        assert past_demand(open_history, WEEK, NOON) == WEEK
    path.unlink()
    assert past(path, [], week=WEEK) == [((at - NOON) / HOUR, tokens) for at, tokens in WEEK]
