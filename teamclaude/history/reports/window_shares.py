"""Which part of the quota windows a row of a report used.

What an account's windows grew is divided among the rows that share the account by the tokens that move a
window (`Usage.burn`): an estimate.  What other programs used of that account is in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...values import NamedTuple

__all__ = ["AXES", "Share", "divided"]

AXES = ("5h", "7d")


class Share(NamedTuple):
    """How much of windows was used: 1.0 is one account's window."""

    used: float
    estimated: bool = False

    def plus(self, other: Share) -> Share:
        """Return the sum."""
        return Share(self.used + other.used, self.estimated or other.estimated)


def divided(growth: float, parts: Mapping[int, int]) -> dict[int, Share]:
    """Divide what one account used among rows by their burn; whole if there is only one."""
    total = sum(parts.values())
    if len(parts) == 1:
        return {row: Share(growth) for row in parts}
    return {row: Share(growth * burn / total, True) for row, burn in parts.items() if total}
