"""What errors.md asks for and the proxy does not do yet: not drawn and not judged while it is named here.

A name is a kind's (`kinds.KINDS`); the rules that it needs ask `is_awaited` with the same name.
`python -m tests.faults.run 50 --kind NAME` lives schedules of one kind, and judges them, all the same.
"""

from __future__ import annotations

__all__ = ["AWAITED", "is_awaited"]

AWAITED: set[str] = {
    "400 of the account",
    "402 of the account",
    "404 of the account",
    "page of an edge",
    "overage claim",
    "extra usage",
    "bare 429s",
    "bare 429 and busy slots",
    "overloads of a warm conversation",
    "refusal that trickles",
    "silent API",
    "endless retry-after",
    "until close",
    "half-closed",
    "ids of an account",
    "burst without a session",
    "codings",
}


def is_awaited(name: str) -> bool:
    """Whether the proxy need not do this yet."""
    return name in AWAITED
