"""The memory of all bodies together: which body gets some, which waits, which is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Optional

import pytest

from teamclaude.errors import ClientGoneError, OverloadedError
from teamclaude.proxy.net.bodies import body_limit as module
from teamclaude.proxy.net.bodies.body_limit import BodyLimiter, BodyReservation


class Memory:
    """100 bytes for all bodies, and a clock that every tick of a waiting body advances."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limiter = BodyLimiter(lambda: 100, lambda: self.now)
        self.beats: list[Callable[[], None]] = []

    def reservation(self, *sizes: int) -> BodyReservation:
        reservation = self.limiter.reservation()
        for size in sizes:
            reservation.acquire(size, self.never)
        return reservation

    @staticmethod
    def never() -> None:
        raise AssertionError("nobody has to wait")

    def on_tick(self) -> None:
        self.now += 0.5
        if self.beats:
            self.beats.pop(0)()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.setattr(module, "POLL_SEC", 0.0)
    return Memory()


def refusal(reservation: BodyReservation, size: int, on_tick: Callable[[], None]) -> OverloadedError:
    with pytest.raises(OverloadedError) as refused:
        reservation.acquire(size, on_tick)
    return refused.value


def test_arrived_bytes_count_until_they_are_released(memory: Memory) -> None:
    first, second = memory.reservation(40, 20), memory.reservation(40)
    assert memory.limiter.used == 100
    first.release()
    first.release()
    assert memory.limiter.used == 40
    second.mark_read()
    assert memory.limiter.used == 40
    second.release()
    assert memory.limiter.used == 0


def test_memory_taken_at_once_counts_and_comes_before_nobody(memory: Memory) -> None:
    held = memory.reservation(60)
    quick = memory.limiter.reservation()
    assert len(quick.take_at_once(40) or b"") == 40
    assert memory.limiter.used == 100
    assert memory.limiter.reservation().take_at_once(1) is None
    quick.release()
    assert memory.limiter.used == 60
    waiting = memory.reservation()

    def asked_meanwhile() -> None:
        assert memory.limiter.reservation().take_at_once(1) is None
        held.release()

    memory.beats = [asked_meanwhile]
    waiting.acquire(50, memory.on_tick)


def test_a_body_that_is_read_slowly_after_all_may_be_refused_for_an_older_one(memory: Memory) -> None:
    old, young = memory.reservation(30), memory.limiter.reservation()
    assert young.take_at_once(70) is not None
    young.mark_reading()

    def refused() -> None:
        with pytest.raises(OverloadedError):
            young.check_refused()
        young.release()

    memory.beats = [lambda: None] * 2 + [refused]
    old.acquire(50, memory.on_tick)


def test_the_memory_of_the_last_large_body_is_used_again() -> None:
    limiter = BodyLimiter(lambda: 1 << 30)

    def body(size: int) -> tuple[BodyReservation, bytearray]:
        reservation = limiter.reservation()
        room = reservation.take_at_once(size)
        assert room is not None
        assert len(room) == size
        return reservation, room

    first, room = body(1_000_000)
    second, other = body(1_000_000)
    assert other is not room
    for reservation in (second, first):
        reservation.release()
    for size in (1_000_000, 1_000_001, 900_000):
        reservation, again = body(size)
        assert again is room
        reservation.release()
    view = memoryview(room)
    assert body(900_000)[1] is not room, "it could still be read"
    view.release()
    for size in (400_000, 2_000_000, 1000):
        first.release()
        reservation, other = body(size)
        assert other is not room
        reservation.release()


def test_at_the_limit_a_body_waits_for_memory(memory: Memory) -> None:
    held = memory.reservation(90)
    held.mark_read()
    late = memory.reservation()
    memory.beats = [lambda: None, held.release]
    late.acquire(50, memory.on_tick)
    assert (memory.limiter.used, memory.now) == (50, 1.0)


def test_a_body_that_waited_too_long_is_refused(memory: Memory) -> None:
    memory.reservation(90).mark_read()
    late = memory.reservation()
    refused = refusal(late, 50, memory.on_tick)
    assert (refused.status, refused.kind) == (503, "overloaded_error")
    assert list(refused.headers()) == [("Retry-After", "5")]
    assert "proxy.maxBodiesMiB" in str(refused)
    assert memory.now == 10.0
    late.release()
    assert memory.limiter.used == 90


def test_a_client_that_leaves_ends_the_wait_of_its_body(memory: Memory) -> None:
    memory.reservation(90).mark_read()
    late = memory.reservation()

    def left() -> None:
        raise ClientGoneError("left")

    with pytest.raises(ClientGoneError):
        late.acquire(50, left)
    late.release()
    assert memory.limiter.used == 90
    memory.reservation(10)


def test_of_half_read_bodies_the_youngest_is_refused_for_the_oldest(memory: Memory) -> None:
    old, middle, young = memory.reservation(30), memory.reservation(30), memory.reservation(40)

    def give_way() -> None:
        assert refusal(young, 1, memory.never)
        with pytest.raises(OverloadedError):
            young.check_refused()
        middle.check_refused()
        young.release()

    memory.beats = [lambda: None, lambda: None, give_way]
    old.acquire(30, memory.on_tick)
    assert memory.limiter.used == 90
    assert memory.now == 1.5


def test_only_one_body_is_refused_at_a_time(memory: Memory) -> None:
    old, middle, young = memory.reservation(30), memory.reservation(30), memory.reservation(40)
    memory.beats = [lambda: None] * 6 + [young.release]
    old.acquire(30, memory.on_tick)
    middle.check_refused()


def test_after_a_refused_body_is_released_the_next_may_be_refused(memory: Memory) -> None:
    old, middle, young = (memory.reservation(0, 0, size) for size in (30, 30, 40))

    def next_gives_way() -> None:
        with pytest.raises(OverloadedError):
            middle.check_refused()
        middle.release()

    memory.beats = [lambda: None, lambda: None, young.release, lambda: None, next_gives_way]
    old.acquire(70, memory.on_tick)
    assert memory.limiter.used == 100


def test_no_body_is_refused_for_the_youngest(memory: Memory) -> None:
    old, young = memory.reservation(50), memory.reservation(50)
    refusal(young, 10, memory.on_tick)
    old.check_refused()


def test_a_complete_body_is_not_refused_for_another(memory: Memory) -> None:
    old, whole = memory.reservation(50), memory.reservation(50)
    whole.mark_read()
    refusal(old, 10, memory.on_tick)
    whole.check_refused()


def test_a_slow_body_is_refused_even_for_a_younger_one(memory: Memory) -> None:
    slow, quick = memory.reservation(50), memory.reservation(50)
    memory.now = 10.0
    quick.mark_progress(memory.now)
    young = memory.reservation()

    def give_way() -> None:
        with pytest.raises(OverloadedError):
            slow.check_refused()
        quick.check_refused()
        slow.release()

    memory.beats = [lambda: None, lambda: None, give_way]
    young.acquire(10, memory.on_tick)


def test_an_announced_body_without_bytes_is_not_refused_for_another(memory: Memory) -> None:
    old = memory.reservation(50)
    for _ in range(99):
        memory.reservation(0)
    full = memory.reservation(50)
    full.mark_read()
    refusal(old, 10, memory.on_tick)
    assert memory.limiter.used == 100


def test_memory_goes_to_the_older_of_two_waiting_bodies() -> None:
    limiter = BodyLimiter(lambda: 100)
    held, old, young = limiter.reservation(), limiter.reservation(), limiter.reservation()
    held.acquire(100, lambda: None)
    held.mark_read()
    order: list[str] = []

    def take(name: str, reservation: BodyReservation, after: Optional[threading.Event] = None) -> None:
        reservation.acquire(60, lambda: None)
        order.append(name)

    threads = [threading.Thread(target=take, args=("young", young))]
    threads[0].start()
    while len(limiter._waiting) < 1:
        pass
    threads.append(threading.Thread(target=take, args=("old", old)))
    threads[1].start()
    while len(limiter._waiting) < 2:
        pass
    held.release()
    threads[1].join(30)
    assert order == ["old"]
    old.release()
    threads[0].join(30)
    assert order == ["old", "young"]


def test_many_bodies_at_once_are_read_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 bodies of 30 bytes in a memory of 100: no wait is endless, the limit holds, and most are read."""
    monkeypatch.setattr(module, "STALL_SEC", 0.02)
    monkeypatch.setattr(module, "POLL_SEC", 0.005)
    limiter = BodyLimiter(lambda: 100)
    ends: list[str] = []
    most: list[int] = []

    def upload() -> None:
        reservation = limiter.reservation()
        try:
            for _ in range(3):
                reservation.acquire(10, lambda: None)
                most.append(limiter.used)
            reservation.mark_read()
            ends.append("whole")
        except OverloadedError:
            ends.append("refused")
        reservation.release()

    threads = [threading.Thread(target=upload) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(ends) == 40
    assert max(most) <= 100
    assert limiter.used == 0
    assert ends.count("whole") >= 3
