"""Who is shown: whose work is going on or stopped a short while ago.

Process ids are never consulted: they are recycled.  A transcript's mtime is only asked where no turn is
known: titles and modes are written to it at idle, too.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

__all__ = ["LIVE_SEC", "NEW_SEC", "SHOWN_SEC", "TOOL_SEC", "ActivitySigns"]

SHOWN_SEC = 1800.0  # after the last real turn
NEW_SEC = 120.0  # after the start of a session that has no transcript yet
TOOL_SEC = 120.0  # a marker that is older was left behind
ENDED_SEC = 120.0  # a sub-agent that gave its answer is seen to end, then makes room
LIVE_SEC = 60.0  # between two requests nobody is idle
CLOCK_SKEW_SEC = 300.0  # a turn further in the future says nothing


class ActivitySigns(NamedTuple):
    """What is known of one conversation's life; times in epoch seconds."""

    requesting: bool = False  # it has a request in flight
    last_request: Optional[float] = None  # its last request, as the proxy saw it
    tool_started: Optional[float] = None  # when the executing tool was started
    modified: Optional[float] = None  # its transcript's mtime; None: there is none
    transcript_turn: Optional[float] = None  # its transcript's last real turn
    tool_called: bool = False  # that turn waits for a tool's result
    started: Optional[float] = None  # its registration
    ended: bool = False  # a sub-agent that gave its answer

    def last_turn(self, now: float) -> Optional[float]:
        """The last real turn, by the best witness: transcript, its mtime, the proxy's last request."""
        for witness in (self.transcript_turn, self.modified, self.last_request):
            if witness is not None and witness <= now + CLOCK_SKEW_SEC:
                return witness
        return None

    def tool_running(self, now: float) -> bool:
        """A tool is executing: its marker is fresh."""
        return self.tool_started is not None and abs(now - self.tool_started) < TOOL_SEC

    def is_shown(self, now: float) -> bool:
        if self.requesting or self.tool_running(now):
            return True
        if self.modified is None and self.started is not None and abs(now - self.started) <= NEW_SEC:
            return True
        last = self.last_turn(now)
        return last is not None and now - last <= (ENDED_SEC if self.ended else SHOWN_SEC)

    def state(self, now: float) -> ActivityState:
        """What a shown conversation does."""
        idle = 0.0 if self.requesting else self._idle_sec(now)
        tool = self.tool_running(now) or self._called_tool(now)
        return ActivityState(idle, tool, tool or (idle is not None and idle <= LIVE_SEC))

    def _idle_sec(self, now: float) -> Optional[float]:
        last, asked = self.last_turn(now), self.last_request
        if last is None or (asked is not None and last < asked <= now):
            last = asked
        return None if last is None else max(0.0, now - last)

    def _called_tool(self, now: float) -> bool:
        """The newest turn called a tool a short while ago, and no request has brought its result."""
        if not self.tool_called or self.requesting or self.transcript_turn is None:
            return False
        return abs(now - self.transcript_turn) < TOOL_SEC


class ActivityState(NamedTuple):
    idle_sec: Optional[float]
    """Seconds since the last turn or request."""
    tool_running: bool
    """A tool is executing: by its marker or by the transcript."""
    live: bool
    """At work now, or a moment ago."""
