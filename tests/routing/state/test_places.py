"""Places of conversations that wait, also while their clients are away."""

from __future__ import annotations

import json

from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.state.decision import RoutingRequest
from teamclaude.routing.state.places import MAX_PLACES, Places
from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue

HOUR = 3600.0


def test_a_place_is_kept_while_the_client_is_away():
    places = Places(2 * HOUR)
    places.record("s", 1000.0, 1600.0)
    assert places.since("s", 1600.0 + 2 * HOUR, 1600.0 + 2 * HOUR) == 1000.0
    assert places.since("other", 5000.0, 5000.0) == 5000.0
    assert places.since(None, 5000.0, 5000.0) == 5000.0


def test_a_place_ends_with_its_life():
    places = Places(2 * HOUR)
    places.record("s", 1000.0, 1600.0)
    assert places.since("s", 9000.0, 1601.0 + 2 * HOUR) == 9000.0
    places.record("t", 9000.0, 1601.0 + 2 * HOUR)
    assert len(places) == 1


def test_each_attempt_prolongs_it():
    places = Places(2 * HOUR)
    for attempt in range(5):
        places.record("s", 1000.0 + attempt * HOUR, 1000.0 + attempt * HOUR)
    assert places.since("s", 6 * HOUR, 6 * HOUR) == 1000.0


def test_a_request_older_than_the_place_keeps_its_own_age():
    places = Places(2 * HOUR)
    places.record("s", 1000.0, 1000.0)
    assert places.since("s", 900.0, 1000.0) == 900.0


def test_a_conversation_that_was_served_begins_anew():
    places = Places(2 * HOUR)
    places.record("s", 1000.0, 1000.0)
    places.discard("s")
    places.discard("s")
    assert places.since("s", 1100.0, 1100.0) == 1100.0


def test_without_a_life_nothing_is_kept():
    places = Places()
    places.record("s", 1000.0, 1000.0)
    assert len(places) == 0


def test_their_number_is_bounded():
    places = Places(2 * HOUR)
    for number in range(MAX_PLACES + 5):
        places.record(f"s{number}", 1000.0, 1000.0)
    assert len(places) == MAX_PLACES
    assert places.since("s4", 2000.0, 2000.0) == 2000.0
    assert places.since("s5", 2000.0, 2000.0) == 1000.0


def test_a_clock_that_moves_back_takes_nothing_but_the_future():
    places = Places(2 * HOUR)
    places.record("s", 1000.0, 3000.0)
    places.clock_moved_back(500.0)
    assert places.since("s", 500.0, 500.0) == 500.0
    assert places.since("s", 500.0 + 3 * HOUR, 500.0 + 3 * HOUR) == 500.0 + 3 * HOUR


def test_a_restart_keeps_them():
    places, again = Places(2 * HOUR), Places(2 * HOUR)
    places.record("s", 1000.0, 3000.0)
    rows = json.loads(json.dumps(places.to_json(3000.0)))
    again.restore(LenientObject({"places": [*rows, {"since": 4}]}, "state", []).rows("places"))
    assert again.to_json(3000.0) == places.to_json(3000.0)


def test_one_that_is_kept_outlives_its_last_attempt():
    places = Places(2 * HOUR)
    places.record("s", 1000.0, 1000.0)
    places.keep("s")
    places.keep("unknown")
    later = 1000.0 + 5 * HOUR
    places.record("t", later, later)
    assert places.since("s", later, later) == 1000.0
    assert len(places) == 2
    places.record("s", later, later)  # it is tried by itself, or leaves
    assert places.since("s", later + HOUR, later + HOUR) == 1000.0
    assert places.since("s", later + 3 * HOUR, later + 3 * HOUR) == later + 3 * HOUR


def test_one_that_is_kept_may_be_served_or_saved():
    places, again = Places(2 * HOUR), Places(2 * HOUR)
    for name in ("s", "t"):
        places.record(name, 1000.0, 2000.0)
        places.keep(name)
    places.discard("t")
    places.clock_moved_back(900.0)
    rows = places.to_json(5000.0)
    assert rows == [{"conversation": "s", "since": 900.0, "tried": 5000.0}]
    again.restore(LenientObject({"places": rows}, "state", []).rows("places"))
    assert again.since("s", 6000.0, 6000.0) == 900.0


def test_who_gives_up_after_a_long_wait_keeps_the_place(make_pool):
    pool = make_pool("a")
    pool.quota("a", "5h", 1.0, 5 * HOUR, "rejected")
    queue, began = WaitQueue(pool.fleet), pool.now
    waiters = [Waiter(RoutingRequest(name), WaitLimits(6 * HOUR), pool.now) for name in ("s", "t")]
    for waiter in waiters:
        queue.enter(waiter, pool.now)
        queue.add(waiter)
    pool.wait(3 * HOUR)  # longer than a place is kept; nothing has happened, so nobody was tried
    places = pool.fleet.gate_queue.places
    queue.leave(waiters[0], pool.now)
    assert list(queue.waiters) == waiters[1:]
    assert [places.since(name, pool.now, pool.now) for name in ("s", "t")] == [began, pool.now]
    queue.record_places(pool.now)
    assert places.since("t", pool.now, pool.now) == began
