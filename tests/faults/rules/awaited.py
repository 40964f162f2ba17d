"""Kinds whose right outcome the proxy does not have yet: neither drawn nor checked while named here.

A name is one of `kinds.KINDS`; the rules of that kind call `is_awaited` with it.
`python -m tests.faults.run 50 --kind NAME` runs and checks schedules of one kind all the same.
"""

from __future__ import annotations

__all__ = ["AWAITED", "is_awaited"]

AWAITED: set[str] = set()


def is_awaited(name: str) -> bool:
    """Return whether this kind is not checked yet."""
    return name in AWAITED
