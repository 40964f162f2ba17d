"""Decide which certificates are made, trusted, served and dropped; pure: the time is an argument.

A generation is one certificate authority (CA) with one server certificate (leaf) for all hosts; both have
the same dates.  The authority's key no longer exists, so every change needs a new generation.

Clients read the trusted certificates (NODE_EXTRA_CA_CERTS) only when they start, and run for weeks.  So:

1. The next generation is trusted long before it is served.
2. A host is served by the oldest generation that has time left: each client that runs trusts that one.
3. A generation for other hosts than those configured stays a while, for the clients that know no other.
4. Ones that are not valid yet stay: the clock may have gone back, and may come forward again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from ...values import NamedTuple

__all__ = ["BACKDATED_SEC", "LIFETIME_SEC", "Generation", "Plan", "plan_certificates"]

DAY_SEC = 86400.0
LIFETIME_SEC = 397 * DAY_SEC
BACKDATED_SEC = DAY_SEC  # a clock that is set back a little does not end its validity
NEXT_AHEAD_SEC = 60 * DAY_SEC  # before the end of the last one, when the next one is made
SWITCH_AHEAD_SEC = 7 * DAY_SEC  # before the end of one, when it is no longer served
SUPERSEDED_SEC = 30 * DAY_SEC  # how long one for other hosts stays
MOST_SUPERSEDED = 4


class Generation(NamedTuple):
    """One authority and its server certificate; times in epoch seconds."""

    name: str  # of its file
    hosts: frozenset[str]
    not_before: float
    not_after: float
    authority: str  # PEM

    @property
    def made_at(self) -> float:
        """When it was made."""
        return self.not_before + BACKDATED_SEC

    def is_valid(self, now: float) -> bool:
        """Return whether a client accepts it now."""
        return self.not_before <= now < self.not_after


class Plan(NamedTuple):
    """What follows from the existing generations; after `must_make` there is a new plan."""

    must_make: bool
    trusted: tuple[Generation, ...]  # by age, the oldest first
    served: Mapping[str, Generation]  # by host; without an entry where there is none yet
    dropped: tuple[Generation, ...]


def plan_certificates(generations: Iterable[Generation], hosts: frozenset[str], now: float) -> Plan:
    """Return what to do about `generations` at `now` (epoch seconds) for the configured `hosts`."""
    known = sorted(generations, key=lambda each: (each.not_before, each.name))
    current = [each for each in known if each.hosts == hosts and each.is_valid(now)]
    last_end = max((each.not_after for each in current), default=now)
    others = [each for each in known if each.hosts != hosts and each.hosts & hosts and now < each.not_after]
    others = [each for each in others if not _superseded(each, current, now)][-MOST_SUPERSEDED:]
    trusted = tuple(
        each for each in known if each in others or (each.hosts == hosts and now < each.not_after)
    )
    chosen = {host: _serving([each for each in trusted if host in each.hosts], now) for host in sorted(hosts)}
    return Plan(
        last_end - now <= NEXT_AHEAD_SEC,
        trusted,
        {host: each for host, each in chosen.items() if each is not None},
        tuple(each for each in known if each not in trusted),
    )


def _superseded(generation: Generation, current: list[Generation], now: float) -> bool:
    newer = [each.made_at for each in current if each.made_at >= generation.made_at]
    return bool(newer) and now - min(newer) >= SUPERSEDED_SEC


def _serving(covering: list[Generation], now: float) -> Optional[Generation]:
    valid = [each for each in covering if each.is_valid(now)]
    lasting = [each for each in valid if each.not_after - now > SWITCH_AHEAD_SEC]
    return lasting[0] if lasting else max(valid, key=lambda each: each.not_after, default=None)
