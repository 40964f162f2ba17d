"""Counts of durations: bounds, merging, quantiles, text."""

from __future__ import annotations

import math
import random

import pytest

from teamclaude.history.histogram import FIRST, LAST, Histogram, bucket_bound


def of(*durations: float) -> Histogram:
    histogram = Histogram()
    for seconds in durations:
        histogram.add(seconds)
    return histogram


def some(random_: random.Random) -> list[float]:
    return [random_.lognormvariate(0, 3) for _ in range(random_.randrange(40))]


@pytest.mark.parametrize(
    ("seconds", "index"),
    [(1.0, 0), (1.0001, 1), (math.sqrt(2), 1), (1.5, 2), (2.0, 2), (0.5, -2), (0.4999, -2), (4.0, 4)],
)
def test_a_bucket_holds_what_is_above_the_bound_before_it_and_at_most_its_own(
    seconds: float, index: int
) -> None:
    assert of(seconds).buckets() == {index: 1}


@pytest.mark.parametrize("index", range(FIRST, LAST + 1))
def test_every_bound_is_in_its_own_bucket(index: int) -> None:
    bound = bucket_bound(index)
    assert of(bound).buckets() == {index: 1}
    if index < LAST - 1:
        assert of(math.nextafter(bound, math.inf)).buckets() == {index + 1: 1}


@pytest.mark.parametrize(
    ("seconds", "index"), [(0.0, FIRST), (-5.0, FIRST), (1e-9, FIRST), (1e12, LAST), (math.nan, FIRST)]
)
def test_what_lies_beyond_the_buckets_counts_in_the_outermost(seconds: float, index: int) -> None:
    assert of(seconds).buckets() == {index: 1}


@pytest.mark.parametrize("seed", range(30))
def test_merging_is_the_same_as_counting_together(seed: int) -> None:
    random_ = random.Random(seed)
    parts = [some(random_) for _ in range(4)]
    whole = of(*(seconds for part in parts for seconds in part))
    merged = Histogram()
    for part in random_.sample(parts, 4):
        merged = merged.plus(of(*part))
    assert merged.buckets() == whole.buckets()
    assert merged.count == sum(map(len, parts))
    assert merged.sum == pytest.approx(whole.sum)


@pytest.mark.parametrize("seed", range(30))
def test_a_text_comes_back_and_texts_side_by_side_are_their_sum(seed: int) -> None:
    random_ = random.Random(seed)
    one, two = of(*some(random_)), of(*some(random_))
    both = Histogram.from_text(f"{one.to_text()} {two.to_text()}")
    assert Histogram.from_text(one.to_text()).buckets() == one.buckets()
    assert both.buckets() == one.plus(two).buckets()
    assert both.sum == pytest.approx(one.sum + two.sum, abs=0.002)


@pytest.mark.parametrize("seed", range(20))
def test_a_quantile_is_off_by_no_more_than_a_bucket(seed: int) -> None:
    random_ = random.Random(seed)
    values = sorted([*some(random_), 1.0])
    histogram = of(*values)
    for q in (0.0, 0.5, 0.9, 1.0):
        exact = values[max(0, math.ceil(q * len(values)) - 1)]
        found = histogram.quantile(q)
        assert found is not None
        assert exact / 1.42 <= max(found, bucket_bound(FIRST) / 2) <= max(exact, bucket_bound(FIRST)) * 1.42


def test_the_text_lists_buckets_side_by_side_once() -> None:
    histogram = Histogram({-3: 1, -2: 4, 0: 2, 1: 12}, 20.5)
    assert histogram.to_text() == "=20.5 -3:1,4 0:2,12"
    assert Histogram.from_text("=20.5 -3:1,4 0:2,12") == histogram


def test_an_empty_one_has_no_quantile_and_no_text() -> None:
    assert (Histogram().quantile(0.5), Histogram().to_text(), Histogram().count) == (None, "", 0)


def test_plus_changes_neither_side() -> None:
    one, two = of(1.0), of(2.0)
    one.plus(two).add(3.0)
    assert (one, two) == (of(1.0), of(2.0))


@pytest.mark.parametrize("text", ["x", "1:", ":2", "=", "=y 3:z", "1:2:3"])
def test_what_is_no_part_of_a_text_is_ignored(text: str) -> None:
    assert Histogram.from_text(f"{text} =1.5 2:1") == Histogram({2: 1}, 1.5)


def test_texts_that_were_not_read_add_up() -> None:
    texts = [Histogram.from_text(of(seconds).to_text()) for seconds in (1.0, 2.0, 4.0)]
    summed = texts[0].plus(texts[1]).plus(texts[2]).plus(of(8.0)).plus(Histogram())
    assert summed == of(1.0, 2.0, 4.0, 8.0)
    assert texts[0] == of(1.0)
