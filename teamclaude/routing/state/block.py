"""Why an account is not usable, and until when."""

from __future__ import annotations

from typing import Optional

from ...values import dataclass
from ..quota.windows import Window

__all__ = ["Block", "describe_window", "later"]


@dataclass(frozen=True)
class Block:
    """Why an account is not usable: the rule, a text, and when it ends (epoch seconds or inf)."""

    rule: str
    detail: str
    until: float


def later(one: Optional[Block], other: Optional[Block]) -> Optional[Block]:
    """Return the block that lasts longer; the first one if they end together."""
    if one is None or other is None:
        return one or other
    return one if one.until >= other.until else other


def describe_window(axis: str, window: Window) -> str:
    """Return `5h rejected, 113% used`."""
    parts = ["rejected"] if window.rejected else []
    if window.utilization is not None:
        parts.append(f"{window.utilization:.0%} used")
    return f"{axis} {', '.join(parts)}"
