"""Inside of a namespace with a real `systemd --user`: the life of the service, told as JSON.

`python -m tests.machines.systemd_session PROGRAM PORT`; PROGRAM is teamclaude.pyz, HOME is empty.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOGIN = {"claudeAiOauth": {"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE"}}
PATIENCE_SEC = 180.0
# So long that a slow machine makes the five attempts within it.
ATTEMPTS = "[Unit]\nStartLimitIntervalSec=600\n"


class Callers(threading.Thread):
    """Asks for /health on a new connection each time, until `end`."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._over = threading.Event()
        self.asked = self.refused = self.broken = 0
        self.slowest = 0.0

    def run(self) -> None:
        while not self._over.wait(0.005):
            begun = time.monotonic()
            self.asked += 1
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
                connection.request("GET", "/health")
                connection.getresponse().read()
                connection.close()
            except ConnectionRefusedError:
                self.refused += 1
            except (OSError, http.client.HTTPException):
                self.broken += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def end(self) -> dict[str, Any]:
        self._over.set()
        self.join()
        figures = {"asked": self.asked, "refused": self.refused, "broken": self.broken}
        return {**figures, "slowest": round(self.slowest, 3)}


class Session:
    """One service from its installation to its removal."""

    def __init__(self, program: str, port: int) -> None:
        self._program = program
        self._port = port

    def ours(self, *words: str, stdin: str = "") -> dict[str, Any]:
        """Run a command of ours; return how it ended."""
        done = subprocess.run(
            [sys.executable, self._program, *words], input=stdin, capture_output=True, text=True, timeout=300
        )
        return {"status": done.returncode, "out": done.stdout, "err": done.stderr}

    def systemctl(self, *words: str) -> str:
        done = subprocess.run(["systemctl", "--user", *words], capture_output=True, text=True, timeout=300)
        return done.stdout.strip()

    def shown(self, name: str, unit: str = "teamclaude.service") -> str:
        return self.systemctl("show", unit, f"--property={name}", "--value")

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SEC
        while not true():
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {PATIENCE_SEC:g} s: {what}\n{self.ours('service', 'status')}")
            time.sleep(0.05)

    def ready(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def during(self, act: Callable[[], object], over: Callable[[], bool], what: str) -> dict[str, Any]:
        """Return what callers saw while something was done, until it is over."""
        callers = Callers(self._port)
        callers.start()
        act()
        self.until(over, what)
        time.sleep(0.2)
        return callers.end()

    def tell(self) -> dict[str, Any]:
        """Return all that is seen."""
        found: dict[str, Any] = {"install": self.ours("service", "install"), "ready without": self.ready()}
        found["waiting"] = self.shown("StatusText")
        found["import"] = self.ours("import", "--json", "-", stdin=json.dumps(LOGIN))
        self.until(lambda: "1 of 1" in self.shown("StatusText"), "the account serves")
        found["status"] = self.ours("service", "status")
        first = self.shown("MainPID")

        def others() -> bool:
            return self.shown("MainPID") not in ("0", *pids) and self.shown("ActiveState") == "active"

        pids = {first}
        found["restart"] = self.during(
            lambda: self.systemctl("restart", "teamclaude.service"), others, "restart"
        )
        pids.add(self.shown("MainPID"))
        found["own restart"] = self.during(
            lambda: found.update(restarted=self.ours("restart")), others, "handover"
        )
        pids.add(self.shown("MainPID"))
        found["restarts"] = self.shown("NRestarts")
        killed = int(self.shown("MainPID"))
        found["kill"] = self.during(lambda: os.kill(killed, signal.SIGKILL), others, "another start")
        found["reload"] = self.during(
            lambda: self.systemctl("reload", "teamclaude.service"), lambda: self.ready() == 200, "reload"
        )
        self.systemctl("stop", "teamclaude.socket")
        self.until(lambda: self.shown("ActiveState") == "inactive", "the stop of both")
        found["stopped"] = self.ready()
        found["result"] = self.shown("Result")
        found["broken"] = self.broken_config()
        found["uninstall"] = self.ours("service", "uninstall")
        units = Path(os.environ["HOME"], ".config", "systemd")
        found["left"] = [str(each) for each in units.rglob("*teamclaude*")]
        return found

    def broken_config(self) -> dict[str, Any]:
        """Return how a start with a bad config file ends: in a limited number of attempts."""
        config = Path(os.environ["HOME"], ".config", "teamclaude.json")
        text = config.read_text()
        config.write_text("{")
        units = Path(os.environ["HOME"], ".config", "systemd", "user", "teamclaude.service.d")
        units.mkdir()
        (units / "attempts.conf").write_text(ATTEMPTS)
        self.systemctl("daemon-reload")
        self.systemctl("start", "teamclaude.service")
        self.until(lambda: self.shown("ActiveState") == "failed", "the end of the attempts")
        config.write_text(text)
        shutil.rmtree(units)
        self.systemctl("daemon-reload")
        self.systemctl("reset-failed")
        self.systemctl("restart", "teamclaude.socket", "teamclaude.service")
        self.until(lambda: self.ready() == 200, "a start with the mended file")
        return {"restarts": int(self.shown("NRestarts"))}


if __name__ == "__main__":
    print(json.dumps(Session(sys.argv[1], int(sys.argv[2])).tell()))
