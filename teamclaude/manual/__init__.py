"""The pages that `teamclaude help TOPIC` prints, as Markdown files that are part of the package.

Text only: what a page says about the code is held by tests/test_docs.py and tests/test_design.py.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["page", "topics"]

_HERE = Path(__file__).parent


def topics() -> list[str]:
    """Return the names of the pages, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.md"))


def page(topic: str) -> str:
    """Return the text of a page; raise KeyError for a topic that is not in `topics()`."""
    if topic not in topics():
        raise KeyError(topic)
    return (_HERE / f"{topic}.md").read_text("utf-8")
