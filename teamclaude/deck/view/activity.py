"""Draw the requests: held ones, those in flight with a spinner, then the finished ones."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..model.model import ActivityRow, HeldRequest, Node
from ..model.snapshot import JsonObject, text_at
from ..text.cells import clean
from ..text.format import (
    UNKNOWN,
    epoch_seconds,
    finite_number,
    format_dollars,
    format_duration,
    format_seconds,
    format_tokens,
    session_emoji,
)
from ..text.spans import Line, Span, clip_line, line, line_width
from .ui_state import FrameOptions
from .wording import cell, model_name

__all__ = ["activity_row", "hold_row"]

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
USUAL_PATH = "/v1/messages"


def activity_row(
    row: ActivityRow, nodes: Mapping[str, Node], names: Mapping[str, str], options: FrameOptions
) -> Line:
    """Return the row of one request; `names` are the short names of the accounts."""
    record, room = row.record, options.width
    wide = room >= 110
    out = [_spinner(row, options.spinner_step)]
    if room >= 60:
        out.append(Span(f" {_clock(record)}", "dim"))
    out += [Span(" "), _status(row), cell(format_seconds(row.elapsed_sec), 7, right=True), Span("  ")]
    out += _who_cells(record, nodes, 32 if wide else 18 if room >= 72 else 12, options.ascii)
    left = room - line_width(out)
    if row.waiting_for:
        return (*out, *_waiting(row, names, left))
    return (*out, *(_failure(row, names, left) or _progress(row, names, left)))


def _spinner(row: ActivityRow, spin: int) -> Span:
    return Span(SPINNER[spin % len(SPINNER)], "accent") if row.running else Span(" ")


def _clock(record: JsonObject) -> str:
    at = epoch_seconds(record.get("at"))
    return time.strftime("%H:%M:%S", time.localtime(at)) if at is not None else "--:--:--"


def _status(row: ActivityRow) -> Span:
    if row.running:
        return cell("···", 3, "dim")
    status = finite_number(row.record.get("status"))
    return cell(UNKNOWN if status is None else f"{status:.0f}", 3, row.style)


def _who_cells(record: JsonObject, nodes: Mapping[str, Node], cells: int, tags: bool) -> list[Span]:
    session, agent = text_at(record, "session"), text_at(record, "agent")
    if not session:
        return [cell(text_at(record, "client") or UNKNOWN, cells, "dim")]
    node = nodes.get(f"{session}/{agent}" if agent else session)
    home = node or nodes.get(session)
    mark = session[:2] if tags else (home.emoji if home and home.emoji else session_emoji(session))
    label = home.label if home is not None else session[:8]
    return [cell(mark, 2), Span(" "), cell(label, cells - 3)]


def _waiting(row: ActivityRow, names: Mapping[str, str], room: int) -> Line:
    """Return for a waiting request the tried accounts, and what it waits for."""
    route = (_route(row.record, names, room),) if row.record.get("accounts") else ()
    model = model_name(text_at(row.record, "model"))
    return clip_line((*route, *line("  ", (row.waiting_for, "warn"), (f"  {model}", "dim"))), room)


def _failure(row: ActivityRow, names: Mapping[str, str], room: int) -> Line:
    """Return for a request that was not served its outcome and the reason."""
    outcome = text_at(row.record, "outcome")
    if outcome in ("", "served"):
        return ()
    why = ": ".join(word for word in (outcome, text_at(row.record, "reason")) if word)
    asked = _endpoint(row.record)
    return clip_line(
        (_route(row.record, names, room), *line("  ", (why, row.style), (f"  {asked}", "dim"))), room
    )


def _progress(row: ActivityRow, names: Mapping[str, str], room: int) -> Line:
    """Return for a request in flight or served its account, model, token counts and cost."""
    record = row.record
    model = "·".join(
        part for part in (model_name(text_at(record, "model")), text_at(record, "effort")) if part
    )
    out = [_route(record, names, room)]
    if room >= 28:
        out.append(cell(f"  {model}", 20 if room >= 50 else 16))
    if line_width(out) + 8 > room:
        return clip_line(out, room)
    figures = [
        _tokens(record, "outputTokens", "out"),
        _tokens(record, "inputTokens", "in"),
        _tokens(record, "cacheReadTokens", "cached"),
        _cost(record),
        f"ttfb {format_seconds(record.get('ttfbSec'))}" if record.get("ttfbSec") is not None else "",
    ]
    shown = figures if room >= 50 else figures[:1]
    parts = [_endpoint(record), *shown, text_at(record, "reason") if room >= 70 else ""]
    return clip_line((*out, Span("  " + " · ".join(part for part in parts if part), "dim")), room)


def _route(record: JsonObject, names: Mapping[str, str], room: int) -> Span:
    """Return ` → alice → bob`: the accounts that were tried."""
    tried = record.get("accounts")
    known = [str(name) for name in tried] if isinstance(tried, list) else []
    shown = " → ".join(names.get(name) or clean(name) for name in dict.fromkeys(known))
    return cell(f" → {shown or UNKNOWN}", 24 if room >= 70 else 12)


def _endpoint(record: JsonObject) -> str:
    """Return method and path, unless they are the usual ones."""
    path = text_at(record, "path")
    return "" if path == USUAL_PATH else f"{text_at(record, 'method')} {path}"


def _cost(record: JsonObject) -> str:
    if record.get("cost") is None:
        return ""
    return ("~" if record.get("costEstimated") is True else "") + format_dollars(record["cost"])


def _tokens(record: JsonObject, key: str, word: str) -> str:
    shown = record.get(key) is not None or (record.get("unmeasured") is True and word != "cached")
    return f"{format_tokens(record.get(key))} {word}" if shown else ""


def hold_row(hold: HeldRequest, nodes: Mapping[str, Node], options: FrameOptions) -> Line:
    """Return `held 5m, alice back 23:22  🦜 Fix the login  opus-4-8`."""
    words = line("  ", (f"held {format_duration(int(hold.held_sec))}, {hold.expected}", "warn"), "  ")
    who: Line = line((hold.request, "dim"))
    if hold.session:
        node = nodes.get(hold.node_key) or nodes.get(hold.session)
        animal = node.emoji if node is not None and node.emoji else session_emoji(hold.session)
        mark = hold.session[:2] if options.ascii else animal
        who = line(f"{mark} ", (node.label if node is not None else hold.session[:8], "strong"))
    return clip_line((*words, *who, Span(f"  {model_name(hold.model)}", "dim")), options.width)
