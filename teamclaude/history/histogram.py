"""Counts of durations in buckets whose bounds are the same everywhere, so that two of them add up.

The bounds are those of Prometheus' native histograms with schema 1: powers of the square root of 2, in
seconds.  A bucket `i` holds what is above 2 ** ((i - 1) / 2) and at most 2 ** (i / 2), so a quantile is off
by a factor of at most 1.41.

As text a histogram is `=SUM INDEX:COUNT,COUNT ...`, where a comma leads to the next bucket; several texts
with a space between are their sum, so that SQLite adds histograms up by `group_concat`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Optional

__all__ = ["FIRST", "SCHEMA", "Histogram", "bucket_bound"]

SCHEMA = 1  # of Prometheus: 2 ** SCHEMA buckets for each doubling
_PER_DOUBLING = 1 << SCHEMA
FIRST, LAST = -20, 40  # the indexes in use: 1 ms to 12 days; what lies beyond counts in the outermost


def bucket_bound(index: int) -> float:
    """Return the upper bound of a bucket in seconds."""
    return float(2.0 ** (index / _PER_DOUBLING))


_BOUNDS = [bucket_bound(index) for index in range(FIRST, LAST)]  # what is beyond is in the last bucket


class Histogram:
    """Counts by bucket and the sum of what was counted.  One thread changes it.

    Text is read when it is needed: most readers of usage never look at durations.
    """

    def __init__(self, counts: Optional[Mapping[int, int]] = None, sum: float = 0.0, text: str = "") -> None:
        self._counts = dict(counts or {})
        self._sum = sum
        self._unread: tuple[str, ...] = (text,) if text else ()

    def add(self, seconds: float) -> None:
        """Count one duration; a negative one (the clock moved) as 0."""
        self.add_all((seconds,))

    def add_all(self, durations: Iterable[float]) -> None:
        """Count several durations."""
        if self._unread:
            self._read()
        counts, total = self._counts, self._sum
        for seconds in durations:
            index = FIRST + bisect_left(_BOUNDS, seconds)
            counts[index] = counts.get(index, 0) + 1
            if seconds > 0.0:
                total += seconds
        self._sum = total

    def plus(self, other: Histogram) -> Histogram:
        """Return the sum of both; texts stay unread."""
        if not self._counts and not other._counts:
            joined = Histogram(sum=self._sum + other._sum)
            joined._unread = (*self._unread, *other._unread)
            return joined
        counts = self.buckets()
        for index, count in other.buckets().items():
            counts[index] = counts.get(index, 0) + count
        return Histogram(counts, self._sum + other.sum)

    @property
    def count(self) -> int:
        """How many were counted."""
        self._read()
        return sum(self._counts.values())

    @property
    def sum(self) -> float:
        """The sum of all durations in seconds."""
        self._read()
        return self._sum

    def buckets(self) -> dict[int, int]:
        """Return the counts by index of the bucket, in order; `bucket_bound` is its upper bound."""
        self._read()
        return dict(sorted(self._counts.items()))

    def quantile(self, q: float) -> Optional[float]:
        """Return the duration that the share `q` (0 to 1) does not exceed, in seconds; None without any.

        Within a bucket the values are taken to be spread evenly on the scale of the bounds.
        """
        self._read()
        wanted, below = q * self.count, 0
        for index, count in self.buckets().items():
            if below + count >= wanted and count:
                share = (wanted - below) / count
                return float(2.0 ** ((index - 1 + share) / _PER_DOUBLING))
            below += count
        return None

    def to_text(self) -> str:
        """Return it as text; empty without any."""
        self._read()
        if not self._counts:
            return ""
        words, before = [f"={round(self._sum, 3)}"], None
        for index, count in sorted(self._counts.items()):
            if index - 1 == before:
                words[-1] += f",{count}"
            else:
                words.append(f"{index}:{count}")
            before = index
        return " ".join(words)

    @classmethod
    def from_text(cls, text: Optional[str]) -> Histogram:
        """Return what a text, or several with a space between, stands for; ignore what is no part of one."""
        return cls(text=text or "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and (self.buckets(), self.sum) == (other.buckets(), other.sum)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Histogram({self.to_text()!r})"

    def _read(self) -> None:
        if self._unread:
            texts, self._unread = self._unread, ()
            for text in texts:
                for word in text.split():
                    try:
                        self._add_word(word)
                    except ValueError:
                        continue

    def _add_word(self, word: str) -> None:
        """Add a part of a text; raise ValueError for one that is no part of it."""
        index, colon, counts = word.partition(":")
        if colon:
            known = self._counts
            for place, count in enumerate(map(int, counts.split(",")), int(index)):
                if not FIRST <= place <= LAST:
                    place = min(LAST, max(FIRST, place))
                known[place] = known.get(place, 0) + count
        elif word.startswith("="):
            self._sum += float(word[1:])
