"""APIs that can't be connected to, as the snapshot has them, and the log lines about them.

Rules that hold in this file:

1. An outage has one line when it begins and one when it is over; a failure between two looks has none.
2. What only an account of an earlier configuration used is not shown, and ends without a line.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from ...dial.reachability import Outage, Reachability
from ...request_views import OutageView
from ...values import NamedTuple
from .notice import API, MAX_REASON_CHARS, Notice
from .wait_texts import duration_text, outage_text

__all__ = ["RETRIED_SEC", "ApiUsers", "OutageNotices", "cut_off", "outage_views"]

# So long after its last failure an API counts as out of reach for the verdict on the pool.  Then work is let
# in again: nothing but a request can tell that it is back, and who waits for the verdict sends none.
RETRIED_SEC = 60.0


class ApiUsers(NamedTuple):
    """The accounts whose requests go to one API; names by account key."""

    api: str  # host, and port if it is not the usual one
    accounts: Mapping[str, str]


def outage_views(
    outages: Mapping[Hashable, Outage], users: Mapping[Hashable, ApiUsers]
) -> tuple[OutageView, ...]:
    """Return the outages of APIs that accounts use, the longest first."""
    found = [
        OutageView(users[key].api, tuple(users[key].accounts.values()), *outage)
        for key, outage in outages.items()
        if key in users
    ]
    return tuple(sorted(found, key=lambda view: view.since))


def cut_off(
    outages: Mapping[Hashable, Outage], users: Mapping[Hashable, ApiUsers], now: float
) -> dict[str, str]:
    """Return why accounts count as out of reach now, by account key."""
    found: dict[str, str] = {}
    for key, outage in outages.items():
        if key in users and now - outage.last_at < RETRIED_SEC:
            text = outage_text(OutageView("", (), *outage), now)
            found.update(dict.fromkeys(users[key].accounts, text))
    return found


class OutageNotices:
    """The outages that have had their first line; call it from one thread at a time."""

    def __init__(self, reachability: Reachability) -> None:
        self._reachability = reachability
        self._announced: set[Hashable] = set()

    def update(self, users: Mapping[Hashable, ApiUsers], now: float) -> list[Notice]:
        """Return the lines for what has begun or ended since the last call."""
        self._reachability.keep(users)
        outages, restored = self._reachability.outages, self._reachability.restored
        found: list[Notice] = []
        for key in self._announced - outages.keys():
            if key in restored:
                (since, _, failed, _), at = restored[key]
                count = "1 request" if failed == 1 else f"{failed} requests"
                text = (
                    f"reachable again after {duration_text(max(0.0, at - since))}; {count} got no connection"
                )
                found.append(_notice(users[key], text))
        for key, outage in outages.items():
            if key in users and key not in self._announced:
                found.append(_notice(users[key], f"unreachable: {outage.reason}"[:MAX_REASON_CHARS]))
        self._announced = set(outages)
        return found


def _notice(users: ApiUsers, text: str) -> Notice:
    names: Sequence[str] = tuple(users.accounts.values())
    return Notice(API, users.api, text, names[0] if len(names) == 1 else "")
