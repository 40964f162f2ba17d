"""The pages that `teamclaude help TOPIC` prints, as Markdown files that are part of the package.

A file of another kind is for another program and is printed as it is: the board and the alert rules for
metrics.

A copied directory is listed by itself, a zip archive by its loader, whose import takes 10 ms.  Text only:
what a page says about the code is held by tests/test_docs.py and tests/test_design.py.
"""

from __future__ import annotations

import os

__all__ = ["page", "topics"]

_KINDS = (".md", ".json", ".yml")


def topics() -> list[str]:
    """Return the names of the pages, sorted."""
    return sorted(_names())


def page(topic: str) -> str:
    """Return the text of a page; raise KeyError for a topic that is not in `topics()`."""
    import pkgutil  # 3 ms, and most commands only name the topics

    return (pkgutil.get_data(__name__, _names()[topic]) or b"").decode("utf-8")


def _names() -> dict[str, str]:
    try:
        names = os.listdir(os.path.dirname(__file__))
    except OSError:  # inside an archive
        from importlib.resources import files

        names = [entry.name for entry in files(__name__).iterdir()]
    return {name.rpartition(".")[0]: name for name in names if name.endswith(_KINDS)}
