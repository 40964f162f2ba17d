"""Deliveries run beside everything else, a few at once, and their failures do not flood."""

from __future__ import annotations

import threading

import pytest

from teamclaude.accounts.config.config import AlertConfig, Config, parse_config
from teamclaude.alerts.delivery import MAX_AT_ONCE, MAX_WAITING, Delivery, Job, deliver
from tests.alerts.receivers import receiver, status, wait_until


def job(place: int = 1, program: str = "page") -> Job:
    made = AlertConfig(when="hold", run=(program,))
    return Job(place, made, "hold", b'{"event": "hold"}', Config())


class Gate:
    """A way of delivering that waits until it is opened, and then fails with `problem`."""

    def __init__(self, problem: str = "") -> None:
        self.problem = problem
        self.open = threading.Event()
        self.now = 0.0
        self.running = self.most = self.done = 0
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        self.delivery = Delivery(self.warnings.append, lambda: self.now, self._deliver)

    def _deliver(self, job: Job, cancelled: threading.Event) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.open.wait(10)
        with self._lock:
            self.running -= 1
            self.done += 1
        return self.problem


def test_a_few_run_at_once_the_rest_waits_and_more_is_dropped() -> None:
    gate = Gate()
    for _ in range(MAX_AT_ONCE + MAX_WAITING + 20):
        gate.delivery.put(job())
    wait_until(lambda: gate.running == MAX_AT_ONCE)
    gate.open.set()
    wait_until(lambda: not gate.delivery._waiting and not gate.running)
    assert gate.most == MAX_AT_ONCE
    assert MAX_WAITING <= gate.done <= MAX_AT_ONCE + MAX_WAITING
    assert gate.warnings == ["alert 1 (hold) failed: dropped, too many wait"]
    wait_until(lambda: gate.delivery.delivered == gate.done)
    assert gate.delivery.failed == MAX_AT_ONCE + MAX_WAITING + 20 - gate.done


def test_no_thread_stays_while_nothing_happens() -> None:
    gate = Gate()
    gate.open.set()
    gate.delivery.put(job())
    wait_until(lambda: gate.done == 1)
    wait_until(lambda: not any(thread.name == "alert" for thread in threading.enumerate()))
    gate.delivery.put(job())
    wait_until(lambda: gate.done == 2)


def test_failures_are_one_line_a_minute() -> None:
    gate = Gate("exit status 1")
    gate.open.set()
    for place in (1, 2, 3):
        gate.delivery.put(job(place))
        wait_until(lambda place=place: gate.done == place)
    gate.now = 61.0
    wait_until(lambda: gate.delivery._unwarned == 2)
    gate.delivery.put(job(2))
    wait_until(lambda: len(gate.warnings) == 2)
    assert gate.warnings == [
        "alert 1 (hold) failed: exit status 1",
        "alert 2 (hold) failed: exit status 1 (2 more failed before)",
    ]


def test_a_defect_in_delivering_is_a_failure_like_others() -> None:
    warnings: list[str] = []

    def broken(job: Job, cancelled: threading.Event) -> str:
        raise RuntimeError("secret")

    delivery = Delivery(warnings.append, deliver=broken)
    delivery.put(job())
    wait_until(lambda: warnings)
    assert warnings == ["alert 1 (hold) failed: internal error: RuntimeError"]


def test_the_end_cuts_what_does_not_end() -> None:
    warnings: list[str] = []

    def until_cancelled(job: Job, cancelled: threading.Event) -> str:
        return "cut" if cancelled.wait(10) else ""

    delivery = Delivery(warnings.append, deliver=until_cancelled)
    for _ in range(MAX_AT_ONCE + 1):
        delivery.put(job())
    delivery.close()
    assert delivery._running == 0
    assert not delivery._waiting
    delivery.put(job())
    assert not delivery._waiting, "nothing is taken any more"


def test_a_failed_post_names_its_host_alone() -> None:
    with receiver(status(404)) as server:
        url = server.url("/services/T0/SECRETSECRET").replace("127", "me:password@127", 1)
        config = parse_config({"alerts": [{"when": "hold", "url": url}]}, "x")
        (alert,) = config.alerts
        warnings: list[str] = []
        delivery = Delivery(warnings.append)
        delivery.put(Job(1, alert, "hold", b"{}", config))
        wait_until(lambda: warnings)
    assert warnings == ["alert 1 (hold) failed: 127.0.0.1: it answered 404"]


@pytest.mark.usefixtures("private_home")
def test_a_program_is_run() -> None:
    assert deliver(job(program="true"), threading.Event()) == ""
    assert deliver(job(program="false"), threading.Event()) == "false: exit status 1"
