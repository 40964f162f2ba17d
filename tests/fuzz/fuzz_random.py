"""Random and mutated bytes from one seeded generator: every case is reproducible."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["JSON_SIGNS", "FuzzRandom", "assert_printable"]

T = TypeVar("T")

JSON_SIGNS = (b"{", b"}", b"[", b"]", b'"', b",", b":")


def assert_printable(error: BaseException) -> None:
    """Assert that the message of a refusal can be shown."""
    assert str(error).isprintable()


class FuzzRandom(random.Random):
    """`random.Random` with what fuzzing needs."""

    def chance(self, share: float) -> bool:
        return self.random() < share

    def up_to(self, most: int, least: int = 0) -> int:
        """Return a number from `least` to `most` that is mostly small."""
        return least + int((most - least + 1) * self.random() ** 3)

    def bytes_of(self, alphabet: bytes, most: int) -> bytes:
        return bytes(self.choice(alphabet) for _ in range(self.up_to(most)))

    def noise(self, most: int) -> bytes:
        return bytes(self.randrange(256) for _ in range(self.up_to(most)))

    def pieces(self, data: bytes) -> list[bytes]:
        """Return the data cut at random places; in one of ten cases byte by byte."""
        if self.chance(0.1):
            return [data[i : i + 1] for i in range(len(data))]
        cuts = sorted(self.randrange(len(data) + 1) for _ in range(self.up_to(6)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]

    def mutated(self, data: bytes, words: Sequence[bytes]) -> bytes:
        """Return the data after a few changes: bytes flipped, lost, doubled, cut; protocol words put in."""
        for _ in range(self.up_to(4, 1)):
            at = self.randrange(len(data) + 1)
            to = min(len(data), at + self.up_to(20, 1))
            kind = self.randrange(7)
            if kind == 0 and at < len(data):
                data = data[:at] + bytes([data[at] ^ (1 << self.randrange(8))]) + data[at + 1 :]
            elif kind == 1:
                data = data[:at] + data[to:]
            elif kind == 2:
                data = data[:to] + data[at:to] + data[to:]
            elif kind == 3:
                data = data[:at] + self.choice(words) + data[at:]
            elif kind == 4:
                data = data[:at] + self.choice(words) + data[to:]
            elif kind == 5 and self.chance(0.3):
                data = data[:at]
            else:
                data = data[:at] + self.noise(3) + data[at:]
        return data
