"""Requests that wait for an account in the event loop: they are woken, kept alive and ended there."""

from __future__ import annotations

import json
import select
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.errors import DrainingError, WaitQueueFullError
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding import hold as hold_module
from teamclaude.proxy.forwarding import queued_request
from teamclaude.proxy.forwarding.router import Router, WaitLimits
from teamclaude.proxy.net.coroutine import RequestCoroutine, Sleep
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.pace import PacePolicy
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest
from teamclaude.routing.user_rules.routes import RequestFacts
from tests.proxy.conftest import Raw, message
from tests.proxy.request_thread import RequestThread, advance_clock

Build = Callable[..., Any]
HOUR = WaitLimits(3600.0)
NOW = 1_000_000.0


@pytest.fixture
def router() -> Router:
    """One account with one slot."""
    fleet = Fleet(Rules(max_inflight_per_account=1), PacePolicy())
    fleet.configure([AccountSpec("a", "a")])
    return Router(fleet, lambda: NOW, jitter=lambda: 0.0)


class Waiting:
    """One request that waits, as the event loop would carry it out."""

    def __init__(self, router: Router, session: str) -> None:
        self.ticks = 0
        self._steps = router.acquiring(RoutingRequest(session), HOUR, self._on_tick)
        self.sleep = self.resume()

    def _on_tick(self) -> RequestCoroutine[None]:
        self.ticks += 1
        yield from ()

    def resume(self) -> Any:
        """Return the sleep that follows, or the lease."""
        try:
            return next(self._steps)
        except StopIteration as end:
            return end.value

    @property
    def is_woken(self) -> bool:
        assert isinstance(self.sleep, Sleep)
        assert self.sleep.wake_up is not None
        return self.sleep.wake_up.is_called

    def leave(self) -> None:
        self._steps.close()


def test_a_released_slot_wakes_the_request_that_came_first_and_no_other(router: Router) -> None:
    lease = Waiting(router, "s0").sleep
    assert isinstance(lease, Lease)
    first, second = Waiting(router, "s1"), Waiting(router, "s2")
    assert (first.is_woken, second.is_woken) == (False, False)
    router.release(lease)
    assert (first.is_woken, second.is_woken) == (True, False)
    found = first.resume()
    assert isinstance(found, Lease)
    assert found.request.session == "s1"
    assert first.ticks == 0
    router.release(found)
    assert second.is_woken


def test_a_request_looks_after_its_client_and_sleeps_on(router: Router) -> None:
    Waiting(router, "s0")
    one = Waiting(router, "s1")
    assert isinstance(one.sleep, Sleep)
    assert one.sleep.seconds == queued_request.CLIENT_CHECK_SEC
    again = one.resume()
    assert isinstance(again, Sleep)
    assert again.wake_up is one.sleep.wake_up
    assert one.ticks == 1


def test_a_request_that_ends_while_it_sleeps_leaves_the_queue_and_passes_its_slot_on(router: Router) -> None:
    lease = Waiting(router, "s0").sleep
    gone, served_but_gone, third = (Waiting(router, f"s{n}") for n in (1, 2, 3))
    gone.leave()
    assert router.waiting == 2
    router.release(lease)
    assert served_but_gone.is_woken
    before = router.changes
    served_but_gone.leave()
    assert router.changes > before  # its conversation was used: that is saved
    assert third.is_woken
    assert isinstance(third.resume(), Lease)


def test_a_drain_wakes_all(router: Router) -> None:
    Waiting(router, "s0")
    one = Waiting(router, "s1")
    router.drain()
    assert one.is_woken
    with pytest.raises(DrainingError):
        one.resume()


class BriefWait:
    """A request that only lacks a slot, as the event loop would carry it out."""

    def __init__(self, router: Router, session: str) -> None:
        self._router = router
        found = router.acquire_now(RoutingRequest(session, hold_sec=3600.0), lambda: HOUR)
        assert isinstance(found, queued_request.QueuedRequest)
        self.waiter = found
        self.ticks = 0

    def _on_tick(self) -> RequestCoroutine[None]:
        self.ticks += 1
        yield from ()

    def go_on(self, **facts: Any) -> Any:
        """Return the lease after the first sleep, or the sleep that follows."""
        request = RoutingRequest(self.waiter.request.session, facts=RequestFacts(**facts))
        self._steps = self._router.acquiring(request, HOUR, self._on_tick, queued=self.waiter)
        try:
            return next(self._steps)
        except StopIteration as end:
            return end.value


def test_who_only_lacks_a_slot_is_queued_as_it_comes(router: Router) -> None:
    lease = router.acquire_now(RoutingRequest("s0", hold_sec=3600.0), lambda: HOUR)
    assert isinstance(lease, Lease)
    first, second = BriefWait(router, "s1"), Waiting(router, "s2")
    router.release(lease)
    assert (first.waiter.wake_up.is_called, second.is_woken, router.waiting) == (True, False, 1)
    found = first.waiter.lease
    assert found is not None
    assert found.request.session == "s1"
    assert first.go_on() is found, "also if that came between its sleep and the next step"
    router.leave(first.waiter)  # an error came between: the slot is passed on
    assert second.is_woken
    router.release(found)
    assert router.waiting == 0


def test_who_waits_longer_goes_on_in_its_place_with_what_the_rules_may_ask(router: Router) -> None:
    lease = Waiting(router, "s0").sleep
    brief, later = BriefWait(router, "s1"), Waiting(router, "s2")
    sleep = brief.go_on(project="/work/x")
    assert (isinstance(sleep, Sleep), brief.ticks, router.waiting) == (True, 1, 2)
    assert brief.waiter.request.facts.project == "/work/x"
    router.release(lease)
    assert (brief.waiter.wake_up.is_called, later.is_woken) == (True, False)


def test_other_rules_send_a_brief_waiter_to_ask_again(router: Router) -> None:
    Waiting(router, "s0")
    brief, longer = BriefWait(router, "s1"), Waiting(router, "s2")
    router.configure(lambda fleet: fleet.configure([AccountSpec("a", "a")]))
    assert (brief.waiter.wake_up.is_called, longer.is_woken, router.waiting) == (True, False, 1)
    assert isinstance(brief.go_on(), Sleep)
    assert router.waiting == 2
    another = BriefWait(router, "s3")
    router.pin("a", project="/work/x")
    assert another.waiter.wake_up.is_called
    router.leave(another.waiter)
    assert router.waiting == 2


def test_a_full_queue_and_a_drain_refuse_at_once(router: Router) -> None:
    Waiting(router, "s0")
    for number in range(256):
        BriefWait(router, f"w{number}")
    with pytest.raises(WaitQueueFullError, match="try again") as full:
        BriefWait(router, "one more")  # for a slot, which may come free at any moment
    assert full.value.retry_after == 5
    router.drain()
    with pytest.raises(DrainingError):
        BriefWait(router, "one more")


# --- the whole way ------------------------------------------------------------------------------------

in_loop = pytest.mark.skipif(
    not hasattr(select, "epoll"), reason="no epoll here: requests keep their threads"
)


@pytest.fixture
def loop_client(stage: Build, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Raw]]:
    """A server whose only account is closed, and a connection whose next request begins in the loop."""
    monkeypatch.setattr(queued_request, "CLIENT_CHECK_SEC", 0.02)
    s = stage("a", holdCommitSec=0.05)
    client = s.raw()
    ask(client, stream=False)
    assert client.answer().status == 200
    s.api.script.once(Fault.quota("5h", reset_in=600.0))
    RequestThread(s, session="refused")
    s.until(lambda: s.service.runtime.router.waiting == 1)
    yield s, client
    client.close()


def ask(client: Raw, **more: Any) -> None:
    body = json.dumps(message(**more)).encode()
    client.request(body=body, headers=[("X-Claude-Code-Session-Id", "s1")])


def waits_in_loop(s: Any) -> bool:
    """Return whether both do: the one that began in the loop, and the one that began in a thread."""
    runtime = s.service.runtime
    return bool(runtime.router.waiting == 2 and runtime.context.event_loop.task_count == 2)


@in_loop
def test_a_held_stream_gets_its_comments_and_its_answer_from_the_loop(
    loop_client: tuple[Any, Raw], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_module, "COMMENT_SEC", 0.01)
    s, client = loop_client
    ask(client)
    head = client.answer(head_only=True)
    assert head.status == 200
    client._until(b": held")
    client._until(b": held")
    assert waits_in_loop(s)
    advance_clock(s, clock, 601)
    client._until(b"message_stop")


@in_loop
def test_a_client_that_leaves_while_its_request_waits_in_the_loop_is_noticed(
    loop_client: tuple[Any, Raw],
) -> None:
    s, client = loop_client
    ask(client)
    s.until(lambda: waits_in_loop(s))
    client.close()
    s.until(lambda: s.service.runtime.router.waiting == 1)
