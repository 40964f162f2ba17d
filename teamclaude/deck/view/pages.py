"""The pages of the Deck: one row in full, the help, and why a request went where it went."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from ...errors import SnapshotError
from ...snapshot import UsageView, WaitView
from ...typed_json import from_json
from ..model.holds import describe_wait
from ..model.model import AccountRow, DeckModel, Node, QuotaBar
from ..text.cells import clean, pad, width
from ..text.format import (
    UNKNOWN,
    epoch_seconds,
    finite_number,
    format_duration,
    format_percent,
    format_tokens,
)
from ..text.spans import Line, line
from .ui_state import Page
from .wording import forecast_text, plural, usage_summary

__all__ = ["JsonObject", "account_page", "explanation_lines", "help_page", "node_page"]

PACES = {
    "behind": "behind its line: has room",
    "on": "on its line",
    "ahead": "ahead of its line",
}


def node_page(model: DeckModel, key: str) -> Optional[Page]:
    """Return everything known about one conversation; None when it is gone."""
    node = model.nodes.get(key)
    if node is None:
        return None
    below = [child for child in model.nodes.values() if child.parent == key]
    above = model.nodes.get(node.parent)
    facts = [
        ("session", node.session),
        ("agent", node.agent),
        ("issue", node.issue),
        ("title", node.title),
        ("about", node.about),
        ("state", _state(node)),
        ("waits", node.waiting_for),
        ("needs you", node.chip if node.needs_you else ""),
        ("same issue", "another session is pinned to it, too" if node.collision else ""),
        ("account", (node.account or "none yet") + (" (pinned)" if node.binding.pinned else "")),
        ("model", node.binding.model or ""),
        ("folder", node.project),
        ("branch", node.branch),
        ("used", usage_summary(node.usage) + _requests(node.usage.requests)),
        ("tokens", _tokens_by_kind(node.binding.usage)),
        ("works for", above.label if above is not None else ""),
        ("leads", ", ".join(child.label for child in below)),
    ]
    return Page(f"{node.emoji} {node.label}", tuple(_rows(facts)))


def account_page(model: DeckModel, name: str) -> Optional[Page]:
    """Return everything known about one account; None when it is gone."""
    account = next((account for account in model.accounts if account.name == name), None)
    if account is None:
        return None
    view, agents = account.view, plural(len(account.nodes), "agent")
    facts = [
        ("kind", "API key, billed by use" if view.type == "apikey" else "subscription"),
        ("status", _status(account)),
        ("reason", view.status_reason or ""),
        ("streak", f"{view.streak} refusals in a row" if view.streak else ""),
        ("in flight", str(view.inflight)),
        ("serves", f"{agents}, {account.live} live; {usage_summary(account.usage)}"),
        ("in all", usage_summary(account.lifetime_usage) + _requests(account.lifetime_usage.requests)),
        ("rules", view.rules),
        ("last resort", "used only when no other account can serve" if view.last_resort else ""),
        ("pinned", "all work goes to it" if account.pinned else ""),
    ]
    windows = [(bar.label, _bar(bar)) for bar in account.bars]
    ends = [
        (f"{clean(axis)[:8]} ends", forecast_text(forecast, model.now))
        for axis, forecast in view.forecast.items()
    ]
    return Page(account.name, (*_rows(facts), (), *_rows(windows), *_rows(ends)))


def _tokens_by_kind(usage: UsageView) -> str:
    """Return `500 input, 3.1k written to the cache, 8.4k output, 120k read from the cache`."""
    if usage.input_tokens is None:
        return ""
    kinds = (
        (usage.input_tokens, "input"),
        (usage.cache_write_tokens, "written to the cache"),
        (usage.output_tokens, "output"),
        (usage.cache_read_tokens, "read from the cache"),
    )
    return ", ".join(f"{format_tokens(count)} {word}" for count, word in kinds)


def _state(node: Node) -> str:
    words = [
        "live" if node.live else f"idle {format_duration(node.idle)}",
        "a tool is executing" if node.tool_running else "",
        "a request is in flight" if node.inference else "",
        "a request is held" if node.held_sec is not None else "",
        "prompt cache warm" if node.binding.warm else "",
    ]
    return ", ".join(word for word in words if word)


def _status(account: AccountRow) -> str:
    left = account.view.bench_sec
    return f"{account.status}, back in {format_duration(left)}" if left else account.status


def _requests(requests: Optional[int]) -> str:
    return "" if requests is None else f" · {plural(requests, 'request')}"


def _bar(bar: QuotaBar) -> str:
    words = [
        f"{format_percent(bar.used)} used",
        f"resets in {format_duration(bar.reset_sec)}" if bar.reset_sec is not None else "",
        PACES.get(bar.pace, ""),
        f"full in {format_duration(bar.full_sec)}" if bar.full_sec is not None else "",
    ]
    return ", ".join(word for word in words if word) if bar.used is not None else UNKNOWN


def _rows(facts: Iterable[tuple[str, str]]) -> list[Line]:
    return [line((f"  {name:<12}", "dim"), value) for name, value in facts if value]


WRITE_KEY_HELP = (
    ("s", "pin all work, or the session under the cursor, to an account"),
    ("a", "add an account: an API key, or the login of Claude Code"),
    ("r", "remove an account from the config file"),
    ("R", "read the config file again"),
    ("d", "disable an account, or enable it again"),
)
READ_KEY_HELP = (
    ("j k ↓ ↑", "move the cursor (or click a row); Esc removes it"),
    ("Enter", "show the row under the cursor in full"),
    ("n", "go to the next row that needs you"),
    ("e", "explain: why a request went to its account"),
    ("PgDn PgUp", "scroll; so do the mouse wheel, Space, Home (g) and End (G)"),
    ("Tab", "scroll to the next section; Shift-Tab to the previous one"),
    ("/", "show only rows that contain these letters"),
    ("t", "fold or unfold the trees"),
    ("i", "show all issues, or the first eight"),
    ("b", "mute the bell, which rings when something new needs you"),
    ("q", "quit"),
)
SIGNS = (
    ("►", "bad strong", "needs you: blocked, in review, or waiting for an answer"),
    ("◆", "warn", "before a session: another one is pinned to the same issue"),
    ("☂ ↳", "accent", "has children; works for the row above"),
    ("⚙ ~ ‖", "good", "a tool is executing; a model is answering; held: no account can serve it"),
    ("burn", "accent", "tokens that count against quotas: uncached input, cache writes, output"),
    ("Σ", "accent", "burn of the whole subtree"),
    ("▸", "good", "the account that served last"),
    ("◆ ◇", "good", "an account with a subscription; one with an API key"),
    ("[██  ]", "good", "the used share of a quota window, and the time to its reset"),
    ("↑ →", "good", "use is behind the even line (the account has room); on the line"),
    ("↓5h", "warn", "ahead of the line: full in five hours at this pace"),
)


def help_page(read_only: bool) -> Page:
    """Return the page of keys and signs behind `?`."""
    lines: list[Line] = [()]
    lines += [_row(key, "accent", text) for key, text in READ_KEY_HELP]
    if not read_only:
        lines += [(), *(_row(key, "accent", text) for key, text in WRITE_KEY_HELP)]
    lines += [(), *(_row(*sign) for sign in SIGNS)]
    lines += [(), line(("  To select text with the mouse hold Shift. More: teamclaude help deck", "dim"))]
    return Page("Keys and signs", tuple(lines), indent=13)


def _row(sign: str, style: str, text: str) -> Line:
    return line(f"  {' ' * (9 - len(sign))}", (sign, style), f"  {text}")


JsonObject = Mapping[str, Any]


_FACTS = (("session", "session"), ("agent", "agent"), ("model", "model"), ("clientIp", "from"))


def explanation_lines(record: JsonObject) -> list[str]:
    """Return a record of GET /teamclaude/explain as lines; raise SnapshotError for what is none.

    First the request, then each attempt: the account, the reason, and the rule that excluded each other one.
    """
    if not isinstance(record, Mapping):
        raise SnapshotError("the server's answer is no record of a request")
    lines = [_request(record)]
    for key, label in _FACTS:
        if _text(record, key):
            lines.append(f"  {label:<8} {_text(record, key)}")
    lines.append(f"  {'outcome':<8} {_outcome(record)}")
    attempts, waits = _objects(record, "attempts"), _objects(record, "waits")
    for count, attempt in enumerate(attempts, 1):
        lines += _wait_lines(waits, count - 1)
        lines += ["", f"{count}. {_attempt(attempt)}", *_decision(_object(attempt, "decision"))]
    lines += _wait_lines(waits, len(attempts))
    # Without an attempt, the record holds the decision that no account was available.
    final = _object(record, "decision")
    if final and not attempts:
        lines += ["", *_decision(final)]
    return lines


def _request(record: JsonObject) -> str:
    words = (
        _text(record, "request"),
        _clock(record.get("at")),
        _text(record, "method"),
        _text(record, "path"),
    )
    return " ".join(word for word in words if word)


def _outcome(record: JsonObject) -> str:
    words = [_text(record, "outcome") or "still running", _status_text(record.get("status"))]
    note = _text(record, "note")
    return " ".join(word for word in words if word) + (f": {note}" if note else "")


def _wait_lines(waits: Sequence[JsonObject], attempts: int) -> list[str]:
    """Return the waits after so many attempts; for a hold or a current wait, why each account is excluded."""
    lines = []
    for wait in waits:
        if finite_number(wait.get("attempts")) == attempts:
            view = from_json(WaitView, wait)
            lines += ["", f"-  {describe_wait(view, (view.at or 0.0) + view.sec)}"]
            if not view.over or view.kind == "held":
                lines += _decision(_object(wait, "decision"))
    return lines


def _attempt(attempt: JsonObject) -> str:
    status, note = _status_text(attempt.get("status")), _text(attempt, "note")
    answer = f"answered {status}" if status else "no answer"
    return f"{_text(attempt, 'account') or UNKNOWN}: {answer}{f' ({note})' if note else ''}"


def _decision(decision: JsonObject) -> list[str]:
    reason, detail = _text(decision, "reason"), _text(decision, "detail")
    lines = [f"   because   {reason or UNKNOWN}{f' ({detail})' if detail else ''}"]
    previous, account = _text(decision, "previous"), _text(decision, "account")
    if previous and previous != account:
        lines.append(f"   before    {previous}")
    excluded = _objects(decision, "excluded")
    room = max((width(_text(row, "account")) for row in excluded), default=0)
    for place, row in enumerate(excluded):
        label = "not taken" if place == 0 else ""
        rule, why = _text(row, "rule"), _text(row, "detail")
        lines.append(f"   {label:<9} {pad(_text(row, 'account'), room)}  {rule}{f' ({why})' if why else ''}")
    back = epoch_seconds(decision.get("retryAt"))
    if back is not None:
        lines.append(f"   again at  {_clock(back)}")
    return lines


def _status_text(value: Any) -> str:
    status = finite_number(value)
    return "" if status is None else f"{status:.0f}"


def _clock(value: Any) -> str:
    moment = epoch_seconds(value)
    try:
        return "" if moment is None else clean(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)))
    except (ValueError, OverflowError, OSError):  # no calendar has it
        return ""


def _objects(source: JsonObject, key: str) -> Sequence[JsonObject]:
    """Return the objects of the list under a key."""
    found = source.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _object(source: JsonObject, key: str) -> JsonObject:
    """Return the object under a key; empty if there is none."""
    found = source.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(source: JsonObject, key: str) -> str:
    """Return the text under a key, safe to print; empty if there is none."""
    value = source.get(key)
    return clean(value) if isinstance(value, str) else ""
