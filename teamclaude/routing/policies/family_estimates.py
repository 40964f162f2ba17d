"""What policy `price` learns by model family, for accounts with model-scoped windows.

Such a window binds some models only: what counts is the demand for these, and how many of the active
conversations use it.  Nothing is learned while no account has such a window.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Optional

from ..quota.lenient_json import LenientObject, as_amount
from ..quota.model_prices import family_of
from ..state.account import Account
from ..state.expiring_set import ExpiringSet

__all__ = ["ACTIVE_SEC", "FamilyEstimates"]

ACTIVE_SEC = 900.0  # a conversation counts as active for so long after a request
FADE_SEC = 7 * 86400.0  # of what was burned
MAX_FAMILIES = 16  # clients name any model
LEAST_SHARE = 0.02  # of the demand, however little was seen of it


class FamilyEstimates:
    """Demand, active conversations and window sizes by model family."""

    def __init__(self) -> None:
        self.tokens: dict[str, float] = {}  # burned, fading; by family, of unknown families by model
        # By account key and family: conversations.
        self._active: defaultdict[tuple[str, str], ExpiringSet] = defaultdict(ExpiringSet)
        self._size_of_week: dict[str, float] = {}  # by axis: size against the weekly window's, where known

    def record_response(
        self, account: Account, conversation: Optional[str], model: str, burned: int, now: float
    ) -> None:
        """Count one served response of an account with model-scoped windows."""
        family = family_of(model) or model.lower()
        if family not in self.tokens and len(self.tokens) >= MAX_FAMILIES:
            del self.tokens[min(self.tokens, key=self.tokens.__getitem__)]
        self.tokens[family] = self.tokens.get(family, 0.0) + burned
        if conversation is not None:
            self._active[account.spec.key, family].set_expiry(conversation, now + ACTIVE_SEC)

    def advance(self, accounts: Iterable[Account], step: float) -> None:
        """Let `step` seconds pass."""
        if not self.tokens:
            return
        faded = 1.0 - step / FADE_SEC
        for family in self.tokens:
            self.tokens[family] *= faded
        found: dict[str, list[float]] = {}
        for account in accounts:
            week = account.cap_7d.size
            for axis, cap in account.scoped_caps.items():
                if cap.size is not None and week is not None:
                    found.setdefault(axis, []).append(cap.size / week)
        self._size_of_week = {axis: sum(parts) / len(parts) for axis, parts in found.items()}

    def demand_share(self, account: Account, axis: str) -> float:
        """Return the part of the demand that is for models which the axis binds (0-1)."""
        total = sum(self.tokens.values())
        covered = sum(n for family, n in self.tokens.items() if account.windows.covers(axis, family))
        return max(LEAST_SHARE, covered / total) if total > 0.0 else 1.0

    def active_count(self, account: Account, axis: str, now: float) -> int:
        """Return how many of the account's active conversations use the axis."""
        key, count = account.spec.key, 0
        for family in self.tokens:
            active = self._active.get((key, family))
            if active is not None and account.windows.covers(axis, family):
                count += active.count(now)
        return count

    def window_size(self, account: Account, axis: str, week: Optional[float]) -> Optional[float]:
        """Return the tokens of the axis's window; an unknown one is like the others', against the `week`."""
        cap = account.scoped_caps.get(axis)
        if cap is not None and cap.size is not None:
            return cap.size
        guess = None if week is None else week * self._size_of_week.get(axis, 1.0)
        return guess if cap is None else cap.at_least(guess)

    def to_json(self) -> dict[str, Any]:
        """Return what a restart must not lose."""
        return dict(self.tokens)

    def restore(self, saved: LenientObject) -> None:
        """Take back what `to_json` returned."""
        names = list(saved.names())[:MAX_FAMILIES]
        self.tokens = {name: saved.get(name, as_amount, 0.0) for name in names}
