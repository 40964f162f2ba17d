"""The usage that older versions kept in their state file, as rows of the history.

It is taken once: the import notes up to when the state was saved, in the transaction that writes the rows.
A state file that an older version has written since then may have rows again: those that begin later are
taken, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional

from ..routing.quota.lenient_json import (
    LenientObject,
    as_amount,
    as_count,
    as_counts,
    as_flag,
    as_text,
    as_usage,
)
from ..routing.quota.usage import NO_USAGE
from .columns import MAX_COUNT
from .rows import MAX_NAME_CHARS, Series, UsageTotals
from .steps import DAY, begin_of
from .store import Batch, RowKey, Store

__all__ = ["IMPORTED", "import_ledger", "ledger_rows"]

IMPORTED = "ledger_imported"  # in `meta`: the time at which the imported state was saved


def import_ledger(store: Store, state: Mapping[str, Any]) -> int:
    """Write the `ledger` of a state file, unless that was done before; return the number of rows.

    Raise sqlite3.Error: then nothing is written, and the next start tries again.
    """
    saved = LenientObject(state, "", [])
    saved_at = saved.get("savedAt", saved.as_time, 0.0)
    database = store.database
    with store.changes():
        found = database.execute("SELECT value FROM meta WHERE name = ?", (IMPORTED,)).fetchone()
        before = None if found is None else float(found[0])
        rows = list(ledger_rows(state, before))
        store.add(Batch(_summed(rows)))
        latest = max(saved_at, before or 0.0)
        database.execute("REPLACE INTO meta VALUES (?, ?)", (IMPORTED, str(latest)))
    return len(rows)


def ledger_rows(
    state: Mapping[str, Any], after: Optional[float] = None
) -> Iterator[tuple[RowKey, UsageTotals]]:
    """Yield the rows of a state file that can be read; only those that began later than `after`.

    A row is of one day.  Its tokens are counted for the model that took the most of them.
    """
    for saved in LenientObject(state, "", []).rows("ledger"):
        account, last_seen = saved.get("account", as_text, ""), saved.get("lastSeen", saved.as_time, 0.0)
        first_seen = saved.get("firstSeen", saved.as_time, last_seen)
        if not account or last_seen <= 0 or (after is not None and first_seen <= after):
            continue
        models = saved.find("models", as_counts) or {}
        session, _, agent = saved.get("conversation", as_text, "").partition("/")
        names = {
            "account": account,
            "model": max(models, key=lambda model: models[model], default=""),
            "session": session,
            "agent": agent,
            "issue": saved.get("issue", as_text, ""),
        }
        series = Series(**{name: text[:MAX_NAME_CHARS] for name, text in names.items()})
        totals = UsageTotals(
            requests=min(saved.get("requests", as_count, 0), MAX_COUNT),
            usage=saved.get("usage", as_usage, NO_USAGE),
            cost=saved.get("cost", as_amount, 0.0),
            cost_estimated=saved.get("costEstimated", as_flag, False),
            unpriced_tokens=saved.get("unpricedTokens", as_count, 0),
            first_at=max(0.0, min(first_seen, last_seen)),
            last_at=last_seen,
        )
        try:
            begin = int(begin_of("day", last_seen))
        except (OverflowError, ValueError, OSError):  # no time that the C library knows
            continue
        yield RowKey(begin, series, DAY), totals


def _summed(rows: Iterable[tuple[RowKey, UsageTotals]]) -> dict[RowKey, UsageTotals]:
    sums: dict[RowKey, UsageTotals] = {}
    for key, totals in rows:
        sums[key] = sums[key].plus(totals) if key in sums else totals
    return sums
