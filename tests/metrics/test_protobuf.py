"""The format with native histograms, read back by a small decoder of protocol buffers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from teamclaude.history.histogram import FIRST, LAST, Histogram, bucket_bound
from teamclaude.metrics.exposition import Collection, Family, HistogramValue, Value
from teamclaude.metrics.protobuf import encode

TOOK = Family("took_seconds", "histogram", "Time taken.", ("model",), "seconds")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and the place behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        number, shift, at = number | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return number, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message with their raw values."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
            yield key >> 3, value
        elif key & 7 == 1:
            yield key >> 3, struct.unpack("<d", data[at : at + 8])[0]
            at += 8
        else:
            size, at = varint(data, at)
            yield key >> 3, data[at : at + size]
            at += size


def signed(number: int) -> int:
    return number >> 1 if number % 2 == 0 else -(number + 1) >> 1


def families(family: Family, value: Value, *labels: str) -> list[dict[int, Any]]:
    found = Collection()
    found.add(family, value, *labels)
    data, at, messages = encode(found), 0, []
    while at < len(data):
        size, at = varint(data, at)
        messages.append(dict(fields(data[at : at + size])))
        at += size
    return messages


def native_buckets(histogram: bytes) -> dict[int, int]:
    """Return the counts by index, as a scraper reads the runs and differences."""
    parts = list(fields(histogram))
    runs = [dict(fields(value)) for number, value in parts if number == 12]
    packed = next((value for number, value in parts if number == 13), b"")
    deltas, at = [], 0
    while at < len(packed):
        delta, at = varint(packed, at)
        deltas.append(signed(delta))
    found: dict[int, int] = {}
    index = count = 0
    for run in runs:
        index += signed(run[1])
        for _ in range(run[2]):
            count += deltas[len(found)]
            found[index] = count
            index += 1
    return found


def histogram_of(*seconds: float) -> bytes:
    counted = Histogram()
    for each in seconds:
        counted.add(each)
    value = HistogramValue((1.0, 2.0), (1, 2, len(seconds) - 3), counted.sum, counted.buckets())
    (family,) = families(TOOK, value, "opus")
    metric = dict(fields(family[4]))
    assert dict(fields(metric[1])) == {1: b"model", 2: b"opus"}
    found: bytes = metric[7]
    return found


@pytest.mark.parametrize(
    ("family", "number", "kind", "name"),
    [
        (Family("seen", "counter", "Help é.", ("a",)), 3, 0, b"seen_total"),
        (Family("used_ratio", "gauge", "Help é.", ("a",), "ratio"), 2, 1, b"used_ratio"),
        (Family("built", "info", "Help é.", ("a",)), 2, 1, b"built_info"),
    ],
)
def test_a_sample_is_read_back(family: Family, number: int, kind: int, name: bytes) -> None:
    (found,) = families(family, 300, 'x"\n')
    assert (found[1], found[2], found[3]) == (name, "Help é.".encode(), kind)
    assert found.get(5, b"") == family.unit.encode()
    metric = dict(fields(found[4]))
    assert dict(fields(metric[1])) == {1: b"a", 2: b'x"\\n'}
    assert dict(fields(metric[number])) == {1: 300.0}


def test_a_histogram_has_both_kinds_of_buckets() -> None:
    seconds = (0.0, 0.0001, 0.5, 0.5, 0.6, 3.0, 1e9)
    histogram = histogram_of(*seconds)
    found = dict(fields(histogram))
    assert (found[1], found[2]) == (7, pytest.approx(sum(seconds)))
    shown = [dict(fields(value)) for number, value in fields(histogram) if number == 3]
    assert [(each[2], each[1]) for each in shown] == [(1.0, 1), (2.0, 3), (float("inf"), 7)]
    # Schema 1; up to 1 ms it is the zero bucket; 0.5 is 2 ** (-2 / 2); the last bucket holds the rest.
    assert (signed(found[5]), found[6], found[7]) == (1, bucket_bound(FIRST), 2)
    assert native_buckets(histogram) == {-2: 2, -1: 1, 4: 1, LAST: 1}


def test_a_histogram_without_durations_is_still_native() -> None:
    histogram = histogram_of(0.0, 0.0, 0.0)
    assert native_buckets(histogram) == {}
    assert [dict(fields(value)) for number, value in fields(histogram) if number == 12] == [{1: 0, 2: 0}]


def test_large_counts_and_steep_changes_are_read_back() -> None:
    buckets = {-3: 10**12, -2: 1, 7: 200, 8: 70_000}
    (family,) = families(TOOK, HistogramValue((1.0,), (0, 0), 0.0, buckets), "m")
    assert native_buckets(dict(fields(family[4]))[7]) == buckets
