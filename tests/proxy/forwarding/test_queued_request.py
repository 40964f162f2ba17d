"""Requests that wait for an account in the event loop: they are woken, kept alive and ended there."""

from __future__ import annotations

import json
import select
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.errors import DrainingError
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
    served_but_gone.leave()
    assert third.is_woken
    assert isinstance(third.resume(), Lease)


def test_a_drain_wakes_all(router: Router) -> None:
    Waiting(router, "s0")
    one = Waiting(router, "s1")
    router.drain()
    assert one.is_woken
    with pytest.raises(DrainingError):
        one.resume()


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
    runtime = s.service.runtime
    return bool(runtime.router.waiting == 2 and runtime.context.event_loop.task_count == 1)


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
