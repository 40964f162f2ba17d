"""A thread is started as soon as the system has one, woken by a signal, used again, and lets others run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from queue import Queue

import pytest

from teamclaude.threads import SHORT_TURNS, TURN_SEC, Signal, WorkerThreads, start_with_retry
from tests.waiting import until


class Scarce(threading.Thread):
    """Can be started after some attempts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def start(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("can't start new thread")


def test_starting_is_retried_until_it_works() -> None:
    pauses: list[float] = []
    assert start_with_retry(Scarce(3), pauses.append)
    assert pauses == [0.2] * 3


def test_retrying_ends_after_ten_seconds() -> None:
    pauses: list[float] = []
    assert not start_with_retry(Scarce(999), pauses.append)
    assert 10 <= sum(pauses) < 11


def test_a_signal_wakes_who_waits_for_it_until_it_is_cleared() -> None:
    signal = Signal()
    woken = threading.Event()

    def wait() -> None:
        signal.wait()
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not signal.is_set
    assert not woken.is_set()
    signal.set()
    assert woken.wait(30)
    assert signal.is_set
    signal.clear()
    assert not signal.is_set
    signal.wait(0.0)  # it returns, although nothing sets it
    thread.join(30)


class Crowd:
    """Worker threads, and which of them did each piece of work."""

    def __init__(self, **how: float) -> None:
        self.threads = WorkerThreads("crowd", **how)  # type: ignore[arg-type]
        self.done: Queue[threading.Thread] = Queue()

    def note(self) -> None:
        self.done.put(threading.current_thread())

    def next_done(self) -> threading.Thread:
        return self.done.get(timeout=30)

    def idle(self, count: int) -> None:
        until(lambda: len(self.threads._idle) == count)


@pytest.fixture
def crowd() -> Iterator[Callable[..., Crowd]]:
    made: list[Crowd] = []

    def make(**how: float) -> Crowd:
        made.append(Crowd(**how))
        return made[-1]

    yield make
    for each in made:
        each.threads.close()


def test_a_thread_that_has_ended_its_work_takes_the_next(crowd: Callable[..., Crowd]) -> None:
    c = crowd(idle_sec=60.0)
    c.threads.run(c.note)
    first = c.next_done()
    c.idle(1)
    c.threads.run(c.note)
    assert c.next_done() is first


def test_work_does_not_wait_for_other_work(crowd: Callable[..., Crowd]) -> None:
    c = crowd(idle_sec=60.0)
    meeting = threading.Barrier(3, timeout=30)

    def meet() -> None:
        meeting.wait()

    c.threads.run(meet)
    c.threads.run(meet)
    meet()
    c.idle(2)


def test_threads_without_work_end_after_a_while_or_when_there_are_enough(
    crowd: Callable[..., Crowd],
) -> None:
    short, full = crowd(idle_sec=0.0), crowd(most_idle=0, idle_sec=60.0)
    for each in (short, full):
        each.threads.run(each.note)
        each.next_done().join(30)
        assert not each.threads._idle


def test_closing_ends_the_idle_threads_and_the_others_after_their_work(crowd: Callable[..., Crowd]) -> None:
    c = crowd(idle_sec=60.0)
    c.threads.run(c.note)
    idle = c.next_done()
    c.idle(1)
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(30)
        c.note()

    c.threads.run(c.note)
    assert c.next_done() is idle
    c.idle(1)
    c.threads.run(work)
    assert begun.wait(30)
    c.threads.run(c.note)
    other = c.next_done()
    c.idle(1)
    c.threads.close()
    other.join(30)
    assert not other.is_alive()
    go_on.set()
    assert c.next_done() is idle
    idle.join(30)
    assert not idle.is_alive()


def test_work_for_which_there_is_no_thread_is_done_by_the_next_free_one_or_after_a_retry(
    crowd: Callable[..., Crowd], monkeypatch: pytest.MonkeyPatch
) -> None:
    c = crowd(idle_sec=60.0)
    begun, go_on = threading.Event(), threading.Event()

    def busy() -> None:
        begun.set()
        go_on.wait(30)

    c.threads.run(busy)
    assert begun.wait(30)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", lambda **how: Scarce(999))
        with pytest.raises(RuntimeError):
            c.threads.run(c.note)
        c.threads.put(c.note)
        assert c.done.empty()
        go_on.set()
        c.next_done()
        c.idle(1)
        go_on.clear()
        begun.clear()
        c.threads.run(busy)
        assert begun.wait(30)
        c.threads.put(c.note)
        c.threads.retry()
        assert c.done.empty()
    c.threads.retry()
    c.next_done()
    go_on.set()
    c.idle(2)


def test_turns_are_short_until_the_last_one_inside_leaves() -> None:
    usual = sys.getswitchinterval()
    inside, leave = threading.Event(), threading.Event()

    def compute() -> None:
        with SHORT_TURNS:
            inside.set()
            leave.wait(30)

    other = threading.Thread(target=compute)
    with SHORT_TURNS:
        assert sys.getswitchinterval() == pytest.approx(TURN_SEC)
        other.start()
        assert inside.wait(30)
    assert sys.getswitchinterval() == pytest.approx(TURN_SEC)
    leave.set()
    other.join(30)
    assert sys.getswitchinterval() == usual


def test_turns_are_as_before_after_an_error() -> None:
    usual = sys.getswitchinterval()
    with pytest.raises(KeyError), SHORT_TURNS:
        raise KeyError
    assert sys.getswitchinterval() == usual
