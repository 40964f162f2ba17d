"""The progress of several runs, as a bar on stderr with the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from ..terminal import plural

__all__ = ["Progress"]

BAR_WIDTH = 30
LEAST_SHARE = 0.02  # of all runs, before the time that is left is guessed


class Progress:
    """A progress bar on stderr if that is a terminal, else nothing."""

    def __init__(self, runs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._done = 0
        self._clock = clock
        self._begin = clock()
        self._shown = sys.stderr.isatty()
        self._longest = 0

    def update(self, share: float) -> None:
        """Show that `share` (0-1) of the current run is done."""
        if self._shown:
            done = (self._done + share) / self._runs
            filled = round(BAR_WIDTH * done)
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            run = min(self._done + 1, self._runs)
            line = f"[{bar}] run {run} of {self._runs} {self._time_left(done)}"
            self._longest = max(self._longest, len(line))
            print(f"\r{line.ljust(self._longest)}", end="", file=sys.stderr, flush=True)

    def _time_left(self, done: float) -> str:
        if not LEAST_SHARE <= done < 1.0:
            return ""
        left = (self._clock() - self._begin) * (1.0 - done) / done
        if left < 90.0:
            return f"about {left:.0f} s left"
        return f"about {plural(round(left / 60), 'minute')} left"

    def run_done(self) -> None:
        """Count one finished run, and show it."""
        self._done += 1
        self.update(0.0)

    def clear(self) -> None:
        """Erase the bar."""
        if self._shown:
            print("\r" + " " * self._longest + "\r", end="", file=sys.stderr, flush=True)
