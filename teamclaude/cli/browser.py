"""The person's web browser, where there is one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping

__all__ = ["has_browser", "open_page"]


def has_browser(env: Mapping[str, str], platform: str = sys.platform) -> bool:
    """False on a screenless machine: a text browser there would take the terminal away."""
    screen = env.get("DISPLAY") or env.get("WAYLAND_DISPLAY") or env.get("BROWSER")
    return platform in ("darwin", "win32", "cygwin") or bool(screen)


def open_page(url: str, failed: Callable[[], None]) -> None:
    """Open `url` in the background: some browsers return only when they are closed.

    `failed` is called, from there, when none can be started.
    """
    threading.Thread(target=_open, args=(url, failed), name="browser", daemon=True).start()


def _open(url: str, failed: Callable[[], None]) -> None:
    import webbrowser

    try:
        opened = webbrowser.open(url)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        failed()
