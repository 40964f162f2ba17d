"""`status` and `capacity` of several servers: one pool, and a part for each server."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, Optional

from ... import snapshot
from ...deck.pool.capacity import Part, labelled_capacity, shared_names, union_lasting, union_of
from ...deck.pool.labels import server_labels
from ...errors import SnapshotError, TeamClaudeError
from ...outlook_views import LastingView
from ...snapshot import CapacityView
from ...typed_json import from_json, to_json
from ..proxy_client import ProxyClient
from ..terminal import has_color, json_text, note
from .ask_all import Answered, ask_all
from .newer import note_if_newer

__all__ = ["PoolCapacity", "print_pool_capacity", "print_pool_status"]

SCHEMA = 1  # of the JSON; it grows when a key changes its meaning or goes away, not when one is added


class PoolCapacity:
    """The answers of several servers to GET /capacity, as one; `span`: that of --for."""

    def __init__(self, answers: Sequence[Answered], span: Optional[str]) -> None:
        self._labels = server_labels([each.url for each in answers])
        self._answers = [_checked(each, CapacityView) for each in answers]
        self._parts = [
            Part(label, None if each.error else from_json(CapacityView, each.value), each.error)
            for label, each in zip(self._labels, self._answers)
        ]
        self.union = union_of(self._parts)
        self.lasts = [_lasting(each) for each in self._answers]
        self.together: Optional[LastingView] = None
        if span:
            from ...forecast.lasting import parse_span

            self.together = union_lasting(self.lasts, parse_span(span))

    @property
    def is_reachable(self) -> bool:
        """Whether one of them answered."""
        return any(part.capacity is not None for part in self._parts)

    def problems(self) -> list[str]:
        """Return a line for each server without an answer, and for accounts that several have."""
        lines = [f"{part.label}: {part.error}" for part in self._parts if part.error]
        shared = shared_names(self._parts)
        if shared:
            lines.append(
                f"{', '.join(shared)}: on several servers; if that is one login, its room is counted twice"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the answer of one server, with all accounts, and `servers` with each one's own."""
        rows = [
            {**row, "server": each.url}
            for each in self._answers
            for row in (each.value or {}).get("accounts") or ()
        ]
        shown: dict[str, Any] = {"schema": SCHEMA, **to_json(self.union), "accounts": rows}
        if self.together is not None:
            shown["lasting"] = to_json(self.together)
        if not self.is_reachable:
            shown["error"] = "proxy unreachable"
        shown["servers"] = [
            {"url": each.url, "error": each.error or None, "capacity": each.value} for each in self._answers
        ]
        return shown

    def lines(self, color: bool) -> list[str]:
        """Return the pool in one line, what lasts, and then each server with its accounts."""
        from ...deck.view.capacity_page import capacity_lines, pool_line

        lines = [pool_line(self.union, color)]
        if self.together is not None:
            lines.append(f"   {_together_text(self.together)}")
        for part, lasts in zip(self._parts, self.lasts):
            if part.capacity is None:
                lines.append(f"  {part.label}  unreachable")
                continue
            own = capacity_lines(labelled_capacity(part.label, part.capacity), color, lasts)
            lines += [f"  {part.label}  {own[0]}", *(f"  {line}" for line in own[1:])]
        return lines


def print_pool_status(proxies: Sequence[ProxyClient], args: argparse.Namespace) -> int:
    """Print the status of several servers; return 1 if none answers."""
    from ...deck.model.build import deck_model
    from ...deck.pool.merging import ServerPart, merged_snapshot, merged_sources
    from ...deck.sources.sources import sources_from_json
    from ..deck_page import deck_page

    answers = [
        _checked(each, snapshot.Snapshot)
        for each in ask_all(proxies, "/teamclaude/status" if args.json else "/teamclaude/deck")
    ]
    labels = server_labels([each.url for each in answers])
    for label, each in zip(labels, answers):
        if each.error:
            note(f"teamclaude: {label}: {each.error}")
    for each in answers:
        note_if_newer(each.url, each.value, snapshot.SCHEMA)
    if args.json:
        rows = [{"url": each.url, "error": each.error or None, "status": each.value} for each in answers]
        print(json_text(SCHEMA, {"servers": rows}))
    elif any(not each.error for each in answers):
        parts = [
            ServerPart(label, snapshot.Snapshot.from_json(each.value or {}), each.error)
            for label, each in zip(labels, answers)
        ]
        sources = [sources_from_json(each.value.get("fleet")) for each in answers if not each.error]
        model = deck_model(merged_snapshot(parts), merged_sources(sources))
        print("\n".join(deck_page(model, sys.stdout, requests=0)))
    return 1 if all(each.error for each in answers) else 0


def print_pool_capacity(
    proxies: Sequence[ProxyClient], path: str, args: argparse.Namespace
) -> tuple[str, str]:
    """Print the capacity of several servers; return the verdict, and the answer to --for or nothing."""
    pool = PoolCapacity(ask_all(proxies, path), args.span)
    for line in pool.problems():
        note(f"teamclaude: {line}")
    if args.json:
        print(json.dumps(pool.to_json()))
    elif pool.is_reachable:
        print("\n".join(pool.lines(has_color(sys.stdout))))
    return pool.union.verdict, pool.together.answer if pool.together else ""


def _checked(answer: Answered, wanted: Any) -> Answered:
    """Return the answer; with an error if it is not of the wanted type."""
    if answer.error:
        return answer
    try:
        from_json(wanted, answer.value)
    except SnapshotError as error:
        return Answered(answer.url, None, str(error))
    return answer


def _lasting(answer: Answered) -> Optional[LastingView]:
    value = (answer.value or {}).get("lasting")
    try:
        return from_json(LastingView, value) if isinstance(value, dict) else None
    except TeamClaudeError:
        return None


def _together_text(lasts: LastingView) -> str:
    from ...deck.text.format import format_duration

    span = format_duration(lasts.sec)
    return {
        "yes": f"The pool lasts {span}: each server says so.",
        "no": f"The pool does not last {span}: no server does.",
        "maybe": f"The pool may last {span}: the servers differ, and work may move between them.",
    }.get(lasts.answer, f"Whether the pool lasts {span} can't be told: not every server can tell.")
