"""The oracle: derives from the API's answers which accounts could certainly have served, and which not.

In doubt it says "not certain", so a violation that it supports is real.  It knows nothing of the proxy but
the spec (errors.md §2): an account that refused rests for retry-after or until the reset of its axis, after a
403 for 5 minutes, after a 401 until its credentials change; other answers have no effect.  A 401 or 403 that
is not from the API is an outage; a 4xx that another account did not repeat sidelines.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Optional

from tests.faults.rules.evidence import Evidence, Heard, Seen
from tests.faults.schedules.ambiguous_answers import ABOUT

__all__ = [
    "DELAY_SEC",
    "MARGIN",
    "MAYBE_THE_ACCOUNT",
    "Oracle",
    "Rest",
    "is_bare",
    "is_extra_usage",
    "is_of_the_account",
    "is_outage",
    "is_overage",
    "is_silent",
    "model_of",
    "retry_after",
]

# How late a thread of the proxy, of the API or of a client may be, in real seconds.
DELAY_SEC = 0.12
# The same on the fast clock, in its seconds, and a little for rounding.
MARGIN = 15.0
NEVER = math.inf
FORBIDDEN_SEC = 300.0
LADDER_SEC = 8.0  # backoffCapSec of the schedules
SIDELINED_SEC = 300.0
LONGEST_SEC = 7 * 86400.0  # of all windows
FULL = 0.98
# Statuses that may concern one account only; the body does not prove it.
MAYBE_THE_ACCOUNT = (400, 402, 404)
BUSY = b"busy with other requests"
OUTAGES = (500, 502, 503, 504, 529)
_UNIFIED = "anthropic-ratelimit-unified-"


@dataclass(frozen=True)
class Rest:
    """The account rests after this answer until some time between `least` and `most` (fast clock).

    `model`: for this model only; None: for all models.
    """

    after: Heard
    least: float
    most: float
    model: Optional[str] = None


class Oracle:
    """What is certain of each account at each moment; `rests` by account."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._accounts = {account.name: account for account in evidence.schedule.accounts}
        self.rests: dict[str, list[Rest]] = {name: [] for name in self._accounts}
        for heard in evidence.heard:
            if heard.account is not None and heard.status:
                self.rests[heard.account] += self._rests_after(heard)
        # A connection that meets a fault before a request is read occupies a slot that the API does not log.
        schedule = evidence.schedule
        self.invisible = any(trouble.fault.on_accept for trouble in schedule.troubles) or schedule.happens(
            "stop_listening", "close_connections"
        )
        # Clients of a kind come in turn, and all of them together do not fill one account.
        clients, slots = len(schedule.clients), schedule.config["maxInflightPerAccount"]
        self.roomy = schedule.theme.startswith("kinds") and clients <= slots

    # --- what answers mean ------------------------------------------------------------------------

    def _rests_after(self, heard: Heard) -> Iterator[Rest]:
        if is_outage(heard):
            return
        if heard.status == 401:
            yield Rest(heard, NEVER, NEVER)
        elif heard.status == 403 and heard.inference:
            yield Rest(heard, heard.clock + FORBIDDEN_SEC, heard.over_clock + FORBIDDEN_SEC)
        elif heard.status == 429 and heard.inference:
            yield from self._throttled(heard)
        elif heard.status in MAYBE_THE_ACCOUNT and heard.inference:
            later = [h for h in self._evidence.attempts(heard.tag) if h.at > heard.at]
            if later or is_of_the_account(heard):
                yield Rest(
                    heard, 0.0, max([heard.over_clock, *(h.over_clock for h in later)]) + SIDELINED_SEC
                )
        if is_extra_usage(heard) and self._evidence.schedule.config.get("allowExtraUsage"):
            return
        for reset in _full_windows(heard):
            yield Rest(heard, 0.0, reset)

    def _throttled(self, heard: Heard) -> Iterator[Rest]:
        told = retry_after(heard)
        resets = _rejected(heard)
        wait = None if told is None else max(1.0, told)
        if is_bare(heard):
            served = [h for h in self._evidence.attempts(heard.tag) if h.at > heard.at and h.served]
            if served:
                yield Rest(heard, 0.0, max(h.over_clock for h in served) + LADDER_SEC)
            return
        if is_overage(heard):
            yield Rest(heard, 0.0, heard.over_clock + (wait or 0.0), model_of(heard))
            return
        unscoped = [reset for axis, reset in resets.items() if "_" not in axis]
        ends = unscoped or list(resets.values())
        least = [heard.clock + wait] if wait is not None else []
        most = [heard.over_clock + wait] if wait is not None else []
        scoped = bool(resets) and not unscoped
        model = model_of(heard) if scoped else None
        known = not scoped or model is not None  # else the model concerned is unknown
        yield Rest(heard, min([*least, *ends]) if known else 0.0, max([*most, *resets.values()]), model)

    # --- questions --------------------------------------------------------------------------------

    def surely_usable(self, name: str, seen: Seen, moment: float) -> bool:
        """Return whether the account could certainly have served this request just before `moment`."""
        account, since = self._accounts[name], moment - DELAY_SEC
        if account.is_paid or not account.reachable or self.uncertain(name):
            return False
        if self._jumped(since, moment):
            return False
        # A bare 429 may have taught the policy that the account takes fewer requests at once.
        limited = any(h.account == name and h.at <= moment and is_bare(h) for h in self._evidence.heard)
        roomy = self.roomy and BUSY not in seen.payload and not limited
        if not roomy and (self._busy(name, since, moment) or self._company(seen, since, moment)):
            return False
        now = self._evidence.clock(since)
        rests = (rest for rest in self.rests[name] if rest.after.at <= moment)
        other = [rest for rest in rests if not (is_overage(rest.after) and rest.model != seen.request.model)]
        return all(rest.most + MARGIN < now for rest in other)

    def back_at(self, name: str, moment: float) -> float:
        """Return when (fast clock) the account has certainly recovered from its answers before `moment`."""
        ends = [rest.most for rest in self.rests[name] if rest.after.at <= moment]
        return max(ends, default=0.0)

    def not_before(self, name: str, moment: float) -> float:
        """Return the earliest end of a rest that is certainly in force at `moment`; 0: none is."""
        at = self._evidence.clock(moment)
        rests = [r for r in self.rests[name] if r.model is None and r.after.over and r.after.over < moment]
        return max((rest.least for rest in rests if rest.least > at), default=0.0)

    def uncertain(self, name: str) -> bool:
        """Return whether an event changes this account, or its token may be unusable."""
        account = self._accounts[name]
        if (
            account.disabled
            or account.refresh not in ("", "works")
            or (account.expires and not account.refresh)
        ):
            return True
        touched = ("remove", "add", "disable", "enable", "renew")
        events = self._evidence.schedule.events
        return any(event.what in touched and event.args[:1] == (name,) for event in events)

    def _busy(self, name: str, since: float, until: float) -> bool:
        """Return whether a request may have occupied a slot; it does so before it reaches the API."""
        until += DELAY_SEC
        of_it = (each for each in self._evidence.heard if each.account == name and each.at <= until)
        return any(not each.over or each.over >= since - DELAY_SEC for each in of_it)

    def _company(self, seen: Seen, since: float, until: float) -> bool:
        """Return whether another request was in progress on an account that the API's log does not show."""
        since -= DELAY_SEC
        for other in self._evidence.seen:
            over = max(other.last, other.sent_at, other.left_at or 0.0)
            if other is seen or other.began > until or over < since:
                continue
            attempts = self._evidence.attempts(other.tag)
            shown = any(h.at <= until + DELAY_SEC and (not h.over or h.over >= since) for h in attempts)
            if self.invisible or not shown:
                return True
        return False

    def _jumped(self, since: float, until: float) -> bool:
        happened = self._evidence.happened
        return any(what == "jump" and since - DELAY_SEC <= at <= until for at, what, _ in happened)


# --- reading what the fake API writes ---------------------------------------------------------------


def retry_after(heard: Heard) -> Optional[float]:
    told = heard.field("retry-after") or "nan"
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(told).timestamp() - heard.clock
        except (TypeError, ValueError):
            return None
    return min(seconds, LONGEST_SEC) if math.isfinite(seconds) and seconds >= 0 else None


def is_bare(heard: Heard) -> bool:
    """Return whether this is a 429 without time or window."""
    return heard.status == 429 and retry_after(heard) is None and not _rejected(heard)


def is_overage(heard: Heard) -> bool:
    """Return whether this is a 429 about overage, with the plan's windows allowed."""
    claim = heard.field(_UNIFIED + "representative-claim")
    return heard.status == 429 and claim == "overage" and not _rejected(heard)


def is_extra_usage(heard: Heard) -> bool:
    """Return whether this answer was billed as extra usage."""
    return heard.status == 200 and heard.field(_UNIFIED + "overage-in-use") == "true"


def is_outage(heard: Heard) -> bool:
    """Return whether the API or the way to it is out of order."""
    return heard.status in OUTAGES or heard.field(ABOUT) == "way"


def is_silent(heard: Heard, patience: float) -> bool:
    """Return whether the proxy gave up without a whole head, about `patience` seconds after the last byte."""
    waited = heard.over - max(heard.at, heard.last_sent) > 0.8 * patience
    return heard.cancelled and not heard.hung_up and b"\r\n\r\n" not in heard.wire and waited


def is_of_the_account(heard: Heard) -> bool:
    """Return whether the fault concerns this account: another one would have served."""
    return heard.field(ABOUT) == "account"


def model_of(heard: Heard) -> Optional[str]:
    """Return the model of a request, if the body can be parsed."""
    try:
        return str(json.loads(heard.body)["model"])
    except (ValueError, KeyError):
        return None


def _rejected(heard: Heard) -> dict[str, float]:
    """Return the resets of the axes that reject."""
    found = {}
    for key, value in heard.fields:
        axis = re.fullmatch(r"anthropic-ratelimit-unified-([0-9][0-9a-z_]*)-status", key.lower())
        if axis is not None and value == "rejected":
            found[axis[1]] = _reset(heard, key.lower())
    return found


def _full_windows(heard: Heard) -> Iterator[float]:
    for key, value in heard.fields:
        name = key.lower()
        if name.startswith(_UNIFIED) and name.endswith("-utilization") and float(value) >= FULL:
            yield _reset(heard, name)


def _reset(heard: Heard, name: str) -> float:
    return float(heard.field(name.rpartition("-")[0] + "-reset") or NEVER)
