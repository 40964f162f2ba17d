"""The file that `run` gives claude as `--settings`.

The path stands in the process list, which other users can read, the keys do not: they are in the file, 0600
in a directory of 0700.  Claude Code keeps the path of a background agent and reads the file again whenever it
starts that agent anew, days later (measured with 2.1.332), so that the file must stay: its name comes of its
content, and what no client was started with for KEEP_SEC is removed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...accounts.config.atomic_write import write_private
from ...accounts.config.config_file import path_beside

__all__ = ["KEEP_SEC", "merged_settings", "settings_directory", "write_settings_file"]

KEEP_SEC = 90 * 86400.0


def settings_directory(config: Path) -> Path:
    """Return the directory of these files: `X.json` -> `X.run`, beside the config file."""
    return path_beside(config, "run")


def merged_settings(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's settings with ours over them; of `env` each variable for itself."""
    return {**theirs, **ours, "env": {**theirs.get("env", {}), **ours.get("env", {})}}


def write_settings_file(
    config: Path, settings: Mapping[str, Any], clock: Callable[[], float] = time.time
) -> Path:
    """Return a file with these settings; raises OSError."""
    from hashlib import sha256  # 4 ms: OpenSSL

    data = json.dumps(settings, indent=2).encode()
    file = settings_directory(config) / f"{sha256(data).hexdigest()[:16]}.json"
    now = clock()
    try:
        if file.read_bytes() == data:
            os.utime(file, (now, now))
            return file
    except OSError:
        pass
    write_private(str(file), data)
    os.utime(file, (now, now))
    _remove_old(file.parent, now - KEEP_SEC)
    return file


def _remove_old(directory: Path, before: float) -> None:
    for file in directory.glob("????????????????.json"):
        with suppress(OSError):
            if file.stat().st_mtime < before:
                file.unlink()
