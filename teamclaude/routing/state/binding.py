"""A conversation's tie to an account: what keeps its prompt cache warm."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Optional

from ...settings import camel_case
from ..quota.lenient_json import LenientObject, as_count, as_flag, as_number, as_text, as_usage
from ..quota.rules import Rules
from ..quota.usage import NO_USAGE, Usage
from .decision import NEVER

__all__ = ["Binding"]

MAX_CACHE_LIFE_SEC = 3600.0


@dataclass(eq=False, repr=False)
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
    cost_estimated: bool = False
    model: Optional[str] = None
    prefix: int = 0  # tokens its prompt cache holds
    moves: int = 0
    paced_at: Optional[float] = None  # last move for pacing
    inflight: int = 0

    def life_sec(self, rules: Rules) -> float:
        """Seconds its prompt cache lives after a request."""
        return max(self.cache_life, rules.cache_affinity_window_sec)

    def warm_until(self, rules: Rules) -> float:
        return self.last_used + self.life_sec(rules)

    def is_warm(self, rules: Rules, now: float) -> bool:
        """The prompt cache on its account still lives; a request in flight keeps it alive."""
        return self.inflight > 0 or now < self.warm_until(rules)

    def expiry_times(self, rules: Rules) -> tuple[float, float]:
        """When it is no longer warm, and when it is forgotten, if it goes on as it is now."""
        if self.inflight > 0:
            return NEVER, NEVER
        life, last = self.life_sec(rules), self.last_used
        return last + life, last + max(rules.binding_evict_sec, 2.0 * life)

    def is_recent(self, rules: Rules, now: float) -> bool:
        """Used so lately that it is certainly warm and not forgotten: asked first, it spares four calls."""
        since = now - self.last_used
        return 0.0 <= since < rules.cache_affinity_window_sec and since < rules.binding_evict_sec

    def is_evicted(self, rules: Rules, now: float) -> bool:
        """Idle for so long that its next request is a new conversation's."""
        return self.expiry_times(rules)[1] <= now

    def clock_moved_back(self, now: float) -> None:
        """The clock was set back to `now`: what happened after it happened now."""
        self.last_used = min(self.last_used, now)
        if self.paced_at is not None:
            self.paced_at = min(self.paced_at, now)

    def copy_fields(self) -> dict[str, Any]:
        """What `stored` is made of, as it is now."""
        return self.__dict__.copy()

    @staticmethod
    def to_json(values: dict[str, Any], now: float) -> dict[str, Any]:
        """JSON data of a binding that was `copied` at `now`."""
        data = {_SAVED_AS[name]: value for name, value in values.items()}
        if data.pop("inflight"):  # nothing is in flight after a restart
            data["lastUsed"] = now
        return {**data, "usage": list(values["usage"])}

    @classmethod
    def from_json(cls, saved: LenientObject) -> Binding:
        conversation = saved.get("conversation", as_text, "")
        return cls(
            conversation=conversation,
            session=saved.get("session", as_text, conversation.partition("/")[0]),
            agent=saved.find("agent", as_text),
            parent=saved.find("parent", as_text),
            account=saved.get("account", as_text, ""),
            bound_at=saved.get("boundAt", as_number, 0.0),
            first_seen=saved.get("firstSeen", as_number, 0.0),
            last_used=saved.get("lastUsed", as_number, 0.0),
            cache_life=min(MAX_CACHE_LIFE_SEC, saved.get("cacheLife", as_number, 300.0)),
            reason=saved.get("reason", as_text, ""),
            requests=saved.get("requests", as_count, 0),
            usage=saved.get("usage", as_usage, NO_USAGE),
            cost=saved.get("cost", as_number, 0.0),
            unpriced_tokens=saved.get("unpricedTokens", as_count, 0),
            cost_estimated=saved.get("costEstimated", as_flag, False),
            model=saved.find("model", as_text),
            prefix=saved.get("prefix", as_count, 0),
            moves=saved.get("moves", as_count, 0),
            paced_at=saved.find("pacedAt", as_number),
        )


_SAVED_AS = {field.name: camel_case(field.name) for field in fields(Binding)}
