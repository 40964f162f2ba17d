"""What a running server does on a signal."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.cli.signals import serve_until_stopped
from teamclaude.errors import BadRequestError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent with kill")


class Service:
    """Ends when told to stop at once, or when its answers are finished."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.called = threading.Semaphore(0)
        self.ended = threading.Event()
        self.refusal: Optional[BadRequestError] = None

    def wait(self) -> None:
        self.ended.wait()

    def stop(self, drain_sec: Optional[float] = None) -> None:
        self.calls.append(drain_sec)
        self.called.release()
        if drain_sec == 0:
            self.ended.set()

    def reload(self) -> dict[str, Any]:
        self.calls.append("reload")
        self.called.release()
        if self.refusal:
            raise self.refusal
        return {"reloaded": True, "added": ["carol"], "removed": [], "updated": ["bob"]}


def serve(service: Service, script: Callable[[], None]) -> list[str]:
    """Serve in this thread while another one sends signals."""
    said: list[str] = []
    ready = threading.Event()

    def send() -> None:
        ready.wait()
        script()

    sender = threading.Thread(target=send)
    sender.start()
    serve_until_stopped(service, said.append, begin=ready.set)
    sender.join()
    return said


def kill(service: Service, number: int) -> None:
    os.kill(os.getpid(), number)
    assert service.called.acquire(timeout=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_and_the_second_ends(number: int) -> None:
    service = Service()

    def script() -> None:
        kill(service, number)
        assert not service.ended.is_set()
        kill(service, signal.SIGTERM)

    said = serve(service, script)
    assert service.calls == [None, 0]
    assert len(said) == 2


def test_it_ends_with_the_service() -> None:
    service = Service()
    assert serve(service, service.ended.set) == []
    assert service.calls == []


def test_other_signals_end_nothing() -> None:
    service = Service()
    noticed = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda number, frame: noticed.set())

    def script() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert noticed.wait(5)
        kill(service, signal.SIGHUP)  # comes after it: by then it has been looked at
        service.ended.set()

    try:
        assert len(serve(service, script)) == 1
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert service.calls == ["reload"]


def test_hangup_reloads_and_goes_on() -> None:
    service = Service()

    def script() -> None:
        kill(service, signal.SIGHUP)
        service.refusal = BadRequestError("Not reloaded: accounts[0].name: expected text, got 3")
        kill(service, signal.SIGHUP)
        service.ended.set()

    assert serve(service, script) == [
        "teamclaude: config read again: added carol; updated bob",
        "teamclaude: Not reloaded: accounts[0].name: expected text, got 3",
    ]


def test_signal_handlers_are_restored() -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]

    def begin() -> None:
        assert [signal.getsignal(number) for number in numbers] != before
        raise BadRequestError("the port is in use")

    with pytest.raises(BadRequestError):
        serve_until_stopped(Service(), print, begin)
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1
