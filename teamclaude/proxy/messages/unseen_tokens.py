"""An estimate of the tokens that an answer has not told: it broke off before its counts, or can't be read.

A client that leaves a stream just before its end has read nearly all of the output, whose number the API
tells last.  Limits count the estimate; usage and cost stay what the API has said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .usage_tap import UsageTap

__all__ = ["unseen_tokens"]

# An event of a stream has 100 bytes beside its few tokens.
STREAM_BYTES_PER_TOKEN, BODY_BYTES_PER_TOKEN = 32, 4


def unseen_tokens(tap: UsageTap) -> int:
    """Return the tokens that `tap.usage` lacks, of an answer that is cut or that the tap gave up."""
    each = STREAM_BYTES_PER_TOKEN if tap.is_stream else BODY_BYTES_PER_TOKEN
    return max(0, tap.seen_bytes // each - tap.usage.output_tokens)
