"""The table at the end of a demo: its figures and their layout. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..snapshot import Snapshot
from ..values import dataclass
from .event_log import DemoTotals
from .sessions import SessionCounts

__all__ = ["DemoResult", "report_lines"]


@dataclass(frozen=True)
class DemoResult:
    """The outcome of a finished demo; times in seconds, `snapshot` is the proxy's last one."""

    sessions: int
    seed: int
    real_sec: float
    demo_sec: float
    counts: SessionCounts
    totals: DemoTotals
    snapshot: Snapshot

    @property
    def avoidable(self) -> int:
        """Number of client-visible errors at a time when an account could have served."""
        return sum(error.avoidable for error in self.counts.visible_errors)


def report_lines(result: DemoResult) -> list[str]:
    """Return the lines of the whole table."""
    spans = f"{result.real_sec:.0f} s = {_duration(result.demo_sec)} on the demo's clock"
    return [
        "",
        f"{_sessions(result.sessions)}, {spans}, seed {result.seed}",
        "",
        *_columns(_figures(result)),
        "",
        *_columns([("served because", "requests"), *_by_count(result.totals.reasons)]),
        "",
        *_table(_accounts(result)),
    ]


def _figures(result: DemoResult) -> list[tuple[str, str]]:
    counts, totals, tokens = result.counts, result.totals, result.counts.tokens
    usable = f"{result.avoidable} while an account was usable"
    errors = ", ".join(f"{n} × {label}" for label, n in sorted(counts.errors.items()))
    cost = f"{'~' if totals.cost_estimated else ''}${totals.cost:,.2f}"
    if totals.unpriced_tokens:
        cost += f" and {_count(totals.unpriced_tokens)} tokens of unknown price"
    return [
        ("requests", _count(counts.requests)),
        ("served", _count(counts.served)),
        ("failovers", _count(totals.failovers)),
        (
            "client-visible errors",
            f"{len(counts.visible_errors)} ({errors + '; ' if errors else ''}{usable})",
        ),
        ("limits hit / window resets", f"{totals.limits} / {totals.resets}"),
        ("uncached input tokens", _count(tokens["input_tokens"])),
        ("cache reads", _count(tokens["cache_read_input_tokens"])),
        ("cache writes", _count(tokens["cache_creation_input_tokens"])),
        ("output tokens", _count(tokens["output_tokens"])),
        ("cost at API prices", cost),
    ]


def _accounts(result: DemoResult) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [("account", "served", "5h", "7d", "status")]
    for account in result.snapshot.accounts:
        status = " ".join(word for word in (account.status, account.status_reason) if word)
        served, quota = _count(result.totals.served_by[account.name]), account.quota
        rows.append((account.name, served, _percent(quota.unified_5h), _percent(quota.unified_7d), status))
    return rows


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(name, _count(number)) for name, number in ordered]


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {value}" for name, value in rows]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths)).rstrip() for row in rows]


def _sessions(number: int) -> str:
    return "1 session" if number == 1 else f"{number} sessions"


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(value: Optional[float]) -> str:
    return "—" if value is None else f"{100 * value:.0f}%"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
