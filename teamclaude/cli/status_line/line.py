"""The facts as one line: parts, template, width.  Pure.

The line is a list of parts, each with shorter forms: what matters least goes first until the line fits.
Names come from outside: only printable characters of them get into the line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...values import NamedTuple
from .facts import Facts, Input, Window
from .outlook import forecast_spans, use_style
from .spans import Span, Spans, cells_of, clipped, duration, joined, painted, safe_text, span

__all__ = ["FIELDS", "State", "line_of", "unknown_field"]

FIVE_HOURS_SEC, WEEK_SEC = 5 * 3600.0, 7 * 86400.0
UNKNOWN = "-"
AHEAD = 0.1  # of an even pace, likewise
CACHE_WARNING_SEC = 300.0  # before the prompt cache ends
CACHE_WARNING_TOKENS = 20_000  # that a cold cache costs: less is not worth a word
MAX_NAME_CELLS = 32

FIELDS: Mapping[str, str] = {
    "account": "the account that serves this session",
    "status": "what keeps it from new work (benched 4m); else empty",
    "5h": "its use of the 5-hour window",
    "5h_pace": "points ahead (+) or behind (-) of an even use",
    "5h_reset": "time to the window's reset",
    "7d": "its use of the week",
    "7d_pace": "points ahead (+) or behind (-) of an even week",
    "7d_reset": "time to the weekly reset",
    "headroom": "conversations that the pool can start now",
    "live": "accounts that take new work",
    "total": "accounts in the pool",
    "verdict": "green, yellow or red, as in `teamclaude capacity`",
    "forecast": "when the pool runs dry (dry in 40m-2h), or lasts; - if unknown",
    "held": "how long a request is held, and for what; else empty",
    "alert": "held, failing over, no answer, direct...; else empty",
    "cost": "cost of this session, as the client counts it",
    "cache": "a warning when the prompt cache is cold, or soon; else empty",
    "context": "used share of the context window",
    "model": "the model",
}


class State(NamedTuple):
    """How the facts were obtained."""

    is_direct: bool = False  # the client does not use the proxy
    age_sec: float | None = None  # of a remembered answer: the proxy gives none


class Part(NamedTuple):
    """A part of the line; `shorter` are its forms from a level of shortening on."""

    full: Spans
    shorter: Sequence[tuple[int, Spans]] = ()

    def at(self, level: int) -> Spans:
        """Return the form for a level."""
        form = self.full
        for since, shorter in self.shorter:
            if level >= since:
                form = shorter
        return form


def unknown_field(template: str) -> str:
    """Return what is wrong with a template, in one line; empty when it is right."""
    for _, name in _pieces(template):
        if name is not None and name not in FIELDS:
            return f'no field "{{{safe_text(name, 40)}}}"; there are: {", ".join(FIELDS)}'
    return ""


def line_of(
    said: Input,
    facts: Facts,
    state: State,
    now: float,
    width: int = 0,
    colors: int = 0,
    template: str = "",
) -> str:
    """Return the line, without a line end; empty when there is nothing to say.

    `width` is in terminal cells, 0 for any; `colors` is 0, 16 or 256; `template` replaces the usual parts.
    """
    parts = _Parts(said, facts, state, now)
    if template:
        spans = parts.from_template(template)
        return painted(spans if not width else clipped(spans, width), colors)
    shown = parts.usual()
    highest = max((since for part in shown for since, _ in part.shorter), default=0)
    for level in range(highest + 1):
        spans = joined([part.at(level) for part in shown])
        if not width or cells_of(spans) <= width:
            return painted(spans, colors)
    return painted(clipped(spans, width), colors)


class _Parts:
    """The parts and fields of one line."""

    def __init__(self, said: Input, facts: Facts, state: State, now: float) -> None:
        self._said, self._facts, self._state, self._now = said, facts, state, now

    # --- the usual line -----------------------------------------------------------------------

    def usual(self) -> list[Part]:
        """Return the parts in order; the numbers say which forms go first."""
        return [
            self._alert(),
            self._account(),
            self._window("5h", (2, 8, 11)),
            self._window("7d", (1, 4, 7)),
            self._pool(),
            self._money(),
            self._cache(),
        ]

    def _alert(self) -> Part:
        facts, state = self._facts, self._state
        if state.is_direct:
            return Part(span("direct, not through teamclaude", "warn"), [(9, span("direct", "warn"))])
        if state.age_sec is not None:
            since = duration(state.age_sec)
            return Part(span(f"no answer for {since}", "warn"), [(9, span("no answer", "warn"))])
        if facts.held_sec is not None:
            return self._held(facts.held_sec)
        if facts.refused_by:
            to = f", asking {_name(facts.failover_to)}" if facts.failover_to else ", trying again"
            short = span("failing over", "warn")
            return Part(span(f"{_name(facts.refused_by)} refused{to}", "warn"), [(5, short)])
        if facts.draining:
            return Part(span("the proxy is stopping", "warn"), [(9, span("stopping", "warn"))])
        return Part(())

    def _held(self, seconds: float) -> Part:
        held = f"held {duration(seconds)}"
        back = self._back()
        full = span(held + self._reason() + back, "bad")
        return Part(full, [(5, span(held + back, "bad")), (9, span(held, "bad"))])

    def _reason(self) -> str:
        reason = safe_text(self._facts.held_reason, 60)
        return f": {reason}" if reason else ""

    def _back(self) -> str:
        facts = self._facts
        if facts.held_until is None:
            return ""
        left = duration(max(0.0, facts.held_until - self._now))
        return f", {_name(facts.held_account)} in {left}" if facts.held_account else f", {left} to go"

    def _account(self) -> Part:
        facts = self._facts
        name = span(_name(facts.account), "name") if facts.account else ()
        note = self._status()
        full = (*name, *span(f" ({note})", "bad" if facts.account_status != "active" else "dim"))
        return Part(full if note and name else name, [(10, name)])

    def _status(self) -> str:
        facts = self._facts
        if facts.account_status == "benched":
            return f"benched {duration(facts.bench_sec)}"
        if facts.account_status == "auth_failed":
            return "login needed"
        if facts.account_status == "disabled":
            return "disabled"
        return "pinned" if facts.pinned else ""

    def _window(self, axis: str, levels: tuple[int, int, int]) -> Part:
        window = self._facts.windows.get(axis, Window())
        if window.used is None or self._is_over(window):
            return Part(())
        use = (*span(f"{axis} ", "dim"), *span(f"{window.used:.0%}", use_style(window.used)))
        pace, reset = self._pace_span(axis, " "), self._reset_span(axis, " ↻")
        forms = [(levels[0], (*use, *reset)), (levels[1], use)]
        return Part((*use, *pace, *reset), [*forms, (levels[2], ())])

    def _pool(self) -> Part:
        facts = self._facts
        style = {"red": "bad", "yellow": "warn"}.get(facts.verdict, "good")
        if facts.total is None:
            return Part(())
        if facts.verdict == "red":
            back = f", room in {duration(facts.room_in_sec)}" if facts.room_in_sec else ""
            return Part(span(f"pool full{back}", style), [(9, span("full", style))])
        accounts = span(f"pool {facts.live or 0:.0f}/{facts.total:.0f}", "dim")
        room = span(f"room {facts.headroom or 0:.0f}", style)
        return Part((*accounts, (" ", ""), *room), [(3, room), (10, ())])

    def _money(self) -> Part:
        return Part(span(self._cost(), "dim"), [(6, ())])

    def _cost(self) -> str:
        cost = self._said.cost or self._facts.cost
        if cost is None:
            return ""
        return f"${cost:.0f}" if cost >= 100 else f"${cost:.2f}"

    def _cache(self) -> Part:
        said = self._said
        if said.cache_warm is None or (said.recache_tokens or 0.0) < CACHE_WARNING_TOKENS:
            return Part(())
        tokens = f"{(said.recache_tokens or 0.0) / 1000:.0f}k"
        left = None if said.cache_ends_at is None else said.cache_ends_at - self._now
        if not said.cache_warm or (left is not None and left <= 0):
            return Part(span(f"cache cold {tokens}", "warn"), [(7, span("cold", "warn")), (9, ())])
        if left is not None and left < CACHE_WARNING_SEC:
            return Part(span(f"cache {duration(left)} left", "warn"), [(7, ())])
        return Part(())

    def _is_over(self, window: Window) -> bool:
        return window.resets_at is not None and window.resets_at <= self._now

    def _pace_span(self, axis: str, before: str) -> Spans:
        window = self._facts.windows.get(axis, Window())
        if window.used is None or window.resets_at is None or self._is_over(window):
            return ()
        length = FIVE_HOURS_SEC if axis == "5h" else WEEK_SEC
        passed = min(1.0, max(0.0, 1.0 - (window.resets_at - self._now) / length))
        ahead = window.used - passed
        return span(f"{before}{round(100 * ahead) + 0:+d}", "warn" if ahead > AHEAD else "dim")

    def _reset_span(self, axis: str, before: str) -> Spans:
        at = self._facts.windows.get(axis, Window()).resets_at
        if at is None or at <= self._now:
            return ()
        return span(before + duration(at - self._now), "dim")

    # --- a template ---------------------------------------------------------------------------

    def from_template(self, template: str) -> Spans:
        """Return the template with its fields filled in."""
        spans: list[Span] = []
        for text, name in _pieces(template):
            if text:
                spans.append(("".join(char for char in text if char.isprintable()), ""))
            if name is not None:
                spans += self._field(name)
        return tuple(spans)

    def _field(self, name: str) -> Spans:
        facts, said = self._facts, self._said
        axis, _, what = name.partition("_")
        if axis in ("5h", "7d"):
            return self._window_field(axis, what) or ((UNKNOWN, "dim"),)
        numbers = {"headroom": facts.headroom, "live": facts.live, "total": facts.total}
        if name in numbers:
            return span(UNKNOWN if numbers[name] is None else f"{numbers[name]:.0f}", "")
        made: dict[str, Callable[[], Spans]] = {
            "account": lambda: span(_name(facts.account) or UNKNOWN, "name"),
            "status": lambda: span("" if facts.account_status == "active" else self._status(), "bad"),
            "verdict": lambda: span(_name(facts.verdict) or UNKNOWN, ""),
            "forecast": lambda: forecast_spans(facts, self._now),
            "held": lambda: () if facts.held_sec is None else self._held(facts.held_sec).full,
            "alert": lambda: self._alert().full,
            "cost": lambda: span(self._cost() or UNKNOWN, ""),
            "cache": lambda: self._cache().full,
            "context": lambda: span(UNKNOWN if said.context is None else f"{said.context:.0%}", ""),
            "model": lambda: span(_name(said.model) or UNKNOWN, ""),
        }
        return made[name]() if name in made else ()

    def _window_field(self, axis: str, what: str) -> Spans:
        window = self._facts.windows.get(axis, Window())
        if what == "pace":
            return self._pace_span(axis, "")
        if what == "reset":
            return self._reset_span(axis, "")
        if window.used is None or self._is_over(window):
            return ()
        return span(f"{window.used:.0%}", use_style(window.used))


def _pieces(template: str) -> list[tuple[str, str | None]]:
    """Return (text, name of the field after it or None); `{{` and `}}` are braces."""
    pieces: list[tuple[str, str | None]] = []
    text, at = "", 0
    while at < len(template):
        char = template[at]
        if template[at : at + 2] in ("{{", "}}"):
            text, at = text + char, at + 2
        elif char == "{" and "}" in template[at:]:
            end = template.index("}", at)
            pieces.append((text, template[at + 1 : end]))
            text, at = "", end + 1
        else:
            text, at = text + char, at + 1
    return [*pieces, (text, None)]


def _name(text: str) -> str:
    return safe_text(text, MAX_NAME_CELLS)
