"""Per-minute limits of API keys: token buckets that refill continuously, and their headers. PURE."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from ..values import dataclass

__all__ = ["KeyLimits", "TokenBucket", "rfc3339"]

_MINUTE = 60.0


def rfc3339(epoch: float) -> str:
    """Return whole seconds in UTC as the API writes them: `2026-11-23T11:27:26Z`."""
    return datetime.fromtimestamp(int(epoch), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class TokenBucket:
    """`limit` units a minute; what was spent returns at an even rate."""

    limit: int
    spent: float = 0.0
    at: float = 0.0

    def refill(self, now: float) -> None:
        """Return the units of the time since the last refill."""
        self.spent = max(0.0, self.spent - max(0.0, now - self.at) * self.limit / _MINUTE)
        self.at = now

    def take(self, units: float) -> None:
        """Spend `units`, also beyond the limit."""
        self.spent += units

    @property
    def remaining(self) -> int:
        """Whole units left, at least 0."""
        return max(0, math.floor(self.limit - self.spent))

    @property
    def full_at(self) -> float:
        """When the bucket is full again, in epoch seconds."""
        return self.at + self.spent * _MINUTE / self.limit

    def free_in(self, units: float) -> float:
        """Return the seconds until `units` fit; 0: now."""
        return max(0.0, (self.spent + units - self.limit) * _MINUTE / self.limit)


class KeyLimits:
    """The limits of one API key: requests, input tokens and output tokens per minute."""

    def __init__(
        self, requests: int = 1000, input_tokens: int = 2_000_000, output_tokens: int = 400_000
    ) -> None:
        self.buckets = {
            "requests": TokenBucket(requests),
            "input-tokens": TokenBucket(input_tokens),
            "output-tokens": TokenBucket(output_tokens),
        }

    def refusal(self, now: float) -> float | None:
        """Return the seconds until another request fits; None: it fits now."""
        for bucket in self.buckets.values():
            bucket.refill(now)
        wait = max(bucket.free_in(1) for bucket in self.buckets.values())
        return wait or None

    def charge(self, now: float, *, requests: int = 0, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Spend requests and tokens at `now`."""
        taken = {"requests": requests, "input-tokens": input_tokens, "output-tokens": output_tokens}
        for name, bucket in self.buckets.items():
            bucket.refill(now)
            bucket.take(taken[name])

    def headers(self, now: float) -> list[tuple[str, str]]:
        """Return `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-*` (upstream.md 5.1)."""
        rows: dict[str, tuple[int, int, float]] = {}
        for name, bucket in self.buckets.items():
            bucket.refill(now)
            rows[name] = (bucket.limit, bucket.remaining, bucket.full_at)
        both = (rows["input-tokens"], rows["output-tokens"])
        rows["tokens"] = (
            sum(row[0] for row in both),
            sum(row[1] for row in both),
            max(row[2] for row in both),
        )
        out = []
        for name in ("requests", "tokens", "input-tokens", "output-tokens"):
            limit, remaining, full_at = rows[name]
            prefix = f"anthropic-ratelimit-{name}"
            out.append((f"{prefix}-limit", str(limit)))
            out.append((f"{prefix}-remaining", str(remaining)))
            out.append((f"{prefix}-reset", rfc3339(math.ceil(full_at))))
        return out
