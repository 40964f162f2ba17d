"""Random and mutated bytes, all drawn from one seeded generator: a case can be had again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["JSON_SIGNS", "FuzzRandom"]

T = TypeVar("T")

JSON_SIGNS = (b"{", b"}", b"[", b"]", b'"', b",", b":")


class FuzzRandom(random.Random):
    """`random.Random` with what fuzzing needs."""

    def chance(self, share: float) -> bool:
        return self.random() < share

    def up_to(self, most: int, least: int = 0) -> int:
        """A number that is mostly small."""
        return least + int((most - least + 1) * self.random() ** 3)

    def bytes_of(self, alphabet: bytes, most: int) -> bytes:
        return bytes(self.choice(alphabet) for _ in range(self.up_to(most)))

    def noise(self, most: int) -> bytes:
        return bytes(self.randrange(256) for _ in range(self.up_to(most)))

    def pieces(self, data: bytes) -> list[bytes]:
        """The data cut at random places; now and then byte by byte."""
        if self.chance(0.1):
            return [data[i : i + 1] for i in range(len(data))]
        cuts = sorted(self.randrange(len(data) + 1) for _ in range(self.up_to(6)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)])]

    def mutated(self, data: bytes, words: Sequence[bytes]) -> bytes:
        """The data after a few accidents: bytes flipped, lost, doubled or cut, words of the trade put in."""
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
