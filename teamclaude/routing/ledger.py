"""Who used what: tokens and dollars per conversation, issue, account and day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from .usage import NO_USAGE, Usage

__all__ = ["Ledger", "LedgerKey", "LedgerRow"]

DAY_SEC = 86400


class LedgerKey(NamedTuple):
    conversation: str
    issue: str  # empty: none known
    account: str  # name: rows outlive the account
    day: int  # days since the epoch, UTC


@dataclass
class LedgerRow:
    requests: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0  # dollars
    unpriced_tokens: int = 0
    models: dict[str, int] = field(default_factory=dict)  # tokens by model
    first_seen: float = 0.0
    last_seen: float = 0.0


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
        now: float,
        retention_sec: float,
    ) -> None:
        """Count one served request (its retries are the same request)."""
        if key.day > self._newest_day:
            self._newest_day = key.day
            self._forget(now - retention_sec)
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = LedgerRow(first_seen=now)
        row.requests += 1
        row.usage = row.usage.plus(usage)
        row.last_seen = now
        if dollars is None:
            row.unpriced_tokens += usage.total
        else:
            row.cost += dollars
        if model:
            row.models[model] = row.models.get(model, 0) + usage.total

    def _forget(self, before: float) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row.last_seen >= before}

    def stored(self) -> list[dict[str, Any]]:
        return [{**key._asdict(), **row.__dict__, "usage": list(row.usage)} for key, row in self.rows.items()]

    def restore(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for data in rows:
            key = LedgerKey(
                str(data["conversation"]), str(data["issue"]), str(data["account"]), int(data["day"])
            )
            fields = {name: data[name] for name in LedgerRow.__dataclass_fields__ if name in data}
            fields["usage"] = Usage(*fields.get("usage", ()))
            self.rows[key] = LedgerRow(**fields)
            self._newest_day = max(self._newest_day, key.day)
