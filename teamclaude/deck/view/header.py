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
    top, title = model.totals, _title(model.proxy)
    facts, trouble = _facts(model.proxy.system), _problems(model)
    every = join_lines([facts, trouble])
    if top.ram_share is None and top.cpu_share is None:
        if line_width(title) + line_width(every) + 2 <= room:
            return [left_and_right(title, every, room)]
        return [left_and_right(title, facts, room), *([clip_line(trouble, room)] if trouble else [])]
    gauges = [
        join_lines([_gauge("RAM", top.ram_share, size), _gauge("CPU", top.cpu_share, size)], "  ")
        for size in GAUGE_CELLS
    ]
    if room >= line_width(title) + line_width(every) + line_width(gauges[0]) + 8:
        return [left_and_right((*title, Span("    "), *every), gauges[0], room)]
    figures = line((f"RAM {format_percent(top.ram_share)}  CPU {format_percent(top.cpu_share)}", "dim"))
    below = first_fitting([*gauges, figures], room - line_width(trouble) - 2 * bool(trouble))
    return [left_and_right(title, facts, room), left_and_right(below, trouble, room)]


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
    top, held = model.totals, model.proxy.system.held
    waiting = model.proxy.system.waiting - held  # for a slot, or held for a moment only
    return join_lines(
        [
            line((f"{top.throttled} throttled", "warn")) if top.throttled else (),
            line((f"{top.need_login} need login", "bad strong")) if top.need_login else (),
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


def _capacity_line(pool: CapacityView, room: int) -> Line:
    word = (f"{pool.verdict.upper() or UNKNOWN}", f"{VERDICTS.get(pool.verdict, 'dim')} strong")
    lead = line("Cap ", word)
    wait = line(f"next {format_duration(pool.soonest_reset_sec)}") if pool.soonest_reset_sec else ()
    benched = line((f"{pool.benched} benched", "warn")) if pool.benched else ()
    wordings = [
        join_lines(
            [lead, line(f"{_known(pool.headroom)} headroom"), line(f"{_live(pool)} live"), benched, wait]
        ),
        join_lines([lead, line(f"{_known(pool.headroom)} free"), line(f"{_live(pool)} live"), wait]),
    ]
    return first_fitting(wordings, room) or lead


def _live(pool: CapacityView) -> str:
    return f"{_known(pool.live_accounts)}/{_known(pool.total)}"


def _known(value: Optional[int]) -> str:
    return UNKNOWN if value is None else str(value)


def _counts_line(fleet: NodeCounts, room: int) -> Line:
    needs = line((f"{fleet.needs_you} needs-you", "bad strong" if fleet.needs_you else "dim"))
    if not fleet.agents:
        return line(("Fleet ", "strong"), ("no agents at work", "dim"))
    agents = plural(fleet.agents, "agent")
    roles = f"({fleet.solo} solo · {fleet.leads} ☂ · {fleet.workers} ↳)"
    warm, llm, tools = f"{fleet.warm} warm", f"{fleet.inference} LLM", plural(fleet.tools, "tool")
    title = Span("Fleet ", "strong")
    used = fleet.usage
    lefts: list[Line] = [
        (title, *join_lines([line(f"{agents} ", (roles, "dim")), line(warm), needs, line(llm), line(tools)])),
        (title, *join_lines([line(f"{agents} ", (roles, "dim")), line(warm), needs, line(llm)])),
        (title, *join_lines([line(agents), line(warm), needs, line(llm), line(tools)])),
        (title, *join_lines([line(agents), needs])),
        (title, *join_lines([line(f"{fleet.agents}"), needs])),
    ]
    rights = [line((usage_summary(used), "strong")), line((usage_dollars(used), "strong"))]
    for right in rights:
        for left in lefts:
            if line_width(left) + 2 + line_width(right) <= room:
                return left_and_right(left, right, room)
    return lefts[-1]
