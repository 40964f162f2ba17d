"""Who used what: tokens and dollars per conversation, issue, account and day."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Optional

from ...settings import camel_case
from ..quota.lenient_json import LenientObject, as_count, as_counts, as_flag, as_number, as_text, as_usage
from ..quota.usage import NO_USAGE, Usage

__all__ = ["Ledger", "LedgerKey", "LedgerRow"]

DAY_SEC = 86400


class LedgerKey(NamedTuple):
    """What a row is about."""

    conversation: str  # empty: a request without one
    issue: str  # empty: none known
    account: str  # name: rows outlive the account
    day: int  # days since the epoch, UTC

    @classmethod
    def from_json(cls, saved: LenientObject) -> LedgerKey:
        """Read a saved key; an unreadable part is empty."""
        return cls(
            conversation=saved.get("conversation", as_text, ""),
            issue=saved.get("issue", as_text, ""),
            account=saved.get("account", as_text, ""),
            day=saved.get("day", as_count, 0),
        )


@dataclass(eq=False, repr=False)
class LedgerRow:
    """What was used under one key."""

    requests: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0  # dollars
    unpriced_tokens: int = 0
    cost_estimated: bool = False  # some of it is by the price of another version of the model
    models: dict[str, int] = field(default_factory=dict)  # tokens by model
    first_seen: float = 0.0
    last_seen: float = 0.0

    def copy_fields(self) -> dict[str, Any]:
        """Return a copy for `to_json`, shared with nothing that changes."""
        return {**self.__dict__, "models": self.models.copy()}

    @staticmethod
    def to_json(key: LedgerKey, values: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON data of copied fields."""
        data = {_SAVED_AS[name]: value for name, value in values.items()}
        return {**key._asdict(), **data, "usage": list(values["usage"])}

    @classmethod
    def from_json(cls, saved: LenientObject) -> LedgerRow:
        """Read a saved row; what is missing or unreadable has its default."""
        return cls(
            requests=saved.get("requests", as_count, 0),
            usage=saved.get("usage", as_usage, NO_USAGE),
            cost=saved.get("cost", as_number, 0.0),
            unpriced_tokens=saved.get("unpricedTokens", as_count, 0),
            cost_estimated=saved.get("costEstimated", as_flag, False),
            models=saved.get("models", as_counts, {}),
            first_seen=saved.get("firstSeen", as_number, 0.0),
            last_seen=saved.get("lastSeen", as_number, 0.0),
        )


_SAVED_AS = {field.name: camel_case(field.name) for field in fields(LedgerRow)}


class Ledger:
    """Rows by key; old days are dropped when a new one begins."""

    def __init__(self) -> None:
        self.rows: dict[LedgerKey, LedgerRow] = {}
        self._newest_day = -1

    def add(
        self,
        key: LedgerKey,
        usage: Usage,
        dollars: Optional[float],
        model: Optional[str],
        served: bool,
        now: float,
        retention_sec: float,
        estimated: bool = False,
    ) -> None:
        """Add an attempt's tokens; only the served one counts as a request, its retries do not."""
        if key.day > self._newest_day:
            self._newest_day = key.day
            self._drop_before(now - retention_sec)
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = LedgerRow(first_seen=now)
        row.requests += served
        row.usage = row.usage.plus(usage)
        row.last_seen = now
        if dollars is None:
            row.unpriced_tokens += usage.total
        else:
            row.cost += dollars
            row.cost_estimated |= estimated
        if model:
            row.models[model] = row.models.get(model, 0) + usage.total

    def _drop_before(self, before: float) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row.last_seen >= before}

    def copy_rows(self) -> list[tuple[LedgerKey, dict[str, Any]]]:
        """Return copies for `LedgerRow.to_json`, made under the lock."""
        return [(key, row.copy_fields()) for key, row in self.rows.items()]

    def restore_row(self, key: LedgerKey, row: LedgerRow) -> None:
        """Take back a row saved before a restart."""
        self.rows[key] = row
        self._newest_day = max(self._newest_day, key.day)
