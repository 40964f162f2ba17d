"""Show the groups: as lines for a terminal, or as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ... import __version__
from ...deck.text.spans import colored
from ..terminal import shown
from .finding import Finding, Group, Level, worst

__all__ = ["SCHEMA", "report_json", "report_lines"]

SCHEMA = 1
WORDS = {Level.OK: "ok", Level.NOTE: "note", Level.WARNING: "warning", Level.ERROR: "error"}
STYLES = {Level.OK: "good", Level.NOTE: "accent", Level.WARNING: "warn", Level.ERROR: "bad"}
NAME, WORD = 14, 9  # columns
MIN_ROOM = 30


def report_lines(groups: Iterable[Group], width: int, color: bool, notes: bool = True) -> list[str]:
    """Return the lines; without `notes` those of that level are left out."""
    lines: list[str] = []
    for group in groups:
        findings = [each for each in group.findings if notes or each.kind.level > Level.NOTE]
        findings.sort(key=lambda each: -each.kind.level)
        name = group.name
        if group.summary or not findings:
            word = WORDS[Level.OK] if worst(findings) <= Level.NOTE else ""
            lines += _row(name, word, STYLES[Level.OK], group.summary, width, color)
            name = ""
        for finding in findings:
            lines += _finding(name, finding, width, color)
            name = ""
    return lines


def _finding(name: str, finding: Finding, width: int, color: bool) -> Iterator[str]:
    """Yield the lines of a finding; a note is one sentence, since nothing is wrong."""
    level, mend = finding.kind.level, f"-> {finding.mend}" if finding.mend else ""
    if level <= Level.NOTE:
        yield from _row(name, WORDS[level], STYLES[level], f"{finding.text} {mend}".rstrip(), width, color)
        return
    yield from _row(name, WORDS[level], STYLES[level], finding.text, width, color)
    yield from _row("", "", "", finding.kind.why, width, color, "dim")
    if mend:
        yield from _row("", "", "", mend, width, color, "strong")


def _row(
    name: str, word: str, style: str, text: str, width: int, color: bool, text_style: str = ""
) -> Iterator[str]:
    room = max(MIN_ROOM, width - NAME - WORD - 1)
    # A command must not be broken inside of its words.
    pieces = textwrap.wrap(shown(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    for place, piece in enumerate(pieces):
        first = name.ljust(NAME) if place == 0 else " " * NAME
        mark = colored(word, style, color) + " " * (WORD - len(word)) if place == 0 else " " * WORD
        yield f"{first}{mark}{colored(piece, text_style, color)}".rstrip()


def report_json(groups: Sequence[Group], fixed: Sequence[str]) -> dict[str, Any]:
    """Return the same as JSON; `fixed`: what --fix has done."""
    level = worst(each for group in groups for each in group.findings)
    return {
        "schema": SCHEMA,
        "version": __version__,
        "level": WORDS[level],
        "exitStatus": level.exit_status,
        "fixed": list(fixed),
        "groups": [
            {
                "name": group.name,
                "level": WORDS[group.level],
                "summary": shown(group.summary),
                "findings": [_json(each) for each in group.findings],
            }
            for group in groups
        ],
    }


def _json(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.kind.id,
        "level": WORDS[finding.kind.level],
        "text": shown(finding.text),
        "why": finding.kind.why,
        "mend": shown(finding.mend) or None,
        "fix": shown(finding.fix.what) if finding.fix else None,
    }
