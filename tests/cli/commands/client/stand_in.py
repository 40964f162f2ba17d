"""`teamclaude run` with a program that stands in for claude and tells what it was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["CLAUDE", "Run", "run_really", "settings_of", "start"]

ROOT = Path(__file__).resolve().parents[4]
Run = Callable[..., "tuple[Any, str, int]"]

CLAUDE = """#!{python}
import json, os, sys
env = {{name: value for name, value in os.environ.items() if name.startswith("ANTHROPIC_")}}
print(json.dumps({{"words": sys.argv[1:], "env": env, "pid": os.getpid()}}), flush=True)
if "wait" in sys.argv:
    import time
    time.sleep(30)
sys.exit(int(os.environ.get("CLAUDE_STATUS", "0")))
"""


def start(*words: str, cwd: Path, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "teamclaude", "run", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_really(*words: str, cwd: Path, **more: str) -> tuple[Any, str, int]:
    """(what claude was given, stderr, exit status)."""
    child = start(*words, cwd=cwd, **more)
    out, err = child.communicate(timeout=60)
    return (json.loads(out) if out else None), err, child.returncode


def settings_of(given: Any) -> Any:
    """Return what the file holds that claude was given as `--settings`."""
    place = given["words"].index("--settings")
    return json.loads(Path(given["words"][place + 1]).read_text())
