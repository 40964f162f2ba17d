"""What a session is called: by its issue, its title and its folder, and the chip of its issue's status.

A server without a display needs this much, for those who wait for a person; the Deck's types come with nodes.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ..sources.sources import ClientProcess, IssuePin, Sources, Transcript

__all__ = ["chip_of", "project_of", "session_label", "title_of"]

_NO_PIN, _NO_CLIENT, _NO_TRANSCRIPT = IssuePin(), ClientProcess(), Transcript(0.0)
# Beginnings of the status words of common trackers; the first matching chip counts.
_CHIPS = {
    "block": r"block|stuck|on hold|impeded",
    "review": r"review",
    "done": r"done|complete|closed|cancel|merged|duplicate|resolved|shipped|won.?t",
    "queued": r"backlog|queue|triage|planned|pending|waiting|icebox",
    "todo": r"todo|to do|unstarted|not started|open|ready|new\b|selected",
    "work": r"work|progress|started|doing|active|in dev",
}
_PATTERNS = {chip: re.compile(rf"\b(?:{words})") for chip, words in _CHIPS.items()}


@lru_cache(maxsize=256)
def chip_of(status: str) -> str:
    """Return a tracker's status as a chip; empty when the status is unknown."""
    words = re.sub(r"[\s_-]+", " ", status).casefold()
    return next((chip for chip, pattern in _PATTERNS.items() if pattern.search(words)), "")


def project_of(sources: Sources, session: str) -> str:
    """Return the name of the folder that a session works in; empty when it is unknown."""
    transcript, client = sources.transcripts.get(session), sources.clients.get(session)
    return _folder((transcript.cwd if transcript else "") or (client.cwd if client else ""))


def session_label(sources: Sources, session: str) -> str:
    """Return a session's issue, else its title, else the first 8 characters of its id."""
    return sources.issue_of(session) or title_of(sources, session) or session[:8]


def title_of(sources: Sources, session: str) -> str:
    """Return the first of its titles that there is: issue, transcript, client, prompt."""
    pin, client = sources.pins.get(session, _NO_PIN), sources.clients.get(session, _NO_CLIENT)
    transcript = sources.transcripts.get(session, _NO_TRANSCRIPT)
    return pin.title or transcript.title or client.name or transcript.prompt


@lru_cache(maxsize=512)
def _folder(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
