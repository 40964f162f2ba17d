"""Draw the requests: held ones, those in flight with a spinner, then the finished ones."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Optional

from ...snapshot import Activity
from ...values import NamedTuple
from ..model.model import ActivityRow, HeldRow, Node
from ..text.cells import clean, width
from ..text.format import (
    UNKNOWN,
    format_dollars,
    format_duration,
    format_seconds,
    format_tokens,
    session_emoji,
)
from ..text.names import distinct_names
from ..text.spans import Line, Span, clip_line, line, line_width
from .ui_state import FrameOptions
from .wording import cell, model_name

__all__ = ["RouteNames", "activity_row", "hold_row"]

WIDE_ROUTE, NARROW_ROUTE, ARROW = 24, 12, 3  # cells
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
USUAL_PATH = "/v1/messages"


class RouteNames(NamedTuple):
    """The accounts' names, distinct also in the few cells behind `… → `."""

    wide: Mapping[str, str]
    narrow: Mapping[str, str]

    @classmethod
    def of(cls, accounts: Sequence[str]) -> RouteNames:
        """Return the names in both widths."""
        return cls(
            distinct_names(accounts, WIDE_ROUTE - ARROW - 4),
            distinct_names(accounts, NARROW_ROUTE - ARROW - 1),
        )


def activity_row(
    row: ActivityRow, nodes: Mapping[str, Node], names: RouteNames, options: FrameOptions
) -> Line:
    """Return the row of one request; `names` are the short names of the accounts."""
    request, room = row.request, options.width
    wide = room >= 110
    out = [_spinner(row, options.spinner_step)]
    if room >= 60:
        out.append(Span(f" {_clock(request)}", "dim"))
    status = _status(row)
    elapsed = cell(format_seconds(row.elapsed_sec), 10 - width(status.text), right=True)
    out += [Span(" "), status, elapsed, Span("  ")]
    out += _who_cells(request, nodes, 32 if wide else 18 if room >= 72 else 12, options.ascii)
    left = room - line_width(out)
    if row.waiting_for:
        return (*out, *_waiting(row, names, left))
    return (*out, *(_failure(row, names, left) or _progress(row, names, left)))


def _spinner(row: ActivityRow, spin: int) -> Span:
    if row.is_held:
        return Span("‖", "warn")
    return Span(SPINNER[spin % len(SPINNER)], "accent") if row.running else Span(" ")


def _clock(request: Activity) -> str:
    return time.strftime("%H:%M:%S", time.localtime(request.at))


def _status(row: ActivityRow) -> Span:
    if row.running:
        return cell("held", 4, "warn") if row.is_held else cell("···", 3, "dim")
    status = row.request.status
    return cell(UNKNOWN if status is None else str(status), 3, row.style)


def _who_cells(request: Activity, nodes: Mapping[str, Node], cells: int, ascii: bool) -> list[Span]:
    session, agent = clean(request.session), clean(request.agent)
    if not session:
        return [cell(clean(request.client) or UNKNOWN, cells, "dim")]
    mark, label = _mark_and_label(session, agent, nodes, ascii)
    return [cell(mark, 2), Span(" "), cell(label, cells - 3)]


def _mark_and_label(session: str, agent: str, nodes: Mapping[str, Node], ascii: bool) -> tuple[str, str]:
    """Return the emoji (in ASCII the id's beginning) and the label of a conversation, or of its session."""
    node = nodes.get(f"{session}/{agent}" if agent else session) or nodes.get(session)
    emoji = node.emoji if node is not None and node.emoji else session_emoji(session)
    return session[:2] if ascii else emoji, session[:8] if node is None else node.label


def _waiting(row: ActivityRow, names: RouteNames, room: int) -> Line:
    """Return for a waiting request the tried accounts, and what it waits for."""
    route = (_route(row.request, names, room),) if row.request.accounts else ()
    model = model_name(clean(row.request.model))
    return clip_line((*route, *line("  ", (row.waiting_for, "warn"), (f"  {model}", "dim"))), room)


def _failure(row: ActivityRow, names: RouteNames, room: int) -> Line:
    """Return for a request that was not served its outcome and the reason."""
    request = row.request
    if request.outcome in ("", "served"):
        return ()
    why = ": ".join(clean(word) for word in (request.outcome, request.reason) if word)
    words = line("  ", (why, row.style), (f"  {_endpoint(request)}", "dim"))
    return clip_line((_route(request, names, room), *words), room)


def _progress(row: ActivityRow, names: RouteNames, room: int) -> Line:
    """Return for a request in flight or served its account, model, token counts and cost."""
    request = row.request
    model = "·".join(part for part in (model_name(clean(request.model)), clean(request.effort)) if part)
    out = [_route(request, names, room)]
    if room >= 28:
        out.append(cell(f"  {model}", 20 if room >= 50 else 16))
    if line_width(out) + 8 > room:
        return clip_line(out, room)
    figures = [
        _tokens(request.output_tokens, "out", request.unmeasured),
        _tokens(request.input_tokens, "in", request.unmeasured),
        _tokens(request.cache_write_tokens or None, "written"),
        _tokens(request.cache_read_tokens, "cached"),
        _cost(request),
        f"ttfb {format_seconds(request.ttfb_sec)}" if request.ttfb_sec is not None else "",
    ]
    shown = figures if room >= 50 else figures[:1]
    parts = [_endpoint(request), *shown, clean(request.reason) if room >= 70 else ""]
    return clip_line((*out, Span("  " + " · ".join(part for part in parts if part), "dim")), room)


def _route(request: Activity, names: RouteNames, room: int) -> Span:
    """Return ` → alice → bob`: the accounts that were tried."""
    cells = WIDE_ROUTE if room >= 70 else NARROW_ROUTE
    known = names.wide if room >= 70 else names.narrow
    tried = [known.get(name) or clean(name) for name in dict.fromkeys(request.accounts)]
    shown = " → ".join(tried)
    if len(tried) > 1 and width(shown) > cells - ARROW:  # the last one answered
        shown = f"… → {tried[-1]}" if room >= 70 else f"…{tried[-1]}"
    return cell(f" → {shown or UNKNOWN}", cells)


def _endpoint(request: Activity) -> str:
    """Return method and path, unless they are the usual ones."""
    return "" if request.path == USUAL_PATH else clean(f"{request.method} {request.path}")


def _cost(request: Activity) -> str:
    if request.cost is None:
        return ""
    return ("~" if request.cost_estimated else "") + format_dollars(request.cost)


def _tokens(count: Optional[int], word: str, unmeasured: bool = False) -> str:
    return f"{format_tokens(count)} {word}" if count is not None or unmeasured else ""


def hold_row(hold: HeldRow, nodes: Mapping[str, Node], options: FrameOptions) -> Line:
    """Return `🦜 Fix the login  held 5m, alice back 23:22  opus-4-8`: who waits is seen at any width."""
    view = hold.view
    words = line("  ", (f"held {format_duration(int(view.held_sec))}, {hold.expected}", "warn"))
    owner = line((view.request, "dim"))
    if view.session:
        mark, label = _mark_and_label(view.session, view.agent, nodes, options.ascii)
        owner = line(f"{mark} ", (label, "strong"))
    return clip_line((*line("  "), *owner, *words, Span(f"  {model_name(view.model)}", "dim")), options.width)
