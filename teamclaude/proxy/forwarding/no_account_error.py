"""The honest answer when no account can serve: a 429 with the real time, or what to mend."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from ...errors import AccountError, NoAccountAvailableError, TeamClaudeError
from ...routing.state.decision import Decision

__all__ = ["NEEDS_OPERATOR", "duration_text", "no_account_error"]

BUSY_RETRY_AFTER_SEC = 5
RETRY_AFTER_JITTER = 0.15  # upwards: clients told the same moment must not all come at once
# Blocks that no waiting ends.
NEEDS_OPERATOR = frozenset({"auth_failed", "disabled", "tried"})

API_KEY_WAITS = "API key waits"  # not throttled: kept for a last resort


def no_account_error(
    decision: Decision,
    names: Mapping[str, str],
    reasons: Mapping[str, str],
    final: bool,
    now: float,
    jitter: float,
) -> TeamClaudeError:
    """The error for a request that found no account.

    `names` are all accounts by key, `reasons` what accounts said to this very request, `final` says
    that waiting will not help, `roll` is a random number 0-1 for the jitter.
    """
    if decision.account is not None:
        return NoAccountAvailableError(
            "Every account is busy with other requests; try again in a moment.", BUSY_RETRY_AFTER_SEC
        )
    if not names:
        return AccountError("No account is configured; add one and reload.")
    why = {e.account: reasons.get(e.account) or e.detail or e.rule for e in decision.excluded}
    listed = "; ".join(f"{names.get(key, key)}: {words}" for key, words in why.items())
    if final or decision.retry_at is None:
        return AccountError(f"No account can serve this request. {listed}. See: teamclaude accounts")
    throttled = [e for e in decision.excluded if e.rule not in NEEDS_OPERATOR | {API_KEY_WAITS}]
    seconds = max(1.0, decision.retry_at - now)
    clock = time.strftime("%H:%M", time.localtime(decision.retry_at))
    if len(throttled) == 1:
        subject = f"Account {names.get(throttled[0].account, throttled[0].account)} is throttled; it"
    else:
        subject = f"All {len(throttled)} accounts are throttled; the first"
    message = f"{subject} is back at {clock} (in {duration_text(seconds)}). {listed}"
    return NoAccountAvailableError(message, math.ceil(seconds * (1.0 + RETRY_AFTER_JITTER * jitter)))


def duration_text(seconds: float) -> str:
    """`42 s`, `5 min`, `2 h 3 min`, `3 d 4 h`."""
    whole = math.ceil(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
