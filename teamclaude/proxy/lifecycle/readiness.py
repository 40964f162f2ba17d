"""Whether a load balancer should send requests here: the answer to GET /health/ready.

Rules:

1. Ready is what serves, or holds: where all accounts are exhausted (red), a request waits here as well as
   anywhere else, and when the whole pool is red every server must stay in the game.  Not where as many wait
   as may: there a request is refused that another server would hold.  While an account is usable that is no
   reason: whose conversation is on it is served, and elsewhere its cache would be written again.
2. A server that is about to stop is not ready, although it still takes what comes.
3. `?verdict=green` or `yellow` is for those for whom worse means down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Optional

from ...snapshot import Snapshot
from ...values import NamedTuple

__all__ = ["LOOK_SEC", "VERDICTS", "Readiness", "ReadinessProbe", "readiness_of"]

VERDICTS = ("green", "yellow", "red")  # from good to bad
# Anybody may ask, as often as they like, and each look at 2,000 conversations takes 20 ms.
LOOK_SEC = 0.5
_NEVER_BACK = ("disabled", "auth_failed")  # until a person does something


class Readiness(NamedTuple):
    """The answer; `reason` says why not."""

    ready: bool
    verdict: str
    reason: str = ""


def readiness_of(
    snapshot: Snapshot, hold_sec: float, draining: str, worst: Optional[str], max_held: int
) -> Readiness:
    """Return whether requests are wanted.

    `hold_sec` is how long one waits for an account; `draining` says why the server is about to stop, empty
    when it is not; `worst` is the worst verdict that counts as ready, None: any; `max_held`: how many may
    wait at once.
    """
    verdict = snapshot.capacity.verdict
    if draining:
        return Readiness(False, verdict, draining)
    if worst is not None and VERDICTS.index(verdict) > VERDICTS.index(worst):
        return Readiness(False, verdict, f"the verdict is {verdict}")
    if not snapshot.accounts:
        return Readiness(False, verdict, "there is no account yet: add one with teamclaude login")
    if all(account.status in _NEVER_BACK for account in snapshot.accounts):
        return Readiness(False, verdict, "no account can serve before a person does something")
    is_usable, waiting = any(account.usable for account in snapshot.accounts), snapshot.system.waiting
    if hold_sec <= 0 and not is_usable:
        return Readiness(False, verdict, "no account is usable, and requests do not wait for one")
    if waiting >= max_held and not is_usable:
        return Readiness(False, verdict, f"no account is usable, and no more may wait ({waiting} do)")
    return Readiness(True, verdict)


class ReadinessProbe:
    """Look at the pool at most every LOOK_SEC, whoever asks; any thread.  `max_held` as in `readiness_of`."""

    def __init__(
        self, look: Callable[[], Snapshot], max_held: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._look = look
        self._max_held = max_held
        self._monotonic = monotonic
        self._last: Optional[tuple[float, Snapshot]] = None  # replaced as a whole

    def ask(self, hold_sec: float, draining: str, worst: Optional[str] = None) -> Readiness:
        """Return the readiness now; arguments as of `readiness_of`, of which none is remembered."""
        now, last = self._monotonic(), self._last
        if last is None or not 0 <= now - last[0] < LOOK_SEC:
            last = self._last = (now, self._look())
        return readiness_of(last[1], hold_sec, draining, worst, self._max_held)
