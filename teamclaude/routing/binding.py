"""A conversation's tie to an account: what keeps its prompt cache warm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from .rules import Rules
from .usage import NO_USAGE, Usage

__all__ = ["Binding"]


@dataclass
class Binding:
    """One conversation; a rebind changes `account` and keeps everything else."""

    conversation: str
    session: str
    agent: Optional[str]
    parent: Optional[str]
    account: str  # key
    bound_at: float
    first_seen: float
    last_used: float
    cache_life: float = 300.0
    reason: str = ""
    requests: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0
    unpriced_tokens: int = 0
    model: Optional[str] = None
    prefix: int = 0  # tokens its prompt cache holds
    moves: int = 0
    paced_at: Optional[float] = None  # last move for pacing
    inflight: int = 0

    def warm_until(self, rules: Rules) -> float:
        return self.last_used + max(self.cache_life, rules.cache_affinity_window_sec)

    def warm(self, rules: Rules, now: float) -> bool:
        """The prompt cache on its account still lives; a request in flight keeps it alive."""
        return self.inflight > 0 or now < self.warm_until(rules)

    def evict_at(self, rules: Rules) -> float:
        life = max(self.cache_life, rules.cache_affinity_window_sec)
        return self.last_used + max(rules.binding_evict_sec, 2.0 * life)

    def stored(self) -> dict[str, Any]:
        data = dict(self.__dict__, usage=list(self.usage))
        del data["inflight"]  # nothing is in flight after a restart
        return data

    @classmethod
    def restored(cls, data: Mapping[str, Any]) -> Binding:
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        known["usage"] = Usage(*known.get("usage", ()))
        known["inflight"] = 0
        return cls(**known)
