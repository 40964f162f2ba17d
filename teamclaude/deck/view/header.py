"""Draw the first lines of the Deck: the proxy, the machine, the capacity, the conversations in numbers."""

from __future__ import annotations

from typing import Optional

from ...snapshot import CapacityView, SystemView
from ..model.model import DeckModel, NodeCounts, ProxyInfo
from ..text.format import UNKNOWN, format_duration, format_percent
from ..text.spans import (
    Line,
    Span,
    clip_line,
    first_fitting,
    join_lines,
    left_and_right,
    line,
    line_width,
    usage_style,
)
from .wording import plural, usage_dollars, usage_summary

__all__ = ["header_lines"]

GAUGE_CELLS = (16, 12, 8)  # the widest one that fits
VERDICTS = {"green": "good", "yellow": "warn", "red": "bad"}


def header_lines(model: DeckModel, room: int) -> list[Line]:
    """Return three or four lines of at most `room` cells."""
    return [
        *_machine_lines(model, room),
        _capacity_line(model.proxy.capacity, room),
        _counts_line(model.totals.counts, room),
    ]


def _machine_lines(model: DeckModel, room: int) -> list[Line]:
    """Return the title with the proxy's facts, and the machine's gauges: on the same line or below."""
    totals, title = model.totals, _title(model.proxy)
    facts, problems = _facts(model.proxy.system), _problems(model)
    every = join_lines([facts, problems])
    if totals.ram_share is None and totals.cpu_share is None:
        if line_width(title) + line_width(every) + 2 <= room:
            return [left_and_right(title, every, room)]
        return [left_and_right(title, facts, room), *([clip_line(problems, room)] if problems else [])]
    gauges = [
        join_lines([_gauge("RAM", totals.ram_share, size), _gauge("CPU", totals.cpu_share, size)], "  ")
        for size in GAUGE_CELLS
    ]
    if room >= line_width(title) + line_width(every) + line_width(gauges[0]) + 8:
        return [left_and_right((*title, Span("    "), *every), gauges[0], room)]
    figures = line((f"RAM {format_percent(totals.ram_share)}  CPU {format_percent(totals.cpu_share)}", "dim"))
    below = first_fitting([*gauges, figures], room - line_width(problems) - 2 * bool(problems))
    return [left_and_right(title, facts, room), left_and_right(below, problems, room)]


def _title(proxy: ProxyInfo) -> Line:
    system = proxy.system
    up: tuple[str, str] = ("▲ up", "good") if proxy.reachable else ("▼ unreachable", "bad strong")
    return join_lines(
        [
            line((f"TeamClaude {system.version}".rstrip(), "strong")),
            line(f":{system.port}") if system.port else (),
            line(up),
            line(("draining", "warn strong")) if system.draining else (),
        ],
        "  ",
    )


def _facts(system: SystemView) -> Line:
    memory, uptime = system.proxy_rss_mb, system.proxy_uptime_sec
    return join_lines(
        [
            line(f"{memory:.0f} MB") if memory is not None else (),
            line(f"up {format_duration(uptime)}") if uptime is not None else (),
        ]
    )


def _problems(model: DeckModel) -> Line:
    totals, held = model.totals, model.proxy.system.held
    waiting = model.proxy.system.waiting - held  # for a slot, or held for a moment only
    return join_lines(
        [
            line((f"{totals.throttled} throttled", "warn")) if totals.throttled else (),
            line((f"{totals.need_login} need login", "bad strong")) if totals.need_login else (),
            line((f"{held} held", "warn strong")) if held else (),
            line((f"{waiting} waiting", "warn")) if waiting > 0 else (),
        ]
    )


def _gauge(label: str, used: Optional[float], size: int) -> Line:
    if used is None:
        return line((f"{label} [{'-' * size}] {UNKNOWN:>4}", "dim"))
    filled = min(size, max(0, round(used * size)))
    return line(
        f"{label} [",
        ("█" * filled, usage_style(used)),
        " " * (size - filled),
        "] ",
        (f"{format_percent(used):>4}", usage_style(used)),
    )


def _capacity_line(capacity: CapacityView, room: int) -> Line:
    word = (f"{capacity.verdict.upper() or UNKNOWN}", f"{VERDICTS.get(capacity.verdict, 'dim')} strong")
    lead = line("Cap ", word)
    wait = line(f"next {format_duration(capacity.soonest_reset_sec)}") if capacity.soonest_reset_sec else ()
    benched = line((f"{capacity.benched} benched", "warn")) if capacity.benched else ()
    wordings = [
        join_lines(
            [
                lead,
                line(f"{_known(capacity.headroom)} headroom"),
                line(f"{_live(capacity)} live"),
                benched,
                wait,
            ]
        ),
        join_lines([lead, line(f"{_known(capacity.headroom)} free"), line(f"{_live(capacity)} live"), wait]),
    ]
    return first_fitting(wordings, room) or lead


def _live(capacity: CapacityView) -> str:
    return f"{_known(capacity.live_accounts)}/{_known(capacity.total)}"


def _known(value: Optional[int]) -> str:
    return UNKNOWN if value is None else str(value)


def _counts_line(counts: NodeCounts, room: int) -> Line:
    needs = line((f"{counts.needs_you} needs-you", "bad strong" if counts.needs_you else "dim"))
    if not counts.agents:
        return line(("Fleet ", "strong"), ("no agents at work", "dim"))
    agents = plural(counts.agents, "agent")
    roles = f"({counts.solo} solo · {counts.leads} ☂ · {counts.workers} ↳)"
    warm, llm, tools = f"{counts.warm} warm", f"{counts.inference} LLM", plural(counts.tools, "tool")
    title = Span("Fleet ", "strong")
    lefts: list[Line] = [
        (title, *join_lines([line(f"{agents} ", (roles, "dim")), line(warm), needs, line(llm), line(tools)])),
        (title, *join_lines([line(f"{agents} ", (roles, "dim")), line(warm), needs, line(llm)])),
        (title, *join_lines([line(agents), line(warm), needs, line(llm), line(tools)])),
        (title, *join_lines([line(agents), needs])),
        (title, *join_lines([line(f"{counts.agents}"), needs])),
    ]
    rights = [line((usage_summary(counts.usage), "strong")), line((usage_dollars(counts.usage), "strong"))]
    for right in rights:
        for left in lefts:
            if line_width(left) + 2 + line_width(right) <= room:
                return left_and_right(left, right, room)
    return lefts[-1]
