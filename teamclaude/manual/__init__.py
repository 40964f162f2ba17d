"""The reference pages that `teamclaude help TOPIC` prints: they travel with the copied directory."""

from __future__ import annotations

from pathlib import Path

__all__ = ["page", "topics"]

_HERE = Path(__file__).parent


def topics() -> list[str]:
    """The names of the pages, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.md"))


def page(topic: str) -> str:
    """The text of a page; KeyError for a topic that is not in `topics()`."""
    if topic not in topics():
        raise KeyError(topic)
    return (_HERE / f"{topic}.md").read_text("utf-8")
