"""What the API allows one account: windows, a burst limit and the prompt cache.

A 5h window opens at its first use, a weekly one has fixed resets, and a window for some models may exist
beside them.  A request is let in while every window has something left and is charged in full: the last one
may go over.
"""

from __future__ import annotations

from typing import Optional

from ..routing.quota.usage import Usage
from ..routing.quota.windows import QuotaReading, Window
from ..values import NamedTuple, dataclass, field
from .traffic import RequestTrace
from .workload import WEEK_SEC

__all__ = ["FIVE_HOURS_SEC", "ApiAccount", "ApiResponse", "ApiWindow", "TokenWeights"]

FIVE_HOURS_SEC = 5 * 3600.0
WARNING = 0.75


class TokenWeights(NamedTuple):
    """What a token costs of a window, relative to a token of uncached or written input."""

    output: float = 5.0
    read: float = 0.02

    def cost(self, request: RequestTrace, cached: int) -> float:
        """Return the weighted tokens of a request of which `cached` tokens are read from the cache."""
        return request.input_tokens - cached + self.output * request.output_tokens + self.read * cached


@dataclass
class ApiWindow:
    """One window; `family` limits it to some models.  Times in seconds, amounts in weighted tokens."""

    axis: str
    size: float
    length: float
    resets_at: float = 0.0  # a past one: not open
    used: float = 0.0
    fixed: bool = False  # its resets follow each other whether it is used or not
    family: Optional[str] = None
    unused_shares: list[float] = field(default_factory=list)  # unused share at each reset of a fixed window

    def advance(self, now: float) -> None:
        """Pass the resets up to `now`."""
        while self.fixed and self.resets_at <= now:
            self.unused_shares.append(max(0.0, 1.0 - self.used / self.size))
            self.resets_at += self.length
            self.used = 0.0
        if not self.fixed and self.resets_at <= now:
            self.used = 0.0

    def open(self, now: float) -> None:
        """Begin a window that opens at its first use."""
        if not self.fixed and self.resets_at <= now:
            self.resets_at = now + self.length

    def covers(self, family: str) -> bool:
        """Return whether requests for this model family are charged to it."""
        return self.family is None or self.family == family

    @property
    def is_full(self) -> bool:
        """Whether it refuses."""
        return self.used >= self.size

    def as_observed(self, now: float) -> Window:
        """Return the window as a response's headers show it: rounded to 0.01."""
        used = round(self.used / self.size, 2)
        status = "rejected" if self.is_full else "allowed_warning" if used >= WARNING else "allowed"
        return Window(used, self.resets_at if self.resets_at > now else None, status, now)


class ApiResponse(NamedTuple):
    """The API's response to one request."""

    status: int
    reading: QuotaReading
    usage: Usage = Usage()
    charge: float = 0.0
    beyond: tuple[tuple[str, float], ...] = ()  # axes of windows that it went beyond; the share of the charge
    cached: int = 0


class ApiAccount:
    """One account at the API."""

    def __init__(self, windows: list[ApiWindow], burst: int, weights: TokenWeights) -> None:
        self.windows = windows
        self.burst = burst
        self.weights = weights
        self.inflight = 0
        self.login_lost_at = float("inf")  # from then on its login is refused
        self._cache: dict[str, tuple[int, float]] = {}  # conversation -> prefix, end of its life

    def send(self, conversation: str, request: RequestTrace, life: float, now: float) -> ApiResponse:
        """Send one request at `now`; a served one is in flight until `request_ended`."""
        self.advance(now)
        if now >= self.login_lost_at:
            return ApiResponse(401, QuotaReading({}))
        mine = [window for window in self.windows if window.covers(request.family)]
        if any(window.is_full for window in mine):
            return ApiResponse(429, self._reading(mine, now))
        if self.inflight >= self.burst:
            return ApiResponse(429, QuotaReading({}))
        for window in mine:
            window.open(now)
        reading = self._reading(mine, now)
        cached = self.cached(conversation, request, now)
        charge = self.weights.cost(request, cached)
        beyond = tuple(
            (window.axis, 1.0 - (window.size - window.used) / charge)
            for window in mine
            if window.used + charge > window.size
        )
        for window in mine:
            window.used += charge
        self.inflight += 1
        self._cache[conversation] = (request.input_tokens, now + request.duration + life)
        usage = Usage(0, request.output_tokens, cached, 0, request.input_tokens - cached)
        return ApiResponse(200, reading, usage, charge, beyond, cached)

    def use_elsewhere(self, tokens: float, now: float) -> float:
        """Charge what somebody else uses, as far as the windows allow; return how much that was."""
        self.advance(now)
        mine = [window for window in self.windows if window.family is None]
        used = max(0.0, min(tokens, *(window.size - window.used for window in mine)))
        for window in mine if used else ():
            window.open(now)
            window.used += used
        return used

    def cached(self, conversation: str, request: RequestTrace, now: float) -> int:
        """Return the tokens of the request that its prompt cache holds here."""
        prefix, ends = self._cache.get(conversation, (0, 0.0))
        return min(request.cached_prefix, prefix) if now < ends else 0

    def request_ended(self) -> None:
        """Release a served request's place in the burst limit."""
        self.inflight -= 1

    def advance(self, now: float) -> None:
        """Pass the resets of all windows up to `now`."""
        for window in self.windows:
            window.advance(now)

    def closed_until(self, now: float) -> float:
        """Return when it takes requests of every model again; `now` when it does."""
        self.advance(now)
        if now >= self.login_lost_at:
            return float("inf")
        return max((w.resets_at for w in self.windows if w.is_full and w.family is None), default=now)

    @property
    def weekly_window(self) -> ApiWindow:
        """The weekly window for all models."""
        return next(window for window in self.windows if window.length == WEEK_SEC and window.family is None)

    @staticmethod
    def _reading(windows: list[ApiWindow], now: float) -> QuotaReading:
        axes = {window.axis: window.as_observed(now) for window in windows}
        plain = [window for window in windows if window.is_full and window.family is None]
        return QuotaReading(axes, "rejected" if plain else "allowed")
