"""Format one finished request as one line of the log."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Optional

from ...snapshot import Activity
from ..text.cells import ascii_text, clean, clip
from ..text.format import UNKNOWN, format_seconds, format_tokens, session_emoji
from ..text.spans import colored

__all__ = ["activity_line"]

_UNMEASURED = f" {UNKNOWN} in {UNKNOWN} out"
_HERE = ("127.0.0.1", "::1")  # not mentioned
_NO_FAILURE = ("", "served", "client gone")  # a reason is then why that account was taken
MAX_REASON_CELLS = 100
MIN_WAIT_SEC = 0.05  # shorter waits are not mentioned


def activity_line(activity: Activity, color: bool = False, ascii: bool = False) -> str:
    """Return `14:03:20 POST /v1/messages opus·high 🦜 3f2a91c0 → alice 200 12.1s ...`.

    One that failed says why at its end: `→ alice 503 (upstream error) 0.5s: no connection to ...`.
    """
    a = activity
    request = _repeated_part(
        a.method, a.path, a.model, a.effort, a.session, a.accounts, a.status, a.outcome, color, ascii
    )
    lasted, begun = a.duration_sec, a.ttfb_sec
    # Short ones are written out: a line calls a third as many functions.
    took = f"{lasted:.1f}s" if lasted is not None and lasted < 100 else format_seconds(lasted)
    ttfb = ""
    if begun is not None:
        ttfb = f" ttfb {begun:.1f}s" if begun < 100 else f" ttfb {format_seconds(begun)}"
    used = _UNMEASURED
    if not a.unmeasured:
        used = _token_counts(a.input_tokens, a.output_tokens, a.cache_read_tokens, a.cache_write_tokens)
    waited = ""
    if a.waited_sec and a.waited_sec >= MIN_WAIT_SEC:
        waited = f" waited {format_seconds(a.waited_sec)}"
        waited += f" ({clean(a.wait_reason)})" if a.wait_reason else ""
    at = _clock_time(round(a.at * 1000) // 1000)  # as the record's `at` in JSON: whole milliseconds
    came = "" if not a.client_ip or a.client_ip in _HERE else f" from {clean(a.client_ip)}"
    why = ""
    if a.outcome not in _NO_FAILURE and a.reason and a.reason != str(a.status):
        why = f": {clip(clean(a.reason), MAX_REASON_CELLS)}"
    line = f"{at} {request} {took}{ttfb}{used}{waited}{came}{why}"
    return ascii_text(line) if ascii else line


# What lines have in common is cached: without it, these lines took a fifth of the proxy's time under load.


@lru_cache(maxsize=4)
def _clock_time(at: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


@lru_cache(maxsize=1024)
def _repeated_part(
    method: str,
    path: str,
    model: str,
    effort: str,
    session: str,
    tried: tuple[str, ...],
    status: Optional[int],
    outcome: str,
    color: bool,
    ascii: bool,
) -> str:
    parts = [
        clean(method),
        clean(path),
        "·".join([clean(word) for word in (model, effort) if word]),
        _session(clean(session), ascii),
        "→ " + " → ".join(map(clean, tried)) if tried else "",
        _outcome(status, clean(outcome), color),
    ]
    shown = " ".join([part for part in parts if part])
    return ascii_text(shown) if ascii else shown


def _session(session: str, ascii: bool) -> str:
    return session[:8] if ascii or not session else f"{session_emoji(session)} {session[:8]}"


def _outcome(status: Optional[int], outcome: str, color: bool) -> str:
    """Return the status, and the outcome in words when the status alone would mislead."""
    shown = UNKNOWN if status is None else str(status)
    style = "bad" if status is None or status >= 500 else "warn" if status >= 400 else "good"
    if outcome and outcome != "served":
        shown, style = f"{shown} ({outcome})", "warn" if style == "good" else style
    return colored(shown, style, color)


def _token_counts(
    new: Optional[int], output: Optional[int], cached: Optional[int], written: Optional[int]
) -> str:
    """Return input tokens (with cache writes), output tokens, and those read from the prompt cache."""
    shown = ""
    if new is not None:
        sent = new + (written or 0)
        shown = f" {sent if sent < 1000 else format_tokens(sent)} in"
    if output is not None:
        shown += f" {output if output < 1000 else format_tokens(output)} out"
    return f"{shown} {cached if cached < 1000 else format_tokens(cached)} cached" if cached else shown
