"""The reporter: nothing is lost, nobody waits, one broken observer harms no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from teamclaude.proxy.records.notices import BENCH, Notice
from teamclaude.proxy.reporting.reporter import MAX_WAITING, PIECE, Observer, Reporter


class Seen(Observer):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def record_all(self, exchanges: Sequence[Any]) -> None:
        self.calls += exchanges

    def notice(self, notice: Notice, now: float) -> None:
        self.calls.append((notice, now))

    def tick(self, now: float) -> None:
        self.calls.append(now)

    def close(self) -> None:
        self.calls.append("closed")


class Broken(Seen):
    def record_all(self, exchanges: Sequence[Any]) -> None:
        super().record_all(exchanges)
        raise RuntimeError("no space")


def reporter(*observers: Observer, warnings: list[str]) -> Reporter:
    made = Reporter(lambda: 5.0, warnings.append)
    for observer in observers:
        made.add(observer)
    return made


def test_requests_and_notices_come_in_order_and_are_closed_after_the_rest() -> None:
    seen, warnings = Seen(), list[str]()
    made, one, other = reporter(seen, warnings=warnings), object(), object()
    notice = Notice(BENCH, "alice 1m", "429")
    made.put(one)  # type: ignore[arg-type]
    made.put_notice(notice, 4.0)
    made.put(other)  # type: ignore[arg-type]
    made.close()
    assert seen.calls == [one, (notice, 4.0), other, 5.0, "closed"]
    assert not warnings


def test_a_started_reporter_delivers_in_its_own_thread_until_it_is_closed() -> None:
    seen = Seen()
    made = reporter(seen, warnings=[])
    made.start()
    made.put("one")  # type: ignore[arg-type]
    made.close()
    assert seen.calls[0] == "one"
    assert seen.calls[-1] == "closed"


def test_under_load_a_request_hands_over_what_waits_unless_another_thread_does() -> None:
    seen = Seen()
    made = reporter(seen, warnings=[])
    with made._deliver_lock:
        for number in range(PIECE + 1):
            made.put(number)  # type: ignore[arg-type]
        assert seen.calls == []
    made.put(PIECE + 1)  # type: ignore[arg-type]
    assert seen.calls == list(range(PIECE))
    made.flush()
    assert seen.calls == [*range(PIECE + 2), 5.0]


def test_a_reader_gets_what_waits_at_once() -> None:
    seen = Seen()
    made = reporter(seen, warnings=[])
    made.put("one")  # type: ignore[arg-type]
    made.flush()
    assert seen.calls == ["one", 5.0]


def test_many_requests_are_handed_over_in_pieces_that_a_notice_ends() -> None:
    pieces: list[int] = []

    class Counting(Seen):
        def record_all(self, exchanges: Sequence[Any]) -> None:
            pieces.append(len(exchanges))

    made, notice = reporter(Counting(), warnings=[]), Notice(BENCH, "alice 1m", "429")
    for number in range(2 * PIECE + 10):
        made.put(number)  # type: ignore[arg-type]
    made.put_notice(notice, 4.0)
    made.put(0)  # type: ignore[arg-type]
    made.flush()
    assert pieces == [PIECE, PIECE, 10, 1]


def test_an_observer_that_raises_is_reported_once_and_the_others_go_on() -> None:
    broken, seen, warnings = Broken(), Seen(), list[str]()
    made = reporter(broken, seen, warnings=warnings)
    for item in ("one", "two"):
        made.put(item)  # type: ignore[arg-type]
    made.flush()
    assert broken.calls == ["one", "two", 5.0]
    assert seen.calls == ["one", "two", 5.0]
    assert warnings == ["Broken failed (RuntimeError: no space); what it counts may be too low"]


def test_the_queue_is_bounded() -> None:
    seen = Seen()
    made = reporter(seen, warnings=[])
    with made._deliver_lock:  # another thread delivers
        for number in range(MAX_WAITING + 3):
            made.put(number)  # type: ignore[arg-type]
    made.flush()
    assert seen.calls == [*range(3, MAX_WAITING + 3), 5.0]
