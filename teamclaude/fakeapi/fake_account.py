"""An account of the fake API: its quota windows, its refusals and its rate-limit headers. PURE.

Rules:
1. A window fills with uncached input, cache writes and output; cache reads count nothing.
2. The 5h window opens at the first use and ends five hours later; until then there is none.
   Weekly windows (7d and the model-scoped ones) are fixed: they end on their own schedule
   whether or not they were used.
3. A request is refused when a window that covers it is full at its arrival.  Requests in
   progress finish, so a utilization above 1 is possible.
4. Header names and formats are those of the real API as far as they are publicly known
   (`anthropic-ratelimit-unified-*`; utilization a fraction rounded to 0.01, resets in epoch
   seconds).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ..values import dataclass, field, replace
from .key_limits import KeyLimits
from .prompt_cache import PromptCache, TokenUsage

__all__ = ["FIVE_HOURS", "WEEK", "FakeAccount", "QuotaRefusal", "QuotaWindow"]

FIVE_HOURS = 18_000
WEEK = 604_800
THRESHOLDS = (0.75, 0.9, 1.0)

Headers = list[tuple[str, str]]

_CLAIMS = {"5h": "five_hour", "7d": "seven_day", "7d_oi": "seven_day_overage_included"}
_UNIFIED = "anthropic-ratelimit-unified"


@dataclass
class QuotaWindow:
    """One quota window; `pattern` names the models it covers (empty: all)."""

    axis: str
    limit: int
    length: int
    pattern: str = ""
    used: float = 0.0
    reset_at: int | None = None

    @property
    def utilization(self) -> float:
        """The used share; 1 is full."""
        return self.used / self.limit

    @property
    def full(self) -> bool:
        """Whether a request is refused for this window."""
        return self.used >= self.limit

    @property
    def claim(self) -> str:
        """The window's name in `representative-claim`."""
        return _CLAIMS.get(self.axis) or self.axis.replace("7d", "seven_day", 1)

    def covers(self, model: str) -> bool:
        """Return whether requests for `model` fill this window."""
        return not self.pattern or re.search(self.pattern, model) is not None

    def roll(self, now: float) -> None:
        """End the window when its time is over; a weekly one begins again at once."""
        if self.reset_at is None or now < self.reset_at:
            return
        self.used = 0.0
        if self.length == FIVE_HOURS:
            self.reset_at = None
        else:
            self.reset_at += self.length * (int((now - self.reset_at) // self.length) + 1)

    def open(self, now: float) -> None:
        """Begin the window unless it is open."""
        if self.reset_at is None:
            self.reset_at = int(now) + self.length

    def status(self, *, refused: bool) -> str:
        """Return the value of the window's `status` header; `refused`: on a 429."""
        if refused and self.full:
            return "rejected"
        return "allowed_warning" if self.surpassed_threshold() else "allowed"

    def surpassed_threshold(self) -> float | None:
        """Return the highest threshold that was passed."""
        passed = [t for t in THRESHOLDS if self.utilization >= t]
        return passed[-1] if passed else None


@dataclass(frozen=True)
class QuotaRefusal:
    """Why a request gets a 429: the full axis, `minute` (API key) or `burst` (no header says why)."""

    axis: str
    retry_after: int | None = None


@dataclass
class FakeAccount:
    """One account behind the fake API.

    `model_scoped` maps an axis to (regex of model ids, tokens a week).  `max_inflight` is the
    burst limit: above it the answer is a 429 without a rate-limit header.  `weekly_reset` is one
    end of the weekly window in epoch seconds; without it the week begins at the first use.
    """

    name: str
    token: str
    kind: str = "oauth"
    five_hour_tokens: int = 10_000_000
    weekly_tokens: int = 100_000_000
    model_scoped: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    max_inflight: int | None = None
    weekly_reset: float | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)

    def __post_init__(self) -> None:
        reset = None if self.weekly_reset is None else int(self.weekly_reset)
        self.windows = {
            "5h": QuotaWindow("5h", self.five_hour_tokens, FIVE_HOURS),
            "7d": QuotaWindow("7d", self.weekly_tokens, WEEK, reset_at=reset),
        }
        for axis, (pattern, tokens) in self.model_scoped.items():
            self.windows[axis] = QuotaWindow(axis, tokens, WEEK, pattern, reset_at=reset)
        self.cache = PromptCache()
        self.inflight = 0
        self.tokens = {self.token}
        self.threads: set[str] = set()  # ids of the messages from which a thread can go on
        self.overage_disabled = "org_level_disabled"

    # --- credentials ---------------------------------------------------------------------

    def issue_token(self, token: str) -> None:
        """Make another token valid, beside those already issued."""
        self.tokens.add(token)
        self.token = token

    def revoke_token(self, token: str) -> None:
        """Make a token invalid."""
        self.tokens.discard(token)

    # --- quota ---------------------------------------------------------------------------

    def refusal(self, model: str, now: float) -> QuotaRefusal | None:
        """Return why a request for `model` is refused at `now`; None: it is admitted."""
        if self.max_inflight is not None and self.inflight >= self.max_inflight:
            return QuotaRefusal("burst")
        if self.kind == "apikey":
            wait = self.limits.refusal(now)
            return None if wait is None else QuotaRefusal("minute", max(1, math.ceil(wait)))
        full = [w for w in self._covering(model, now) if w.full]
        if not full:
            return None
        # Refused until the last of the full windows has ended.
        last = max(full, key=lambda w: w.reset_at or 0)
        return QuotaRefusal(last.axis, max(1, math.ceil((last.reset_at or now) - now)))

    def usable(self, model: str, now: float, ceiling: float = 1.0) -> bool:
        """Return whether quota alone admits a request for `model`; the burst limit does not count.

        `ceiling` is the utilization, as headers show it, at which a window counts as used up.
        """
        if self.kind == "apikey":
            return self.limits.refusal(now) is None
        windows = self._covering(model, now)
        return not any(window.full or round(window.utilization, 2) >= ceiling for window in windows)

    def charge(self, model: str, usage: TokenUsage, now: float) -> None:
        """Charge the tokens of an answer; output may follow in a later call."""
        if self.kind == "apikey":
            self.limits.charge(now, input_tokens=usage.charged_input, output_tokens=usage.output)
            return
        for window in self._covering(model, now):
            window.open(now)
            window.used += usage.charged_input + usage.output

    def fill(self, axis: str, utilization: float, now: float, *, reset_in: float | None = None) -> None:
        """Set a window as if the account had been used elsewhere; it ends in `reset_in` seconds."""
        window = self.windows[axis]
        window.roll(now)
        if reset_in is not None:
            window.reset_at = int(now + reset_in)
        window.open(now)
        window.used = utilization * window.limit

    def current_windows(self, now: float) -> list[QuotaWindow]:
        """Return copies of the windows as they are at `now`."""
        for window in self.windows.values():
            window.roll(now)
        return [replace(window) for window in self.windows.values()]

    def begin_request(self, now: float) -> None:
        """Admit a request: it occupies an in-flight slot until `end_request`."""
        self.inflight += 1
        if self.kind == "apikey":
            self.limits.charge(now, requests=1)

    def end_request(self) -> None:
        """Free the in-flight slot of a request."""
        self.inflight -= 1

    def _covering(self, model: str, now: float) -> list[QuotaWindow]:
        for window in self.windows.values():
            window.roll(now)
        return [window for window in self.windows.values() if window.covers(model)]

    # --- headers -------------------------------------------------------------------------

    def headers(self, model: str, now: float, refusal: QuotaRefusal | None = None) -> Headers:
        """Return the rate-limit headers of an answer; none for a burst refusal."""
        retry = [] if refusal is None or refusal.retry_after is None else [_retry(refusal)]
        if refusal is not None and refusal.axis == "burst":
            return retry
        if self.kind == "apikey":
            return [*retry, *self.limits.headers(now)]
        return [*retry, *self._unified(self._covering(model, now), refusal)]

    def refused_headers(
        self, model: str, now: float, axis: str, *, utilization: float = 1.13, reset_in: float = 3600.0
    ) -> Headers:
        """Return the headers of a 429 as if `axis` were full, whatever its state."""
        windows = [replace(window) for window in self._covering(model, now)]
        named = next((w for w in windows if w.axis == axis), None)
        if named is None:
            named = QuotaWindow(axis, 1_000_000, WEEK)
            windows.append(named)
        named.used = utilization * named.limit
        named.reset_at = int(now + reset_in)
        refusal = QuotaRefusal(axis, max(1, math.ceil(named.reset_at - now)))
        return [_retry(refusal), *self._unified(windows, refusal)]

    def _unified(self, windows: list[QuotaWindow], refusal: QuotaRefusal | None) -> Headers:
        refused = refusal is not None
        out: Headers = []
        for window in windows:
            out.extend(_axis_headers(window, refused))
        named = _representative(windows, refusal)
        out.insert(0, (f"{_UNIFIED}-status", named.status(refused=refused)))
        if named.reset_at is not None:
            out.append((f"{_UNIFIED}-reset", str(named.reset_at)))
        out.append((f"{_UNIFIED}-representative-claim", named.claim))
        out.append((f"{_UNIFIED}-fallback-percentage", "0.5"))
        if refused:
            out.append((f"{_UNIFIED}-overage-status", "rejected"))
            out.append((f"{_UNIFIED}-overage-disabled-reason", self.overage_disabled))
            out.append((f"{_UNIFIED}-upgrade-paths", "upgrade_plan"))
        return out


def _representative(windows: list[QuotaWindow], refusal: QuotaRefusal | None) -> QuotaWindow:
    if refusal is not None:
        return next(w for w in windows if w.axis == refusal.axis)
    return max(windows, key=lambda w: (w.surpassed_threshold() or 0.0, w.axis == "5h"))


def _axis_headers(window: QuotaWindow, refused: bool) -> Headers:
    prefix = f"{_UNIFIED}-{window.axis}"
    out = [(f"{prefix}-status", window.status(refused=refused))]
    if window.reset_at is not None:
        out.append((f"{prefix}-reset", str(window.reset_at)))
    out.append((f"{prefix}-utilization", str(round(window.utilization, 2))))
    surpassed = window.surpassed_threshold()
    if surpassed is not None:
        out.append((f"{prefix}-surpassed-threshold", str(surpassed)))
    return out


def _retry(refusal: QuotaRefusal) -> tuple[str, str]:
    return "retry-after", str(refusal.retry_after)
