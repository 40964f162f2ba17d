"""`teamclaude usage --import`: where the transcripts are, a line of progress, and what was found."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from ...accounts.config.atomic_write import make_private_directory
from ...accounts.config.config import Config
from ...deck.text.format import format_tokens
from ...errors import ConfigError, UsageError
from ...history.reports.report import token_view
from ...history.transcripts.importing import ImportCounts, default_directories, import_answers
from ...routing.quota.model_prices import PriceTable
from ..terminal import note, plural, shown, width
from .table import cost_text

__all__ = ["import_transcripts", "summary_lines"]

PROGRESS_SEC = 0.2  # between two lines of progress
_UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def import_transcripts(
    path: str, config: Config, directories: Sequence[str], clock: Callable[[], float]
) -> int:
    """Import the transcripts of these directories, or of Claude Code's own; print what was found.

    `clock`: epoch seconds.
    """
    for directory in directories:
        if not os.path.isdir(directory):
            raise UsageError(f"{shown(directory)} is no directory")
    if not config.history:
        raise ConfigError('the config file says "history": false: nothing is kept, so nothing is imported')
    with contextlib.suppress(OSError):  # opening the file says it better
        make_private_directory(os.path.dirname(os.path.abspath(path)))
    places = list(directories) or default_directories(os.environ)
    progress = ProgressLine(time.monotonic)
    try:
        counts = import_answers(
            path,
            places,
            PriceTable(config.pricing),
            config.history_retention_days,
            clock,
            lambda line: note(f"teamclaude: {line}"),
            progress.show,
        )
    finally:
        progress.clear()
    print("\n".join(summary_lines(counts, places)))
    return 0


class ProgressLine:
    """A line on stderr that is written over, where stderr is a terminal."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wanted = is_terminal()
        self._next = -math.inf
        self._shown = False

    def show(self, counts: ImportCounts) -> None:
        """Write how far the import is, if that was not done a moment ago."""
        if self._wanted and self._clock() >= self._next:
            self._next = self._clock() + PROGRESS_SEC
            self._shown = True
            line = (
                f"{counts.files} of {plural(counts.all_files, 'file')}, "
                f"{size_text(counts.bytes)} of {size_text(counts.all_bytes)}, {counts.counted:,} answers"
            )
            write_over(line[: width() - 1])

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            write_over("")


def is_terminal() -> bool:
    """Return whether a person looks at stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def write_over(line: str) -> None:
    """Write a line on stderr in place of the one before."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"\r{line}\x1b[K")
        sys.stderr.flush()


def summary_lines(counts: ImportCounts, places: Sequence[str]) -> list[str]:
    """Return what was imported, and what was not, and why."""
    if not counts.all_files:
        return [f"found no transcripts in {', '.join(map(shown, places))}"]
    lines = [
        f"read {plural(counts.files, 'file')}, {size_text(counts.bytes)}: "
        f"{counts.counted:,} new {'answer' if counts.counted == 1 else 'answers'}"
    ]
    if counts.counted:
        estimated, unpriced = counts.cost_estimated, counts.unpriced_tokens
        view = token_view(counts.usage, counts.cost, unpriced, estimated)
        lines[0] += f", {format_tokens(view.tokens)} tokens, {cost_text(view)} at list prices"
        lines.append(f"from {_moment(counts.first_at)} to {_moment(counts.last_at)}")
        lines.append("teamclaude usage --by month shows them, marked with *")
    lines += [f"  {count:,} {why}" for count, why in _left_out(counts) if count]
    return lines


def _left_out(counts: ImportCounts) -> Sequence[tuple[int, str]]:
    return (
        (counts.known, "are there already"),
        (counts.served, f"are not taken: the proxy itself counts since {_moment(counts.proxy_since)}"),
        (counts.expired, "are older than historyRetentionDays"),
        (counts.broken, "of the lines could not be understood"),
        (counts.unreadable, "of the files could not be read"),
    )


def _moment(at: object) -> str:
    return f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M}" if isinstance(at, float) else "-"


def size_text(size: int) -> str:
    """Return `1.2 GB`, `340 kB`."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
