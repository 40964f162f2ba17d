"""`systemctl --user` and `launchctl`: what they are told, and what they say.

Their programs are run with a time limit, without a terminal and in English; nothing is run by a shell.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional, Protocol

from ...programs import find_program
from ...values import NamedTuple
from .launchd_agent import agent_text, agents_directory, label_of
from .spec import ServiceSpec
from .systemd_units import unit_texts
from .unit_files import UnitFile, marked

__all__ = ["Launchd", "Manager", "Outcome", "Systemd", "UnitStatus", "run_program", "with_runtime_directory"]

ASK_SEC = 10.0
ACT_SEC = 120.0  # a start waits for the server's readiness
PROPERTIES = (
    *("LoadState", "UnitFileState", "ActiveState", "SubState", "StatusText"),
    *("MainPID", "NRestarts", "NeedDaemonReload"),
)


class Outcome(NamedTuple):
    """How a program ended; `status` None: it was not there or did not end in time."""

    status: Optional[int]
    out: str = ""
    err: str = ""

    @property
    def why(self) -> str:
        """The first line that it complained in; what follows says where more is to be read."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[0].strip() if lines else f"exit status {self.status}"


Run = Callable[[Sequence[str], float], Outcome]


class UnitStatus(NamedTuple):
    """What a manager says of one unit; `active` is for machines, `text` for people."""

    unit: str
    active: bool
    text: str


class Manager(Protocol):
    """What the commands need of a service manager."""

    def files(self, spec: ServiceSpec) -> list[UnitFile]:
        """Return the files of the service."""

    def problem(self) -> str:
        """Return why the manager can't be told anything, in one line; empty when it can."""

    def start_commands(self, name: str) -> list[list[str]]:
        """Return what makes it start the service now and at each login."""

    def stop_commands(self, name: str) -> list[list[str]]:
        """Return what makes it stop the service and forget it."""

    def after_removal(self, name: str) -> list[list[str]]:
        """Return what it is told when the files are gone."""

    def restart_command(self, name: str) -> str:
        """Return the command line that brings changed files in force."""

    def status(self, name: str) -> list[UnitStatus]:
        """Return what it says of the service."""

    def last_line(self, name: str, log: Path) -> str:
        """Return the last line that the server printed; empty when it is not known."""

    def hint(self) -> str:
        """Return what a person may want to do besides; empty: nothing."""


class Systemd:
    """The service manager of one user: `systemd --user`."""

    def __init__(self, env: Mapping[str, str], home: Path, run: Run) -> None:
        self._env = env
        self._home = home
        self._run = run

    def files(self, spec: ServiceSpec) -> list[UnitFile]:
        """Return the units, in the directory that the manager reads."""
        directory = self._directory()
        return [UnitFile(directory / name, marked(text)) for name, text in unit_texts(spec).items()]

    def _directory(self) -> Path:
        """Return the first of the user's directories that the manager says it reads."""
        base = self._env.get("XDG_CONFIG_HOME", "")
        usual = self._home / ".config" / "systemd" / "user"
        places = [Path(base, "systemd", "user")] if os.path.isabs(base) else []
        said = self._ask("show", "--property=UnitPath", "--value")
        known = said.out.split() if said.status == 0 else []
        return next((place for place in [*places, usual] if str(place) in known), [*places, usual][-1])

    def problem(self) -> str:
        """Return why there is no user manager to talk to."""
        said = self._ask("show", "--property=Version", "--value")
        if said.status == 0:
            return ""
        return "systemctl is not installed" if said.status is None and not said.err else said.why

    def start_commands(self, name: str) -> list[list[str]]:
        """Return the commands that load, enable and start both units."""
        units = [f"{name}.socket", f"{name}.service"]
        return [[*_SYSTEMCTL, "daemon-reload"], [*_SYSTEMCTL, "enable", "--now", *units]]

    def stop_commands(self, name: str) -> list[list[str]]:
        """Return the commands that stop and disable both units."""
        return [[*_SYSTEMCTL, "disable", "--now", f"{name}.service", f"{name}.socket"]]

    def after_removal(self, name: str) -> list[list[str]]:
        """Return the command that makes it forget the units."""
        return [[*_SYSTEMCTL, "daemon-reload"]]

    def restart_command(self, name: str) -> str:
        """Return the command for both units: the socket unit may have another port."""
        return f"systemctl --user restart {name}.socket {name}.service"

    def status(self, name: str) -> list[UnitStatus]:
        """Return the states of both units."""
        found = []
        for unit in (f"{name}.service", f"{name}.socket"):
            said = self._ask("show", unit, f"--property={','.join(PROPERTIES)}")
            values = dict(line.split("=", 1) for line in said.out.splitlines() if "=" in line)
            found.append(_unit_status(unit, values))
        return found

    def last_line(self, name: str, log: Path) -> str:
        """Return the last line of the service in the journal."""
        words = [
            "journalctl",
            "--user",
            f"--unit={name}.service",
            "--lines=1",
            "--output=cat",
            "--no-pager",
            "--quiet",
        ]
        said = self._run(words, ASK_SEC)
        return said.out.strip() if said.status == 0 else ""

    def hint(self) -> str:
        """Return how the service outlives the login, unless it does."""
        user = self._env.get("USER") or self._env.get("LOGNAME") or ""
        said = self._run(["loginctl", "show-user", user, "--property=Linger", "--value"], ASK_SEC)
        if said.status == 0 and said.out.strip() == "yes":
            return ""
        return "it runs while you are logged in; from boot on, and after a logout: loginctl enable-linger"

    def _ask(self, *words: str) -> Outcome:
        return self._run([*_SYSTEMCTL, *words], ASK_SEC)


_SYSTEMCTL = ("systemctl", "--user")


def _unit_status(unit: str, values: Mapping[str, str]) -> UnitStatus:
    active = values.get("ActiveState") == "active"
    if values.get("LoadState") == "not-found" or not values:
        return UnitStatus(unit, False, "not loaded")
    parts = [
        values.get("UnitFileState", ""),
        f"{values.get('ActiveState', '')} ({values.get('SubState', '')})",
    ]
    if values.get("MainPID", "0") not in ("", "0"):
        parts.append(f"process {values['MainPID']}")
    if values.get("NRestarts", "0") not in ("", "0"):
        parts.append(f"started again {values['NRestarts']} times")
    if values.get("NeedDaemonReload") == "yes":
        parts.append("changed on disk: systemctl --user daemon-reload")
    text = ", ".join(part for part in parts if part)
    return UnitStatus(unit, active, f"{text}: {values['StatusText']}" if values.get("StatusText") else text)


class Launchd:
    """The service manager of macOS, for one user's session."""

    def __init__(self, home: Path, uid: int, run: Run) -> None:
        self._home = home
        self._domain = f"gui/{uid}"
        self._run = run

    def files(self, spec: ServiceSpec) -> list[UnitFile]:
        """Return the agent's property list."""
        directory = agents_directory(self._home)
        return [UnitFile(directory / name, marked(text)) for name, text in agent_text(spec).items()]

    def problem(self) -> str:
        """Return why launchd can't be told anything."""
        said = self._run(["launchctl", "print", self._domain], ASK_SEC)
        if said.status == 0:
            return ""
        return "launchctl is not installed" if said.status is None and not said.err else said.why

    def start_commands(self, name: str) -> list[list[str]]:
        """Return the command that loads and starts the agent."""
        file = agents_directory(self._home) / f"{label_of(name)}.plist"
        return [["launchctl", "bootstrap", self._domain, str(file)]]

    def stop_commands(self, name: str) -> list[list[str]]:
        """Return the command that ends and unloads the agent."""
        return [["launchctl", "bootout", f"{self._domain}/{label_of(name)}"]]

    def after_removal(self, name: str) -> list[list[str]]:
        """Return nothing: bootout has forgotten it."""
        return []

    def restart_command(self, name: str) -> str:
        """Return the command lines that load the changed file."""
        (stop,), (start,) = self.stop_commands(name), self.start_commands(name)
        return f"{' '.join(stop)}; {' '.join(start)}"

    def status(self, name: str) -> list[UnitStatus]:
        """Return the state of the agent."""
        label = label_of(name)
        said = self._run(["launchctl", "print", f"{self._domain}/{label}"], ASK_SEC)
        if said.status != 0:
            return [UnitStatus(label, False, "not loaded")]
        values = dict(line.strip().split(" = ", 1) for line in said.out.splitlines() if " = " in line)
        text = values.get("state", "loaded")
        active = text == "running"
        return [UnitStatus(label, active, f"{text}, process {values['pid']}" if "pid" in values else text)]

    def last_line(self, name: str, log: Path) -> str:
        """Return the last line of the log file."""
        try:
            with open(log, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def hint(self) -> str:
        """Return nothing: an agent runs while its user is logged in."""
        return ""


def with_runtime_directory(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment, with the way to the user's systemd also where no login set it (su, cron)."""
    found = dict(env)
    if not found.get("XDG_RUNTIME_DIR") and hasattr(os, "getuid"):
        usual = f"/run/user/{os.getuid()}"
        if os.path.exists(f"{usual}/systemd"):
            found["XDG_RUNTIME_DIR"] = usual
    return found


def run_program(words: Sequence[str], limit_sec: float, env: Mapping[str, str]) -> Outcome:
    """Run a program of the PATH for `limit_sec` at most; never raise for how it ends."""
    program = find_program(words[0])
    if program is None:
        return Outcome(None)
    try:
        done = subprocess.run(
            [program, *words[1:]],
            env={**env, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_sec,
        )
    except subprocess.TimeoutExpired:
        return Outcome(None, "", f"{words[0]} did not end within {limit_sec:g} s")
    except OSError as error:
        return Outcome(None, "", f"{program}: {error.strerror or error}")
    return Outcome(
        done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )
