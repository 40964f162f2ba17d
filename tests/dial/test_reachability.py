"""Which servers can't be reached: begun by a request without a connection, over with any answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from teamclaude.dial.reachability import Outage, Reachability, Restored


class Clocked(Reachability):
    """One whose clock is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(lambda: self.now)


def test_an_outage_counts_requests_from_the_first_to_the_last() -> None:
    seen = Clocked()
    seen.failed("a", "refused")
    seen.now = 1240.0
    seen.failed("a", "timed\nout")
    assert seen.outages == {"a": Outage(1000.0, 1240.0, 2, "timed out")}


def test_an_answer_ends_the_outage_of_its_own_server() -> None:
    seen = Clocked()
    seen.failed("a", "refused")
    seen.failed("b", "refused")
    seen.now = 1300.0
    seen.reached("a")
    seen.reached("c")
    assert set(seen.outages) == {"b"}
    assert seen.restored == {"a": Restored(Outage(1000.0, 1000.0, 1, "refused"), 1300.0)}


def test_a_later_outage_begins_anew() -> None:
    seen = Clocked()
    seen.failed("a", "refused")
    seen.reached("a")
    seen.now = 2000.0
    seen.failed("a", "refused")
    assert seen.outages["a"] == Outage(2000.0, 2000.0, 1, "refused")


def test_a_clock_that_is_set_back_leaves_no_outage_in_the_future() -> None:
    seen = Clocked()
    seen.failed("a", "refused")
    seen.now = 500.0
    seen.failed("a", "refused")
    assert seen.outages["a"] == Outage(500.0, 500.0, 2, "refused")


def test_what_nobody_uses_any_more_is_forgotten() -> None:
    seen = Clocked()
    for server in ("a", "b", "c", "d"):
        seen.failed(server, "refused")
    seen.reached("a")
    seen.reached("b")
    seen.keep({"a", "c"})
    assert (set(seen.outages), set(seen.restored)) == ({"c"}, {"a"})


def test_failures_of_many_threads_are_all_counted() -> None:
    seen = Reachability()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: seen.failed(n % 2, "refused"), range(400)))
    assert [seen.outages[n].failed for n in (0, 1)] == [200, 200]
