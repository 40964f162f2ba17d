"""How a request waits in a thread of its own: until it is woken, and for work that another thread does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.errors import ClientGoneError
from teamclaude.proxy.net.coroutine import (
    RequestCoroutine,
    Sleep,
    WakeUp,
    run_coroutine,
    run_in_background,
)
from teamclaude.proxy.net.socket_wait import ClientWatch


def no_tick() -> RequestCoroutine[None]:
    yield from ()


def test_a_sleeping_thread_is_woken() -> None:
    wake_up = WakeUp()
    sleeping = threading.Thread(target=Sleep(3600.0, wake_up), daemon=True)
    sleeping.start()
    wake_up()
    sleeping.join(30)
    assert not sleeping.is_alive()
    Sleep(3600.0, wake_up)()  # it was called already


def test_a_sleep_without_a_wake_up_ends_when_its_client_leaves(
    tcp_pair: Callable[[], tuple[socket.socket, socket.socket]],
) -> None:
    user, here = tcp_pair()
    user.close()
    with pytest.raises(ClientGoneError):
        Sleep(3600.0, watch=ClientWatch(here))()


# --- work in the background ---------------------------------------------------------------------------


def test_its_result_comes_back() -> None:
    assert run_coroutine(run_in_background(lambda: 7, no_tick)) == 7


def test_its_error_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        run_coroutine(run_in_background(lambda: 1 // 0, no_tick))


def test_it_only_sleeps_meanwhile() -> None:
    may_end = threading.Event()
    steps = run_in_background(lambda: may_end.wait(5), no_tick)
    effects: list[Any] = [next(steps), next(steps)]
    assert [type(effect) for effect in effects] == [Sleep, Sleep]
    may_end.set()
    effects[0].wake_up.wait(5)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value is True


def test_it_goes_on_after_the_client_has_left() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(5)
        ended.set()

    def left() -> RequestCoroutine[None]:
        raise ClientGoneError("left")

    steps = run_in_background(work, left)
    next(steps)
    with pytest.raises(ClientGoneError):
        next(steps)
    may_end.set()
    assert ended.wait(30)


def test_where_no_thread_can_be_started_it_is_done_where_a_request_may_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    steps = run_in_background(threading.current_thread, no_tick)
    assert next(steps) is threading.current_thread  # an effect: not done here
