"""The `service` command: the server under systemd --user or launchd."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ....accounts.config.atomic_write import make_private_directory
from ....accounts.config.config import Config
from ....accounts.config.state_place import home_directory, state_place
from ....errors import TeamClaudeError, UsageError
from ...service.managers import (
    ACT_SEC,
    Launchd,
    Manager,
    Outcome,
    Systemd,
    UnitStatus,
    run_program,
    with_runtime_directory,
)
from ...service.spec import ServiceSpec, service_spec
from ...service.unit_files import FileState, UnitFile
from ...terminal import json_text, note, shown
from ...user_config import open_config

ACTIONS = ("print", "install", "uninstall", "status")
SCHEMA = 1  # of status --json


def service_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude service`."""
    parser.add_argument("action", choices=ACTIONS, help="what to do; print only shows the files")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--systemd", action="store_true", help="units for systemd --user (default on Linux)")
    kind.add_argument("--launchd", action="store_true", help="an agent for launchd (default on macOS)")
    parser.add_argument(
        "--name", default="teamclaude", metavar="NAME", help="another name, for a second server"
    )
    parser.add_argument("--force", action="store_true", help="also replace or remove files that were edited")
    parser.add_argument(
        "--files-only", action="store_true", help="write or remove the files, and tell no service manager"
    )
    parser.add_argument("--json", action="store_true", help="with status: one JSON object")


def service(args: argparse.Namespace) -> int:
    """Run the server as a service of your user: print, install, uninstall, status.

    install writes the files and starts the service: from then on it runs whenever
    you are logged in, and starts again after a failure. Under systemd a socket unit
    listens in its place, so that no connection is refused at boot or during a
    restart. Without an account the server waits for one (teamclaude login).

    uninstall removes what install wrote, and nothing else. status says whether the
    files are there and up to date, whether the service runs, and its last line; the
    exit status is 0 only if all is well.

    The service uses the config file that this command would use, this interpreter
    and this copy of the program. teamclaude help service says more.
    """
    if args.json and args.action != "status":
        raise UsageError("--json goes with: teamclaude service status")
    manager = _manager(args)
    if args.action == "uninstall":
        return _uninstall(manager, args)
    spec = _spec(args.name)
    if args.action == "print":
        return _print(manager.files(spec))
    if args.action == "install":
        return _install(manager, spec, args)
    return _status(manager, spec, args.json)


def _manager(args: argparse.Namespace) -> Manager:
    home = Path(home_directory(os.environ))
    env = with_runtime_directory(os.environ)

    def run(words: Sequence[str], limit_sec: float) -> Outcome:
        return run_program(words, limit_sec, env)

    if args.launchd or (sys.platform == "darwin" and not args.systemd):
        return Launchd(home, os.getuid() if hasattr(os, "getuid") else 0, run)
    if args.systemd or sys.platform.startswith("linux"):
        return Systemd(env, home, run)
    raise UsageError("no service manager is known here; --systemd or --launchd says which files to make")


def _spec(name: str) -> ServiceSpec:
    file = open_config()
    # A server makes a missing file when it starts.
    config = file.load() if os.path.exists(file.path) else Config()
    log = state_place(file.path, "server.log")
    return service_spec(name, config, file.path, log, os.environ)


def _print(files: Sequence[UnitFile]) -> int:
    for file in files:
        if len(files) > 1:
            print(f"# {file.path}")
        print(file.text, end="\n" if len(files) > 1 else "")
    return 0


def _install(manager: Manager, spec: ServiceSpec, args: argparse.Namespace) -> int:
    problem = manager.problem()
    if problem.endswith("is not installed") and not (args.systemd or args.launchd):
        raise TeamClaudeError(
            f"there is no service manager here ({problem}); nothing was written. The files are shown by "
            "teamclaude service print; without one: teamclaude help container"
        )
    files = manager.files(spec)
    for file in files:
        file.check(args.force)
    if isinstance(manager, Launchd):
        make_private_directory(str(spec.log.parent))  # launchd makes the file, not its directory
    changed = [file for file in files if file.differs()]
    for file in files:
        if file in changed:
            file.write()
        print(shown(f"{'wrote' if file in changed else 'unchanged:'} {file.path}"))
    for name in spec.left_out:
        note(f"teamclaude: {name} has a password and is left out: its place is upstreamProxy")
    commands = manager.start_commands(spec.name)
    if args.files_only or problem:
        why = f"not started: {problem}. Where it runs:" if problem else "not started; this starts it:"
        print(shown("\n".join([why, *map(_shown, commands)])))
        return 0
    was_active = any(unit.active for unit in manager.status(spec.name))
    if not was_active:
        _check_addresses(spec, commands)
    _act(commands, lambda: manager.last_line(spec.name, spec.log))
    if was_active and changed:
        print(f"in force after: {manager.restart_command(spec.name)}")
    _print_units(manager.status(spec.name))
    if hint := manager.hint():
        print(hint)
    return 0


def _check_addresses(spec: ServiceSpec, commands: Sequence[Sequence[str]]) -> None:
    """Raise TeamClaudeError when something listens on the port: the service could not."""
    for host, port in spec.addresses:
        with suppress(OSError), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name == "posix"))
            try:
                trial.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    again = "; ".join(shlex.join(command) for command in commands)
                    raise TeamClaudeError(
                        f"{host} port {port} is in use: end the server that has it, then: {again}"
                    ) from None


def _act(commands: Sequence[Sequence[str]], last_line: Callable[[], str] = str) -> None:
    """Run the commands and show them; raise TeamClaudeError with the words of the first that fails.

    `last_line` is the last line of the service that was to start.
    """
    for command in commands:
        print(shown(_shown(command)), flush=True)
        ended = run_program(command, ACT_SEC, with_runtime_directory(os.environ))
        if ended.status != 0:
            told = last_line()
            raise TeamClaudeError(f"{shlex.join(command)}: {ended.why}{f' ({told})' if told else ''}")


def _shown(command: Sequence[str]) -> str:
    return f"  {shlex.join(command)}"


def _uninstall(manager: Manager, args: argparse.Namespace) -> int:
    # The paths and marks are what counts: the texts may be those of another configuration.
    files = manager.files(service_spec(args.name, Config(), open_config().path, Path("log"), {}))
    present = [file for file in files if file.state() is not FileState.ABSENT]
    for file in present:
        file.check(args.force)
    problem = manager.problem()
    if present and not (problem or args.files_only):
        _act(manager.stop_commands(args.name))
    for file in present:
        file.remove()
        print(shown(f"removed {file.path}"))
    if not present:
        print(f"{args.name}: nothing is installed")
    elif problem or args.files_only:
        why = f" ({problem})" if problem else ""
        note(f"teamclaude: the service manager was not told{why}: what runs goes on")
    else:
        _act(manager.after_removal(args.name))
    return 0


def _status(manager: Manager, spec: ServiceSpec, as_json: bool) -> int:
    files = [(file.path, file.state()) for file in manager.files(spec)]
    problem = manager.problem()
    units = [] if problem else manager.status(spec.name)
    last = "" if problem else manager.last_line(spec.name, spec.log)
    if as_json:
        found = {
            "name": spec.name,
            "files": [{"path": str(path), "state": state.name.lower()} for path, state in files],
            "units": [{"name": each.unit, "active": each.active, "text": each.text} for each in units],
            "problem": problem or None,
            "lastLine": last or None,
        }
        print(json_text(SCHEMA, found))
    else:
        for path, state in files:
            print(shown(f"{path}: {state.value}"))
        _print_units(units)
        if problem:
            print(shown(f"the service manager can't be asked: {problem}"))
        if last:
            print(shown(f"last line: {last}"))
    well = (
        all(state is FileState.CURRENT for _, state in files) and bool(units) and all(u.active for u in units)
    )
    return 0 if well else 1


def _print_units(units: Sequence[UnitStatus]) -> None:
    for unit in units:
        print(shown(f"{unit.unit}: {unit.text}"))
