"""Colours by meaning, as ANSI sequences for a terminal that shows them."""

from __future__ import annotations

__all__ = ["level", "paint"]

_SGR = {"good": "32", "warn": "33", "bad": "31", "dim": "2", "strong": "1", "": ""}
_BY_STATUS = {"active": "good", "benched": "warn", "auth_failed": "bad", "disabled": "dim"}


def paint(text: str, style: str, color: bool) -> str:
    """`text` in a style (`good`, `warn`, `bad`, `dim`, `strong`, or the status of an account)."""
    code = _SGR.get(_BY_STATUS.get(style, style), "")
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


def level(utilization: float) -> str:
    """The style of a used share: below 70 % good, below 90 % warn, then bad."""
    return "good" if utilization < 0.7 else "warn" if utilization < 0.9 else "bad"
