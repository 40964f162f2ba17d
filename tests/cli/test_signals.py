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

    def drain(self) -> dict[str, Any]:
        return self._act("drain")

    def restart(self) -> dict[str, Any]:
        return self._act("restart")

    def _act(self, what: str) -> dict[str, Any]:
        self.calls.append(what)
        self.called.release()
        if self.refusal:
            raise self.refusal
        return {}

    def reload(self) -> dict[str, Any]:
        self.calls.append("reload")
        self.called.release()
        if self.refusal:
            raise self.refusal
        return {
            "reloaded": True,
            "added": ["carol"],
            "removed": [],
            "updated": ["bob"],
            "settings": [],
            "needsRestart": [],
        }


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
    assert service.called.acquire(timeout=30)


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
    before = signal.signal(signal.SIGURG, lambda number, frame: noticed.set())

    def script() -> None:
        os.kill(os.getpid(), signal.SIGURG)
        assert noticed.wait(30)
        kill(service, signal.SIGHUP)  # comes after it: by then it has been looked at
        service.ended.set()

    try:
        assert len(serve(service, script)) == 1
    finally:
        signal.signal(signal.SIGURG, before)
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


@pytest.mark.parametrize(("number", "call"), [(signal.SIGUSR1, "drain"), (signal.SIGUSR2, "restart")])
def test_a_drain_and_a_restart_run_beside_the_signals_and_tell_why_not(number: int, call: str) -> None:
    service = Service()
    service.refusal = BadRequestError("it stops already")

    def script() -> None:
        kill(service, number)
        kill(service, signal.SIGHUP)
        service.ended.set()

    said = serve(service, script)
    assert service.calls == [call, "reload"]
    assert "teamclaude: it stops already" in said


class LaterProcess:
    """One that has the terminal."""

    def __init__(self, did: list[Any]) -> None:
        self.did = did

    def on_signal(self, number: int) -> bool:
        self.did.append(("passed on", number))
        return False

    def wait_for_terminal(self) -> None:
        self.did.append("waited")

    def wait(self) -> None:
        """Nothing comes after it."""


def test_ctrl_z_stops_this_process_once_the_later_one_has_left_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, did = Service(), list[Any]()
    main = threading.main_thread().ident
    assert main is not None
    ready = threading.Event()

    def stop(pid: int, number: int) -> None:
        did.append((pid, number, signal.getsignal(number)))
        service.ended.set()

    def press() -> None:
        ready.wait()
        signal.pthread_kill(main, signal.SIGTSTP)

    monkeypatch.setattr(os, "kill", stop)
    threading.Thread(target=press).start()
    serve_until_stopped(service, did.append, ready.set, LaterProcess(did))
    assert did == ["waited", (os.getpid(), signal.SIGTSTP, signal.SIG_DFL)]


def test_ctrl_z_that_is_ignored_stays_so() -> None:
    service, before = Service(), signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    found: list[Any] = []

    def look() -> None:
        found.append(signal.getsignal(signal.SIGTSTP))
        service.ended.set()

    try:
        serve_until_stopped(service, found.append, look)
    finally:
        signal.signal(signal.SIGTSTP, before)
    assert found == [signal.SIG_IGN]
