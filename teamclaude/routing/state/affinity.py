"""What ties a request without a session to an account: a prompt cache it can use, or an id it names.

Both are bounded: what was used longest ago is dropped first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from ...values import NamedTuple
from ..quota.lenient_json import LenientObject, as_count, as_text

__all__ = ["CachedPrefix", "PrefixCaches", "ResourceOwners"]

MAX_PREFIXES = 1000
MAX_IDS = 10_000


class CachedPrefix(NamedTuple):
    """A prompt cache: the key of its account, its size in tokens, and when it ends (epoch seconds)."""

    account: str
    tokens: int
    until: float


class PrefixCaches:
    """Prompt caches of requests without a session, by digests of what makes them."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, CachedPrefix] = OrderedDict()
        self._next_expiry = float("inf")  # no cache ends earlier

    def find(self, digests: Iterable[str], now: float) -> Optional[CachedPrefix]:
        """Return the cache of the first of these digests that has one; they come longest first."""
        for digest in digests:
            known = self._known.get(digest)
            if known is not None and known.until > now:
                return known
        return None

    def record(self, digests: Iterable[str], account: str, tokens: int, until: float, now: float) -> None:
        """Record that a response of `account` used or wrote `tokens` of cache for these digests."""
        if now >= self._next_expiry:
            self._drop_expired(now)
        if tokens <= 0 or until <= now:
            return
        for digest in digests:
            self._known[digest] = CachedPrefix(account, tokens, until)
            self._known.move_to_end(digest)
        while len(self._known) > MAX_PREFIXES:
            self._known.popitem(last=False)
        self._next_expiry = min(self._next_expiry, until)

    def _drop_expired(self, now: float) -> None:
        for digest in [digest for digest, known in self._known.items() if known.until <= now]:
            del self._known[digest]
        self._next_expiry = min((known.until for known in self._known.values()), default=float("inf"))

    def rename_account(self, old: str, new: str) -> None:
        """Follow an account whose key changed from `old` to `new`."""
        for digest, known in self._known.items():
            if known.account == old:
                self._known[digest] = known._replace(account=new)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the caches, the longest unused first."""
        return [{"digest": digest, **known._asdict()} for digest, known in self._known.items()]

    def restore(self, rows: Iterable[LenientObject], keys: Mapping[str, str]) -> None:
        """Take back what was saved; `keys` maps saved account keys to those of now."""
        for row in rows:
            account = keys.get(row.get("account", as_text, ""))
            digest, until = row.get("digest", as_text, ""), row.get("until", row.as_time, 0.0)
            if account is not None and digest:
                self._known[digest] = CachedPrefix(account, row.get("tokens", as_count, 0), until)
                self._next_expiry = min(self._next_expiry, until)


class ResourceOwners:
    """Which account made an id: files, batches and skills exist only for the credential that made them."""

    def __init__(self) -> None:
        self.accounts: OrderedDict[str, str] = OrderedDict()  # keys by id, the longest unused first

    def owner_of(self, id: str) -> Optional[str]:
        """Return the key of the account that made it, or None where it is not known."""
        account = self.accounts.get(id)
        if account is not None:
            self.accounts.move_to_end(id)
        return account

    def record(self, id: str, account: str) -> None:
        """Record that `account` made the id."""
        self.accounts[id] = account
        self.accounts.move_to_end(id)
        if len(self.accounts) > MAX_IDS:
            self.accounts.popitem(last=False)

    def discard(self, id: str) -> None:
        """Forget an id that was deleted."""
        self.accounts.pop(id, None)

    def rename_account(self, old: str, new: str) -> None:
        """Follow an account whose key changed from `old` to `new`."""
        for id, account in self.accounts.items():
            if account == old:
                self.accounts[id] = new

    def to_json(self) -> list[dict[str, str]]:
        """Return the ids, the longest unused first."""
        return [{"id": id, "account": account} for id, account in self.accounts.items()]

    def restore(self, rows: Iterable[LenientObject], keys: Mapping[str, str]) -> None:
        """Take back what was saved; ids of accounts that are gone are dropped."""
        for row in rows:
            account, id = keys.get(row.get("account", as_text, "")), row.get("id", as_text, "")
            if account is not None and id:
                self.record(id, account)
