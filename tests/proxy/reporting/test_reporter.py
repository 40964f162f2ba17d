"""The reporter: nothing is lost, nobody waits, one broken observer harms no other."""

from __future__ import annotations

from typing import Any

from teamclaude.proxy.records.notices import BENCH, Notice
from teamclaude.proxy.reporting.reporter import MAX_WAITING, Observer, Reporter


class Seen(Observer):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def record(self, exchange: Any) -> None:
        self.calls.append(exchange)

    def notice(self, notice: Notice, now: float) -> None:
        self.calls.append((notice, now))

    def tick(self, now: float) -> None:
        self.calls.append(now)

    def close(self) -> None:
        self.calls.append("closed")


class Broken(Seen):
    def record(self, exchange: Any) -> None:
        super().record(exchange)
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


def test_a_reader_gets_what_waits_at_once() -> None:
    seen = Seen()
    made = reporter(seen, warnings=[])
    made.put("one")  # type: ignore[arg-type]
    made.flush()
    assert seen.calls == ["one", 5.0]


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
    for number in range(MAX_WAITING + 3):
        made.put(number)  # type: ignore[arg-type]
    made.flush()
    assert seen.calls == [*range(3, MAX_WAITING + 3), 5.0]
