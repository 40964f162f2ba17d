"""The waiters of a queue by what can serve them, so that an answer of one account asks few of them.

Rules that hold in this file:

1. A quiet waiter (`Quiet`) can do nothing but wait for a slot where its cache is.  Those of one account with
   the same constraints are a group, all who are not quiet are others; each in the order of their places.
2. Whoever stands in line for a slot of an account came after all who are filed, and is quiet; what else is
   known of a filed waiter is not found yet.  Most get their slot before it is needed: 2.5 % fewer bytecodes
   for each that waits.
3. What is filed holds until the first of them may be served otherwise by itself (`Quiet.until`), until a
   conversation moves, and while the clock goes on.  Then, or after `forget`, all are filed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Optional

from .conversations import Conversations
from .decision import NEVER
from .waiter import Quiet, QuietGroup, Waiter, WaiterGroup

__all__ = ["PLACE", "WaiterGroups"]

PLACE = attrgetter("place")
BY_PLACE = attrgetter("place", "number")


class WaiterGroups:
    """The waiters of one queue, filed while `is_known`."""

    def __init__(self, bindings: Conversations) -> None:
        self._bindings = bindings
        self.others = WaiterGroup()
        self._quiet: dict[QuietGroup, WaiterGroup] = {}
        self._by_home: dict[str, list[WaiterGroup]] = {}  # those of `_quiet`
        self._lines: dict[str, WaiterGroup] = {}  # by account: of those who came since
        self._full: list[WaiterGroup] = []
        self._known_until = -NEVER  # epoch seconds
        self._known_from = -NEVER  # the last attempt of those that are filed
        self._moves = 0  # of conversations, when they were filed

    def is_known(self, now: float) -> bool:
        """Return whether what is filed holds."""
        return self._known_from <= now < self._known_until and self._moves == self._bindings.moves

    def forget(self) -> None:
        """File nobody until `file_all`."""
        self._known_until = -NEVER

    def file_all(self, waiters: Iterable[Waiter], now: float) -> None:
        """File all waiters anew, given by number; one whose time has come is quiet no longer."""
        self._quiet.clear()
        self._by_home.clear()
        self.others.clear()
        self._known_from, self._known_until, self._moves = now, NEVER, self._bindings.moves
        for waiter in sorted(waiters, key=PLACE):
            quiet = waiter.quiet
            if quiet is not None and not (
                waiter.last_attempt_at <= now < quiet.until and self._is_bound(quiet)
            ):
                waiter.quiet = None
            self._file(waiter)

    def add(self, waiter: Waiter) -> None:
        """File a waiter that was tried just now."""
        if self._known_until > -NEVER:
            self._file(waiter)

    def add_to_line(self, waiter: Waiter, home: str, until: float) -> None:
        """Add a waiter behind all of this account, who is quiet there until then, without filing it."""
        line = self._lines.get(home)
        if line is None:
            line = self._lines[home] = WaiterGroup()
        line.append(waiter)
        waiter.group = line
        if until < self._known_until:
            self._known_until = until
        if waiter.last_attempt_at > self._known_from:
            self._known_from = waiter.last_attempt_at

    def take_lines(self) -> list[Waiter]:
        """Return those in line in the order in which they came; they are not in line any more."""
        waiters = sorted(chain.from_iterable(self._lines.values()), key=BY_PLACE)
        self._lines.clear()
        return waiters

    def remove(self, waiter: Waiter) -> None:
        """Drop a waiter that leaves."""
        if self._known_until > -NEVER:
            waiter.group.remove(waiter)

    def update(self, tried: Iterable[Waiter]) -> None:
        """File waiters anew that were tried; drop those that have got a lease."""
        if self._known_until == -NEVER:
            return
        for waiter in tried:
            stays = waiter.quiet is None and waiter.group is self.others and waiter.lease is None
            if stays and waiter.place == waiter.filed_place:
                self._known_from = max(self._known_from, waiter.last_attempt_at)
                continue
            waiter.group.remove(waiter)
            if waiter.lease is None:
                self._file(waiter)

    def concerned(self, changed: str) -> list[Waiter]:
        """Return the waiters for whom a change of one account counts, in the order of their places."""
        groups = [self.others] if self.others else []
        groups += filter(None, self._by_home.get(changed, ()))
        if len(groups) == 1:
            return list(groups[0])
        return sorted(chain.from_iterable(groups), key=BY_PLACE)

    def first_quiet(self, home: str) -> Optional[Waiter]:
        """Return the quiet waiter of this account whose turn is next."""
        heads = [group[0] for group in self._by_home.get(home, ()) if group] or self._lines.get(home, ())[:1]
        return min(heads, key=BY_PLACE) if len(heads) > 1 else heads[0] if heads else None

    def quiet_elsewhere(self, changed: str) -> list[Waiter]:
        """Return the waiters that are quiet at other accounts."""
        groups = [groups for home, groups in self._by_home.items() if home != changed]
        return list(chain.from_iterable(chain.from_iterable(groups)))

    def mark_full(self, waiter: Waiter) -> None:
        """Record that there is no slot for the rest of the waiter's group, until `clear_full`."""
        if waiter.quiet is not None:
            waiter.group.is_full = True
            self._full.append(waiter.group)

    def clear_full(self) -> None:
        """Forget what `mark_full` has recorded."""
        for group in self._full:
            group.is_full = False
        self._full.clear()

    def is_left_out(self, waiter: Waiter) -> bool:
        """Return whether there is no slot for a quiet waiter."""
        if not waiter.group.is_full or waiter.quiet is None:
            return False
        # Another request of its conversation may have moved it within this walk.
        return self._moves == self._bindings.moves or self._is_bound(waiter.quiet)

    def leaves_out_rest(self, walk: Sequence[Waiter], waiter: Waiter) -> bool:
        """Return whether there is no slot for anybody behind `waiter` in this walk: all are quiet like it."""
        group, is_alone = waiter.group, len(walk) == len(waiter.group)
        is_full = group.is_full and group is not self.others
        return is_full and is_alone and self._moves == self._bindings.moves

    def _file(self, waiter: Waiter) -> None:
        quiet = waiter.quiet
        if quiet is None:
            group = self.others
        else:
            group = self._quiet.get(quiet.group) or self._begin_group(quiet.group)
            if quiet.until < self._known_until:
                self._known_until = quiet.until
        if waiter.last_attempt_at > self._known_from:
            self._known_from = waiter.last_attempt_at
        waiter.group, waiter.filed_place = group, waiter.place
        group.append(waiter)
        if len(group) > 1 and waiter.place <= group[-2].place:
            group.sort(key=BY_PLACE)

    def _begin_group(self, kind: QuietGroup) -> WaiterGroup:
        group = self._quiet.get(kind)
        if group is None:
            group = self._quiet[kind] = WaiterGroup()
            self._by_home.setdefault(kind[0], []).append(group)
        return group

    def _is_bound(self, quiet: Quiet) -> bool:
        """Return whether its cache is still where it waits: another request may have moved it."""
        binding = self._bindings.get(quiet.conversation)
        return binding is not None and binding.account == quiet.group[0]
