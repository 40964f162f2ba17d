"""Each way to start Claude Code, and each way to point it at the proxy; the tests combine them.

A way starts the client once, waits until its turn has reached an API, and ends all that it started.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from tests.e2e import packages
from tests.e2e.client_environment import ROOT, ClientEnvironment, Ended, end
from tests.e2e.terminal import Terminal

__all__ = ["MODES", "WAYS", "Launch", "Mode", "Way"]

PROMPT = "hello"
TURN_SEC = 30.0  # until a turn has arrived, and until a client has ended
SCRIPTS = Path(__file__).parent


class Launch(NamedTuple):
    """How a client is started: the words before the client's own, and the whole environment."""

    prefix: tuple[str, ...]
    env: Mapping[str, str]


class Mode(NamedTuple):
    """A way to point the client at the proxy; `prepare` returns how to start it afterwards.

    `sdk` starts programs that start the client themselves.
    """

    name: str
    prepare: Callable[[ClientEnvironment], Launch]
    sdk: Callable[[ClientEnvironment], Launch]


class Way(NamedTuple):
    """A way to start the client; `start` returns once it has ended or was ended."""

    name: str
    start: Callable[[ClientEnvironment, Launch], None]
    is_sdk: bool = False
    versions: Optional[tuple[str, ...]] = None  # None: all


# --- modes ------------------------------------------------------------------------------------------


def teamclaude(environment: ClientEnvironment, *words: str, env: Optional[Mapping[str, str]] = None) -> Ended:
    """Run a command of ours to its end."""
    command = [sys.executable, "-m", "teamclaude", *words]
    child = subprocess.Popen(
        command,
        cwd=environment.project,
        env={**(env or environment.environment()), **ours(environment)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return end(child)


def ours(environment: ClientEnvironment) -> dict[str, str]:
    """Return the variables that our own commands need here."""
    return {"PYTHONPATH": str(ROOT), "TEAMCLAUDE_CONFIG": str(environment.config)}


def _run(*options: str) -> Callable[[ClientEnvironment], Launch]:
    def prepare(environment: ClientEnvironment) -> Launch:
        words = ("-m", "teamclaude", "run", "--port", str(environment.service.port), *options, "--")
        return Launch((sys.executable, *words), {**environment.environment(), **ours(environment)})

    return prepare


def _env(*options: str) -> Callable[[ClientEnvironment], Launch]:
    def prepare(environment: ClientEnvironment) -> Launch:
        port = str(environment.service.port)
        printed = teamclaude(environment, "env", "--shell", "json", "--port", port, *options)
        assert printed.status == 0, printed.err
        return Launch((), {**environment.environment(), **json.loads(printed.out)})

    return prepare


def _setup(*options: str) -> Callable[[ClientEnvironment], Launch]:
    def prepare(environment: ClientEnvironment) -> Launch:
        port = str(environment.service.port)
        done = teamclaude(environment, "setup", "claude", "--write", "--port", port, *options)
        assert done.status == 0, done.err
        return Launch((str(environment.program),), environment.environment())

    return prepare


def _without_program(prepare: Callable[[ClientEnvironment], Launch]) -> Callable[[ClientEnvironment], Launch]:
    return lambda environment: Launch((), prepare(environment).env)


MODES = (
    Mode("run", _run(), _env()),
    Mode("settings", _setup(), _without_program(_setup())),
    Mode("run --first-party", _run("--first-party"), _env("--first-party")),
    Mode("settings --first-party", _setup("--first-party"), _without_program(_setup("--first-party"))),
)


# --- ways -------------------------------------------------------------------------------------------


def _popen(
    environment: ClientEnvironment, launch: Launch, words: Sequence[str], **more: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*launch.prefix, *words],
        cwd=environment.project,
        env={**launch.env, **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _print(environment: ClientEnvironment, launch: Launch, *words: str) -> Ended:
    """Run `claude -p WORDS` and return its end, which must be a good one."""
    ended = end(_popen(environment, launch, ["-p", *words, "--output-format", "json"]), "")
    assert ended.status == 0, f"{ended.out[-2000:]} {ended.err[-2000:]}"
    return ended


def _headless(environment: ClientEnvironment, launch: Launch) -> None:
    _print(environment, launch, PROMPT)


def _resume(environment: ClientEnvironment, launch: Launch) -> None:
    session = _print(environment, launch, PROMPT).answer["session_id"]
    _print(environment, launch, "again", "--resume", session)
    assert [session for session, _ in environment.bindings] == [session]


def _sub_agent(environment: ClientEnvironment, launch: Launch) -> None:
    script = environment.api.script
    script.reply_with("Nothing found.", when=lambda asked: b"look around" in asked.body[:200_000])
    _print(environment, launch, "send an agent", "--allowedTools", "Agent Task")


def _interactive(environment: ClientEnvironment, launch: Launch) -> None:
    """Start the terminal interface with a first prompt; end it once the turn has arrived."""
    with Terminal([*launch.prefix, PROMPT], environment.project, launch.env) as terminal:
        terminal.keep_reading(lambda: _has_turn(environment), TURN_SEC)
        assert _has_turn(environment), terminal.shown[-3000:]


def _has_turn(environment: ClientEnvironment) -> bool:
    return any(turn.status == 200 for turn in environment.turns)


def _await_turn(environment: ClientEnvironment, said: Callable[[], str]) -> None:
    deadline = time.monotonic() + TURN_SEC
    while not _has_turn(environment):
        assert time.monotonic() < deadline, f"no turn arrived within {TURN_SEC:g} s: {said()}"
        time.sleep(0.05)


def _background(environment: ClientEnvironment, launch: Launch) -> None:
    """Start a background agent while a supervisor runs that was started without the proxy."""
    plain = Launch((str(environment.program),), environment.environment())
    try:
        # `claude agents` in a pipe starts no supervisor; a background session that waits for input does.
        started = end(_popen(environment, plain, ["--bg"], CLAUDE_CODE_MAX_RETRIES="0"), "")
        ended = end(_popen(environment, launch, ["--bg", PROMPT]), "")
        assert ended.status == 0, f"{started} {ended}"
        _await_turn(environment, lambda: f"{started} {ended}")
    finally:
        end(_popen(environment, plain, ["daemon", "stop", "--any"]), "")


def _vscode(environment: ClientEnvironment, launch: Launch) -> None:
    """Start the client as the extension does: its entry point, and JSON both ways."""
    words = ["--output-format", "stream-json", "--input-format", "stream-json", "--verbose"]
    message = {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": PROMPT}]}}
    child = _popen(environment, launch, [*words, "-p"], CLAUDE_CODE_ENTRYPOINT="claude-vscode")
    ended = end(child, json.dumps(message) + "\n")
    assert '"is_error":false' in ended.out, f"{ended.out[-2000:]} {ended.err[-2000:]}"


def _sdk(command: Sequence[str], environment: ClientEnvironment, launch: Launch) -> None:
    ended = end(_popen(environment, Launch((), launch.env), command), "")
    assert ended.status == 0, f"{ended.out[-2000:]} {ended.err[-2000:]}"
    assert "success" in ended.out, f"{ended.out[-2000:]} {ended.err[-2000:]}"


def _agent_sdk_python(environment: ClientEnvironment, launch: Launch) -> None:
    python = packages.python_with("claude-agent-sdk")
    program = str(environment.program)
    _sdk([str(python), str(SCRIPTS / "agent_sdk_session.py"), program, PROMPT], environment, launch)


def _agent_sdk_typescript(environment: ClientEnvironment, launch: Launch) -> None:
    modules = packages.node_modules("@anthropic-ai/claude-agent-sdk")
    script = modules.parent / "session.mjs"
    script.write_text((SCRIPTS / "agent_sdk_session.mjs").read_text("utf-8"), "utf-8")
    _sdk(["node", str(script), str(environment.program), PROMPT], environment, launch)


SUPERVISED = ("2.1.332", "2.1.330")  # 2.1.112 has no background agents

WAYS = (
    Way("interactive", _interactive),
    Way("-p", _headless),
    Way("background", _background, versions=SUPERVISED),
    Way("sub-agents", _sub_agent),
    Way("resume", _resume),
    Way("VS Code", _vscode),
    Way("Agent SDK, Python", _agent_sdk_python, is_sdk=True),
    Way("Agent SDK, TypeScript", _agent_sdk_typescript, is_sdk=True),
)
