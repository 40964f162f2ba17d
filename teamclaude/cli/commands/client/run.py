"""The `run` command: start claude with the proxy's environment, and the proxy with --auto."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ....accounts.config.file_lock import FileLock
from ....accounts.config.identity import find_account
from ....accounts.config.state_place import state_place
from ....errors import TeamClaudeError, UsageError
from ....own_program import own_command
from ....programs import find_program
from ...launch.claude_words import with_settings
from ...launch.client_plan import ClientPlan, Wanted, plan_client
from ...launch.settings_option import merged_settings, write_settings_file
from ...launch.wiring import Reach
from ...proxy_client import ProxyClient
from ...remote.chosen import add_proxy_arguments, client_variables, named_proxy
from ...terminal import note
from ...user_config import read_config, required_proxy_key

if TYPE_CHECKING:
    from ...remote.client import RemoteProxyClient

OPTIONS_WITH_VALUE = ("--account", "--port", "--url", "--key-file", "--ca-file")
FLAGS = ("--auto", "--check", "--first-party", "--force", "-h", "--help")
START_S = 15.0
POLL_S = 0.05


def run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude run`."""
    parser.add_argument("--account", metavar="NAME", help="let only this account serve it")
    parser.add_argument("--auto", action="store_true", help="start a server in the background if none runs")
    parser.add_argument(
        "--first-party",
        action="store_true",
        help="claude keeps api.anthropic.com, and the proxy is its HTTPS proxy",
    )
    parser.add_argument(
        "--check", action="store_true", help="say how claude would be led here, prove it, and start nothing"
    )
    parser.add_argument("--force", action="store_true", help="start claude even if it goes past the proxy")
    add_proxy_arguments(parser)
    parser.add_argument("words", nargs="*", metavar="ARGS", help="passed to claude as they are")


def own_words(words: Sequence[str]) -> list[str]:
    """Return `words` with a `--` before the first one that is for claude."""
    place = 0
    while place < len(words):
        word = words[place]
        if word in OPTIONS_WITH_VALUE:
            place += 2
        elif word in FLAGS or word.startswith(tuple(f"{option}=" for option in OPTIONS_WITH_VALUE)):
            place += 1
        else:
            break
    rest = list(words[place:])
    return [*words[:place], "--", *(rest[1:] if rest[:1] == ["--"] else rest)]


def run(args: argparse.Namespace) -> int:
    """Run claude through the proxy.

    `teamclaude run -p hello` is `claude -p hello` with the right environment, and
    with settings above your own files, which also reach agents in the background.

    Options of this command come first; everything from the first word it does not
    know goes to claude, and so does everything after `--`. The exit status is
    claude's. If something that can't be changed here leads claude past the proxy,
    one line says what, and nothing is started (--force starts it).

    With --url (or TEAMCLAUDE_URL and TEAMCLAUDE_KEY) it is a server elsewhere. What
    claude starts then finds the same server: teamclaude capacity, mcp and others.
    """
    remote = named_proxy(args)
    if remote is None:
        wanted, program = _wanted_here(args)
        variables = {}
    else:
        wanted, program = _wanted_there(remote, args)
        variables = client_variables(remote)
    plan = plan_client(wanted, os.environ, Path.cwd(), args.words)
    if args.check:
        from .check import check

        return check(plan)
    report_findings(plan, args.force)
    return _exec(program, _words(plan, wanted.file), {**plan.wiring.environment, **variables})


def _wanted_here(args: argparse.Namespace) -> tuple[Wanted, str]:
    """Return what claude needs for the server of the config file, and the program."""
    file, config = read_config(or_url=True)
    account = find_account(config.accounts, args.account) if args.account else None
    if account is not None and account.disabled:
        name = account.name
        note(f"teamclaude: {name} is disabled, nothing will be served: teamclaude enable {name}")
    program = _claude()
    proxy = ProxyClient(config, file.path, args.port)
    _ensure_server(proxy, file.path, args)
    # The server may have added the key just now.
    key = required_proxy_key(file, config if config.proxy.api_key else file.load())
    only = None if account is None else account.name
    return Wanted(config, file.path, proxy.url, key, only, args.first_party), program


def _wanted_there(remote: RemoteProxyClient, args: argparse.Namespace) -> tuple[Wanted, str]:
    """Return what claude needs for a server elsewhere, and the program; ask the server whether it may."""
    from ...remote.launching import account_there, wanted_there

    if args.auto:
        raise UsageError("--auto starts a server on this machine: leave it out with --url and TEAMCLAUDE_URL")
    wanted_there(remote, None, args.first_party)  # complain before anything is asked
    program = _claude()
    remote.require_sender()
    account = account_there(remote, args.account) if args.account else None
    return wanted_there(remote, account, args.first_party), program


def _claude() -> str:
    found = find_program("claude")
    if found is None:
        raise TeamClaudeError(
            "claude is not on the PATH; install Claude Code (npm install -g @anthropic-ai/claude-code)"
        )
    return found


def _ensure_server(proxy: ProxyClient, config: Path, args: argparse.Namespace) -> None:
    if proxy.is_up():
        return
    if not args.auto:
        raise TeamClaudeError(
            f"no proxy answers at {proxy.url}; start it with: teamclaude server (or add --auto here)"
        )
    start_background_server(proxy, config, args.port)


def report_findings(plan: ClientPlan, force: bool) -> None:
    """Print the findings; raise TeamClaudeError with the first that stops, unless it is to start anyway."""
    # A command like `claude mcp list` asks no model.
    stops = plan.reach is Reach.SETTINGS and not force
    for finding in plan.findings:
        if not (stops and finding.stops):
            note(f"teamclaude: {finding.text}")
    for finding in plan.findings:
        if stops and finding.stops:
            raise TeamClaudeError(
                f"{finding.text} (--force starts it all the same; teamclaude doctor says more)"
            )


def _words(plan: ClientPlan, config: Path) -> list[str]:
    if plan.reach is not Reach.SETTINGS:
        return list(plan.words.words)
    merged = merged_settings(plan.theirs, plan.wiring.settings)
    try:
        settings = write_settings_file(config, merged)
    except OSError as error:
        settings = _temporary_settings(config, merged, f"{error.filename}: {error.strerror}")
    return with_settings(plan.words, str(settings))


def _temporary_settings(config: Path, settings: dict[str, Any], why: str) -> Path:
    """Return a file for a config file whose directory can't be written to."""
    import tempfile  # 3 ms

    try:
        file = write_settings_file(Path(tempfile.mkdtemp(prefix="teamclaude-")) / config.name, settings)
    except OSError as error:
        raise TeamClaudeError(f"claude's settings can't be written: {why}; {error}") from error
    note(f"teamclaude: {why}; claude's settings are in {file.parent}, only as long as that is there")
    return file


def _exec(program: str, words: Sequence[str], env: dict[str, str]) -> int:
    """Replace this process by `program`.

    POSIX: exec.  Terminal, signals, job control and exit status are then claude's own, and no interpreter
    stays in memory beside each agent.  Windows has no exec that keeps the terminal: start a child and wait.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    command = [program, *words]
    try:
        if os.name == "posix":
            os.execve(program, command, env)
        return _wait_for(subprocess.Popen(command, env=env))
    except OSError as error:
        raise TeamClaudeError(f"can't run {program}: {error.strerror or error}") from error


def _wait_for(child: subprocess.Popen[bytes]) -> int:
    status: Optional[int] = None
    while status is None:
        try:
            status = child.wait()
        except KeyboardInterrupt:
            continue  # the child got Ctrl-C too, and decides
    return status


def log_path(config: Path) -> Path:
    """Return the log file of a background server."""
    return state_place(config, "server.log")


def start_background_server(
    proxy: ProxyClient, config: Path, port: Optional[int], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Start a detached server and wait until it answers; raise TeamClaudeError with its last message."""
    from ....proxy.lifecycle.state_move import prepare_state_directory

    # Not left to the server: its log would be renamed while it is read here.
    prepare_state_directory(config, os.environ, proxy.is_up, lambda line: None)
    log = log_path(config)
    note(f"teamclaude: starting a server in the background (at most {START_S:.0f} s) ...")
    with _turn_of(log):
        if proxy.is_up():
            note(f"teamclaude: another command has started one at {proxy.url}, which stays (log: {log})")
        else:
            _start_and_wait(proxy, config, port, log, sleep)


@contextlib.contextmanager
def _turn_of(log: Path) -> Iterator[None]:
    """Wait while another command starts a server with this log; where files have no locks, don't."""
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32":  # there the lock would keep the server from writing its log
            with contextlib.suppress(OSError):
                stack.enter_context(FileLock(str(log), START_S))
        yield


def _start_and_wait(
    proxy: ProxyClient, config: Path, port: Optional[int], log: Path, sleep: Callable[[float], None]
) -> None:
    child = _spawn_detached(config, log, port)
    deadline = time.monotonic() + START_S
    while not proxy.is_up():
        # A server that was started otherwise may have been faster: ours then ends, and that one answers.
        ended = child.poll() is not None and not proxy.is_up()
        if ended or time.monotonic() > deadline:
            child.terminate()
            raise TeamClaudeError(
                f"the server did not start: {_last_message(log)} (log: {log}; teamclaude doctor says more)"
            )
        sleep(POLL_S)
    note(f"teamclaude: a server answers at {proxy.url}; it stays until: kill {child.pid} (log: {log})")


def _spawn_detached(config: Path, log: Path, port: Optional[int]) -> subprocess.Popen[bytes]:
    command = own_command("server", "--headless", *(["--port", str(port)] if port else []))
    # A new session: the terminal's signals and hang-up must not reach the server.
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # The server keeps no other directory from being unmounted or removed.
                cwd=config.absolute().parent,
                env={**_own_environment(), "TEAMCLAUDE_CONFIG": str(config.absolute())},
                **options,
            )
    except OSError as error:
        raise TeamClaudeError(f"can't start a server in the background: {error}") from error


def _own_environment() -> dict[str, str]:
    """Return the environment without what a service manager told the program that runs this command."""
    theirs = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(theirs)}


def _last_message(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", "replace").split("\n")
    except OSError:
        lines = []
    messages = [line for line in lines if line.startswith("teamclaude: ")]
    return messages[-1][len("teamclaude: ") :] if messages else "it said nothing"
