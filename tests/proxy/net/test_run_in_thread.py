"""Work in a thread of its own, and a client that may leave meanwhile."""

from __future__ import annotations

import threading

import pytest

from teamclaude.errors import ClientGoneError
from teamclaude.proxy.net import run_in_thread as attend_module
from teamclaude.proxy.net.run_in_thread import run_in_thread


def nothing() -> None:
    pass


def test_the_result_comes_back() -> None:
    assert run_in_thread(lambda: 7, nothing) == 7


def test_an_error_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_thread(lambda: 1 // 0, nothing)


def test_a_client_that_leaves_is_not_waited_with_and_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attend_module, "POLL_SEC", 0.005)
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(5)
        ended.set()

    def left() -> None:
        raise ClientGoneError("left")

    with pytest.raises(ClientGoneError):
        run_in_thread(work, left)
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(5)


def test_where_no_thread_can_be_started_the_work_is_done_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert run_in_thread(threading.current_thread, nothing) is threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        run_in_thread(lambda: 1 // 0, nothing)
