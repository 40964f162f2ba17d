"""What errors.md asks for and the proxy does not do yet: not drawn and not judged while it is named here.

A name is a kind's (`kinds.KINDS`); the rules that it needs ask `is_awaited` with the same name.
`python -m tests.faults.run 50 --kind NAME` lives schedules of one kind, and judges them, all the same.
"""

from __future__ import annotations

__all__ = ["AWAITED", "is_awaited"]

AWAITED: set[str] = set()


def is_awaited(name: str) -> bool:
    """Whether the proxy need not do this yet."""
    return name in AWAITED
