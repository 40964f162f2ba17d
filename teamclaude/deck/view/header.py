"""Draw the first lines of the Deck: the proxy, the machine, the capacity, the conversations in numbers.

If nothing can go on, a line says why and until when.
"""

from __future__ import annotations

from typing import Optional

from ...snapshot import CapacityView, SystemView
from ..model.model import DeckModel, NodeCounts, ProxyInfo
from ..text.cells import clean
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
from .wording import forecast_text, plural, usage_dollars, usage_summary

__all__ = ["header_lines"]

GAUGE_CELLS = (16, 12, 8)  # the widest one that fits
VERDICTS = {"green": "good", "yellow": "warn", "red": "bad"}


GAUGES_FROM_HEIGHT = 30  # lines of the screen; on a lower one the gauges are figures


def header_lines(model: DeckModel, room: int, height: int = 0) -> list[Line]:
    """Return three to six lines of at most `room` cells; `height` 0: the page has no end."""
    capacity, problems = _capacity_wordings(model), _problems(model)
    if 0 < height < GAUGES_FROM_HEIGHT:
        machine, beside = [_title_line(model, room)], problems
    else:
        machine, beside = _machine_lines(model, room), ()
    # The problems are also in the lines of the accounts: the verdict and who is live come first.
    left = room - (line_width(beside) + 2 if beside else 0)
    verdict = first_fitting(capacity[:-1], left) or first_fitting(capacity, room)
    return [
        *machine,
        left_and_right(verdict, beside, room),
        *_obstacle(model, room),
        *_other_servers(model, room),
        _counts_line(model.totals.counts, room),
    ]


def _obstacle(model: DeckModel, room: int) -> list[Line]:
    """Return the line that says why nothing goes on; if things can go on, none."""
    if not model.obstacle:
        return []
    parts = [line((part, "warn strong")) for part in model.obstacle]
    wordings = [(Span("Why ", "strong"), *join_lines(parts[:count])) for count in range(len(parts), 0, -1)]
    return [first_fitting(wordings, room) or clip_line(wordings[-1], room)]


def _other_servers(model: DeckModel, room: int) -> list[Line]:
    """Return the line that says that another server runs with the same config file, if one does."""
    others = model.proxy.system.other_servers
    if not others:
        return []
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    text = f"with the same config file: {clean(others[0])}{more}"
    return [clip_line([Span("Another server ", "strong"), Span(text, "warn")], room)]


def _title_line(model: DeckModel, room: int) -> Line:
    """Return the title with the proxy's and the machine's figures."""
    totals, facts = model.totals, _facts(model.proxy.system)
    shares = [("RAM", totals.ram_share), ("CPU", totals.cpu_share)]
    known = [
        line((f"{label} {format_percent(share)}", usage_style(share)))
        for label, share in shares
        if share is not None
    ]
    title = _title(model.proxy)
    left = room - line_width(title) - 2
    return left_and_right(title, first_fitting([join_lines([*known, facts]), facts], left), room)


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
            line((ending, "warn strong")) if (ending := _ending(system)) else (),
            line((_before(system), "dim")) if system.predecessors else (),
        ],
        "  ",
    )


def _ending(system: SystemView) -> str:
    """Return `draining: 3 requests, 25 s left`; empty while the server does not end."""
    ending = system.ending
    if ending is None or not ending.phase:
        return "draining" if system.draining else ""
    left = "" if ending.left_sec is None else f", {format_duration(ending.left_sec)} left"
    word = "drain announced" if ending.phase == "announced" else ending.phase
    return f"{word}: {plural(ending.requests, 'request')}{left}"


def _before(system: SystemView) -> str:
    """Return how much the processes before this one still have to do."""
    return f"old process: {plural(sum(each.requests for each in system.predecessors), 'request')}"


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


def _capacity_wordings(model: DeckModel) -> list[Line]:
    """Return `Cap GREEN · 9 headroom · 3/3 live · 1 benched · next 42s`, longest wording first."""
    capacity = model.proxy.capacity
    word = (f"{capacity.verdict.upper() or UNKNOWN}", f"{VERDICTS.get(capacity.verdict, 'dim')} strong")
    lead = line("Cap ", word)
    wait = line(f"next {format_duration(capacity.soonest_reset_sec)}") if capacity.soonest_reset_sec else ()
    benched = line((f"{capacity.benched} benched", "warn")) if capacity.benched else ()
    room, live = _known(capacity.headroom), line(f"{_live(capacity)} live")
    dry = forecast_text(model.forecast, model.now, lasts="")
    ends = line((dry, "warn")) if dry else ()
    pinned = next((account.name for account in model.accounts if account.pinned), "")
    to = line(("all work to ", ""), (pinned, "accent strong")) if pinned else ()
    return [
        join_lines([lead, line(f"{room} headroom"), live, benched, wait, ends, to]),
        join_lines([lead, line(f"{room} headroom"), live, benched, wait, ends]),
        join_lines([lead, line(f"{room} free"), live, wait, ends]),
        join_lines([lead, line(f"{room} free"), live, ends or wait]),
        join_lines([lead, line(f"{room} free"), live]),
        lead,
    ]


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
    every = line(f"{agents} ", (roles, "dim"))
    warm, llm, tools = f"{counts.warm} warm", f"{counts.inference} LLM", plural(counts.tools, "tool")
    held = line((f"{counts.held} held", "warn strong")) if counts.held else ()
    title = Span("Fleet ", "strong")
    lefts: list[Line] = [
        (title, *join_lines([every, line(warm), needs, held, line(llm), line(tools)])),
        (title, *join_lines([every, line(warm), needs, held, line(llm)])),
        (title, *join_lines([line(agents), line(warm), needs, held, line(llm), line(tools)])),
        (title, *join_lines([line(agents), needs, held, line(llm), line(tools)])),
        (title, *join_lines([line(agents), needs, held])),
        (title, *join_lines([line(f"{counts.agents}"), needs, held])),
    ]
    rights = [line((usage_summary(counts.usage), "strong")), line((usage_dollars(counts.usage), "strong"))]
    for right in rights:
        for left in lefts:
            if line_width(left) + 2 + line_width(right) <= room:
                return left_and_right(left, right, room)
    return lefts[-1]
