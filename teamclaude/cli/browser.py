"""Open a page in the browser of the person at the keyboard."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping

__all__ = ["has_browser", "open_page"]


def has_browser(env: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether there is a graphical browser; a text browser would take over the terminal."""
    screen = env.get("DISPLAY") or env.get("WAYLAND_DISPLAY") or env.get("BROWSER")
    return platform in ("darwin", "win32", "cygwin") or bool(screen)


def open_page(url: str, failed: Callable[[], None]) -> threading.Thread:
    """Open `url` in a thread, since some browsers return only when closed; return the thread.

    The thread calls `failed` when no browser can be started.
    """
    thread = threading.Thread(target=_open, args=(url, failed), name="browser", daemon=True)
    thread.start()
    return thread


def _open(url: str, failed: Callable[[], None]) -> None:
    import webbrowser

    try:
        opened = webbrowser.open(url)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        failed()
