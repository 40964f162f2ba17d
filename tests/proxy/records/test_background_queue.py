"""Items are consumed in order, by one other thread, all of them by the end."""

from __future__ import annotations

import threading
from collections import deque

from teamclaude.proxy.records.background_queue import BackgroundQueue


def test_all_are_consumed_in_order_and_not_by_the_thread_that_put_them() -> None:
    consumed: list[tuple[int, int]] = []

    def consume(items: deque[int]) -> None:
        while items:
            consumed.append((items.popleft(), threading.get_ident()))

    queue = BackgroundQueue("test", consume, 100)
    for number in range(50):
        queue.put(number)
    queue.close()
    assert [number for number, _ in consumed] == list(range(50))
    assert threading.get_ident() not in {thread for _, thread in consumed}


def test_beyond_its_length_the_oldest_is_dropped_and_a_consumer_that_hangs_blocks_no_producer() -> None:
    reached, go_on = threading.Event(), threading.Event()
    consumed: list[int] = []

    def consume(items: deque[int]) -> None:
        reached.set()
        go_on.wait(10)
        while items:
            consumed.append(items.popleft())

    queue = BackgroundQueue("test", consume, 3)
    queue.put(0)
    assert reached.wait(30)
    for number in range(1, 100):
        queue.put(number)  # would block for ever here
    go_on.set()
    queue.close()
    assert consumed == [97, 98, 99]
