"""The prompt cache of one account, and what a prompt costs with it. PURE.

Rules, as the API documents them:
1. A prompt is cached up to its last `cache_control` breakpoint; each breakpoint is an entry.
2. The longest live prefix is read; the rest up to the last breakpoint is written; what follows
   is plain input.
3. An entry lives as long as its breakpoint asked (5 minutes or 1 hour); a read renews it.
4. An entry belongs to one account and one model: with another the same conversation is cold.
"""

from __future__ import annotations

from typing import Any

from ..values import NamedTuple, dataclass
from .prompt import ONE_HOUR, Prompt

__all__ = ["MIN_CACHEABLE", "PromptCache", "TokenUsage"]

MIN_CACHEABLE = 1024
"""Prefixes of fewer tokens are never cached."""

_SWEEP_ABOVE = 10_000


@dataclass(frozen=True)
class TokenUsage:
    """The tokens of one request, as the `usage` field of its answer reports them."""

    input: int = 0
    cache_read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    output: int = 0

    @property
    def charged_input(self) -> int:
        """Input tokens that count against a window: everything but cache reads."""
        return self.input + self.write_5m + self.write_1h

    def to_json(self) -> dict[str, Any]:
        """Return the `usage` field of an answer."""
        return {
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.write_5m + self.write_1h,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.write_5m,
                "ephemeral_1h_input_tokens": self.write_1h,
            },
            "output_tokens": self.output,
        }


class _Entry(NamedTuple):
    expires_at: float
    ttl: int


class PromptCache:
    """The live entries of one account, by the digest of their prefix."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}

    def price(self, prompt: Prompt, now: float) -> TokenUsage:
        """Return what the input of `prompt` would cost at `now`; change nothing."""
        marks = _breakpoints(prompt)
        if not marks:
            return TokenUsage(input=prompt.tokens)
        read = self._longest_live_prefix(prompt, marks[-1], now)
        position = read
        written = {True: 0, False: 0}
        for index in marks:
            prefix = prompt.prefixes[index]
            if prefix.tokens > position:
                written[prefix.ttl == ONE_HOUR] += prefix.tokens - position
                position = prefix.tokens
        return TokenUsage(
            input=prompt.tokens - position,
            cache_read=read,
            write_5m=written[False],
            write_1h=written[True],
        )

    def store(self, prompt: Prompt, now: float) -> None:
        """Write the breakpoints of an answered prompt and renew the entries it read."""
        self._sweep(now)
        for prefix in prompt.prefixes:
            entry = self._entries.get(prefix.digest)
            if entry is not None and entry.expires_at > now:
                self._entries[prefix.digest] = entry._replace(expires_at=now + entry.ttl)
        for index in _breakpoints(prompt):
            prefix = prompt.prefixes[index]
            old = self._entries.get(prefix.digest)
            if old is None or old.expires_at < now + prefix.ttl:
                self._entries[prefix.digest] = _Entry(now + prefix.ttl, prefix.ttl)

    def _longest_live_prefix(self, prompt: Prompt, last: int, now: float) -> int:
        for index in range(last, -1, -1):
            entry = self._entries.get(prompt.prefixes[index].digest)
            if entry is not None and entry.expires_at > now:
                return prompt.prefixes[index].tokens
        return 0

    def _sweep(self, now: float) -> None:
        if len(self._entries) > _SWEEP_ABOVE:
            self._entries = {k: e for k, e in self._entries.items() if e.expires_at > now}


def _breakpoints(prompt: Prompt) -> list[int]:
    return [i for i, p in enumerate(prompt.prefixes) if p.ttl and p.tokens >= MIN_CACHEABLE]
