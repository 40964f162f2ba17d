"""Token counts of one answer, or of many added up."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NO_USAGE", "Usage"]


class Usage(NamedTuple):
    """Tokens as the API counts them; `input_tokens` excludes everything cached."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total(self) -> int:
        return sum(self)

    @property
    def burn(self) -> int:
        """Tokens that count against an account's windows: cache reads hardly move them (measured)."""
        return (
            self.input_tokens + self.output_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens
        )

    @property
    def prefix(self) -> int:
        """Tokens of the conversation that the prompt cache holds after this answer."""
        return self.cache_read_tokens + self.cache_write_tokens

    def plus(self, other: Usage) -> Usage:
        # Written out: 0.2 us, where adding in a loop over both takes 2.5, three times per request.
        if other is NO_USAGE:
            return self
        if self is NO_USAGE:
            return other
        a, b, c, d, e = self
        v, w, x, y, z = other
        return _made(Usage, (a + v, b + w, c + x, d + y, e + z))


_made = tuple.__new__  # of a named tuple its own __new__ takes twice as long
NO_USAGE = Usage()
