"""The honest answer when no account can serve: a 429 with the real time, or what to mend."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from ...errors import AccountError, NoAccountAvailableError, TeamClaudeError
from ...routing.state.decision import Decision
from ..records.request_wait import duration_text

__all__ = ["NEEDS_OPERATOR", "no_account_error"]

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
