"""Write metrics as Prometheus' protocol buffers: the one format that has native histograms.

A scraper that asks for it (Prometheus with native histograms) gets both kinds of buckets and takes the native
ones: all that are counted in, in place of the few that the text formats show.

Sources: metrics.proto (io.prometheus.client) for the numbers of the fields; "Encoding" in the documentation
of protocol buffers: a field is its number and wire type, then its value; integers are in groups of 7 bits.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache

from ..history.histogram import FIRST, SCHEMA, bucket_bound
from .exposition import MAX_REMEMBERED, Collection, Family, HistogramValue, Value

__all__ = ["encode"]

_SMALL = [bytes([number]) for number in range(0x80)]
_VARINT, _DOUBLE, _BYTES = 0, 1, 2  # wire types
_TYPES = {"counter": 0, "gauge": 1, "info": 1, "histogram": 4}  # MetricType
_VALUE_FIELDS = {"counter": 3, "gauge": 2, "info": 2, "histogram": 7}  # of Metric


def encode(collection: Collection) -> bytes:
    """Return the families, each after its length (`encoding=delimited`)."""
    families = (_family(family, samples) for family, samples in collection.families.items())
    return b"".join(_varint(len(family)) + family for family in families)


def _family(family: Family, samples: Mapping[tuple[str, ...], Value]) -> bytes:
    parts = [_text(1, family.sample_name), _text(2, family.help), _integer(3, _TYPES[family.kind])]
    for labels, value in samples.items():
        pairs = map(_label, family.labels, labels)
        content = _histogram(value) if isinstance(value, HistogramValue) else _double(1, value)
        parts.append(_bytes(4, b"".join(pairs) + _bytes(_VALUE_FIELDS[family.kind], content)))
    if family.unit:
        parts.append(_text(5, family.unit))
    return b"".join(parts)


@lru_cache(maxsize=MAX_REMEMBERED)
def _label(name: str, label: str) -> bytes:
    return _bytes(1, _text(1, name) + _text(2, label))


def _histogram(value: HistogramValue) -> bytes:
    parts, total = [], 0
    for bound, count in zip((*value.bounds, math.inf), value.counts):
        total += count
        parts.append(_bytes(3, _integer(1, total) + _double(2, bound)))
    return b"".join([_integer(1, total), _double(2, value.sum), *parts, *_native(value.native)])


def _native(buckets: Mapping[int, int]) -> Iterator[bytes]:
    """Yield schema, zero bucket, and the others: runs of buckets, and each count's difference to the last.

    The lowest bucket holds all that is at most its bound, also 0: it is the zero bucket.
    """
    yield _integer(5, _zigzag(SCHEMA))
    yield _double(6, bucket_bound(FIRST))
    yield _integer(7, buckets.get(FIRST, 0))
    end, last = 0, 0
    deltas: list[int] = []
    runs: list[list[int]] = []  # offset to the end of the one before, length
    for index in sorted(set(buckets) - {FIRST}):
        if not runs or index != end:
            runs.append([index - end, 0])
        runs[-1][1] += 1
        end = index + 1
        deltas.append(buckets[index] - last)
        last = buckets[index]
    # Without any it still has to be seen as native: one run of no buckets.
    for offset, length in runs or [[0, 0]]:
        yield _bytes(12, _integer(1, _zigzag(offset)) + _integer(2, length))
    if deltas:
        yield _bytes(13, b"".join(_varint(_zigzag(delta)) for delta in deltas))


def _varint(number: int) -> bytes:
    if number < 0x80:  # most are
        return _SMALL[number]
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | _DOUBLE) + struct.pack("<d", number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode("utf-8"))
