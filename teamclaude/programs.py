"""Find a program on the PATH, on Windows never in the working directory; and end one that was started.

On Windows `shutil.which` and the start of a process by its name look into that directory first, and a
repository that somebody cloned may hold a `claude.cmd` or a `git.exe`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    import subprocess

__all__ = ["find_program", "kill_program"]


def find_program(name: str, platform: str = sys.platform) -> Optional[str]:
    """Return the path of a program, None if there is none; `name` has no directory."""
    import shutil  # 4 ms, for those that look for a program

    if platform != "win32":
        return shutil.which(name)
    places = [entry.strip('"') for entry in os.environ.get("PATH", "").split(os.pathsep)]
    found = (shutil.which(os.path.join(place, name)) for place in places if os.path.isabs(place))
    return next(filter(None, found), None)


def kill_program(child: subprocess.Popen[Any], wait_sec: float = 5.0) -> None:
    """Kill a program that leads a process group and has not ended, and that group; wait for its end."""
    import signal
    import subprocess

    if child.poll() is not None:
        return
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        child.wait(wait_sec)
