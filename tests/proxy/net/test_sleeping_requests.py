"""Requests that sleep in the event loop, until they are woken, their time is over, or their client leaves."""

from __future__ import annotations

import os
import threading

import pytest

from teamclaude.proxy.net.coroutine import Deferred, Sleep, WakeUp, run_coroutine
from tests.proxy.net.loop_connection import Connect, LoopConnection, needs_epoll

pytestmark = needs_epoll


def asleep(connect: Connect) -> tuple[LoopConnection, WakeUp]:
    """Return a connection whose request sleeps in the loop, and what wakes it."""
    one, wake_up = connect(timeout=3600.0), WakeUp()
    one.last_effect = Sleep(3600.0, wake_up)
    one.asks()
    one.api_hears()
    one.api.sendall(b"yes")
    deadline = threading.Event()
    while wake_up.on_call is None and not one.task.done:
        deadline.wait(0.001)
    return one, wake_up


def test_another_thread_wakes_a_request_in_the_loop(connect: Connect) -> None:
    one, wake_up = asleep(connect)
    assert one.event_loop.task_count == 1
    wake_up()
    one.is_told(b"told yes;")
    one.asks()
    one.api_hears()  # it has not left the loop
    assert one.threads == {"event-loop"}


def test_a_request_of_the_same_loop_wakes_one_without_a_byte_in_the_pipe(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, wake_up = asleep(connect)
    written: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(data))
    other = connect()
    other.last_effect = Deferred(wake_up)
    other.asks()
    other.api_hears()
    other.api.sendall(b"1")
    one.is_told(b"told yes;")
    assert written == []


def test_the_end_of_its_time_wakes_a_request(connect: Connect) -> None:
    one, wake_up = connect(timeout=3600.0), WakeUp()
    one.last_effect = Sleep(0.0, wake_up)
    one.asks()
    one.api_hears()
    one.api.sendall(b"yes")
    one.is_told(b"told yes;")
    assert wake_up.on_call is None
    wake_up()  # too late: nothing happens


def test_a_request_that_was_woken_before_it_sleeps_goes_on(connect: Connect) -> None:
    one, wake_up = connect(timeout=3600.0), WakeUp()
    wake_up()
    one.last_effect = Sleep(3600.0, wake_up)
    one.asks()
    one.api_hears()
    one.api.sendall(b"yes")
    one.is_told(b"told yes;")


@pytest.mark.parametrize("before", [True, False])
def test_a_client_that_leaves_wakes_its_request_in_its_thread(connect: Connect, before: bool) -> None:
    one, wake_up = connect(timeout=3600.0), WakeUp()
    one.last_effect = Sleep(3600.0, wake_up)
    if not before:
        one, wake_up = asleep(connect)
    else:
        one.asks()
        one.api_hears()
        one.api.sendall(b"yes")
    one.user.close()
    task = one.ends()
    assert task.coroutine is not None
    assert wake_up.on_call is None
    assert task.effect is not None
    task.effect()  # does not block
    with pytest.raises(StopIteration):
        task.coroutine.send(None)


def test_without_a_free_descriptor_a_request_sleeps_in_its_thread(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pipe() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pipe", no_pipe)
    one, wake_up = asleep(connect)
    task = one.ends()
    wake_up()
    assert task.coroutine is not None
    assert run_coroutine(task.coroutine, task.effect) is True
    one.is_told(b"told yes;")


def test_a_request_that_sleeps_leaves_the_connection_it_gave_back_to_others(connect: Connect) -> None:
    one, _ = asleep(connect)
    one.pool.release(one.connection)
    other = connect()
    other.pool.close()
    other.pool = one.pool
    other.asks()
    one.api_hears()
    one.user.close()
    assert one.ends().coroutine is not None
    one.api.sendall(b"2")
    other.is_told(b"told 2;")
