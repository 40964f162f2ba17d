"""Finished requests are told in order, from one other thread, all of them by the end."""

from __future__ import annotations

import threading

from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.records.exchange import Exchange
from teamclaude.proxy.records.exchange_queue import ExchangeQueue

HEAD = RequestHead("POST", "/v1/messages", 1, [])


def exchange() -> Exchange:
    return Exchange(HEAD, classify_path(HEAD.method, HEAD.target), 0.0)


def test_all_are_told_in_order_and_not_by_the_thread_that_served() -> None:
    told: list[tuple[Exchange, int]] = []
    herald = ExchangeQueue(lambda each: told.append((each, threading.get_ident())))
    given = [exchange() for _ in range(50)]
    for each in given:
        herald.put(each)
    herald.close()
    assert [each for each, _ in told] == given
    assert threading.get_ident() not in {thread for _, thread in told}


def test_one_that_can_not_be_told_stops_nobody() -> None:
    told: list[Exchange] = []

    def tell(each: Exchange) -> None:
        if not told:
            told.append(each)
            raise ValueError("not to be shown")
        told.append(each)

    herald = ExchangeQueue(tell)
    given = [exchange(), exchange()]
    for each in given:
        herald.put(each)
    herald.close()
    assert told == given


def test_an_endless_telling_holds_nobody_up() -> None:
    reached, go_on = threading.Event(), threading.Event()

    def tell(each: Exchange) -> None:
        reached.set()
        go_on.wait(10)

    herald = ExchangeQueue(tell)
    herald.put(exchange())
    assert reached.wait(5)
    for _ in range(100):
        herald.put(exchange())  # would wait for ever here
    go_on.set()
    herald.close()
