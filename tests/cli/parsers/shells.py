"""Real shells on a terminal of their own: type a line with tabs, and read which words a command got."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "teamclaude" / "__main__.py"
WAIT_SEC = 60.0


class Shell:
    """An interactive shell with the completion of `teamclaude`, which itself only writes down its words."""

    def __init__(self, home: Path, command: list[str], start: str) -> None:
        self.words_file = home / "words"
        program = home / "bin" / "teamclaude"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            # What it says is kept: each tab would start Python.
            f'#!/bin/sh\nif [ "$1" = completion ]; then\n    said={home}/said$3$2\n'
            f'    [ -e "$said" ] || {sys.executable} {PROGRAM} "$@" >"$said"\n    exec cat "$said"\nfi\n'
            f"for word; do printf '%s\\n' \"$word\"; done >{self.words_file}.new\n"
            f"mv {self.words_file}.new {self.words_file}\n"
        )
        program.chmod(0o755)
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TEAMCLAUDE"))
        }
        env.update({"HOME": str(home), "HISTFILE": os.devnull})
        env.update({"PATH": f"{program.parent}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "xterm"})
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            try:
                os.chdir(home)
                os.execvpe(command[0], command, env)
            finally:
                os._exit(127)
        self.screen = ""
        self._send(f"{start}\n echo rea''dy\n")
        self._wait(lambda: "ready\r" in self.screen)

    def words(self, typed: str) -> list[str]:
        """Return the words that `teamclaude` gets for a line typed with tabs."""
        self.words_file.unlink(missing_ok=True)
        self._send(f"{typed}\n")
        self._wait(self.words_file.exists)
        return self.words_file.read_text("utf-8").splitlines()

    def close(self) -> None:
        """End the shell."""
        os.close(self._terminal)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _send(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SEC
        while not done():
            assert time.monotonic() < deadline, self.screen
            self._read(0.05)

    def _read(self, wait: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], wait)
        if ready:
            self.screen += os.read(self._terminal, 65536).decode("utf-8", "replace")
        return bool(ready)
