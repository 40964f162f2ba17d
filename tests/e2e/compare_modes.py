"""Compare what the client does behind a base URL, in first-party mode, and without any proxy.

`make e2e-modes` runs the newest client against the fake API over each connection: one headless turn, the
terminal interface with `/usage`, and `claude remote-control`; it prints the table of the manual's page
"clients".  "Without" is a client whose host file leads api.anthropic.com to the fake API (Linux, root: a
mount namespace).
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from teamclaude.cli.claude_code.environment import ClientTarget, client_environment
from teamclaude.dial.tunnel import Tunnel
from teamclaude.fakeapi.answer import ApiAnswer
from teamclaude.fakeapi.api import FakeApi, LoggedExchange
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.proxy.connect.certificates import ca_file, ensure_certificates, server_context, tls_directory
from tests.e2e import packages
from tests.e2e.client_environment import CLIENT_TOKEN, KEY, ClientEnvironment
from tests.e2e.tee import Loopback
from tests.e2e.terminal import Terminal

HOST = "api.anthropic.com"
MODES = ("base URL", "first-party", "without")
HTTPS = 443
PERSON, ORGANIZATION = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
REMOTE = ("/v1/environments/bridge", "/v1/environments/env_1/work/poll")
# What the API answers to the client's own requests, as far as its features depend on it.
OWN_ANSWERS: dict[str, Any] = {
    "/api/eval": {"features": {"tengu_ccr_bridge": {"defaultValue": True}}},
    "/api/oauth/profile": {
        "account": {"uuid": PERSON, "email": "me@example.com", "has_claude_max": True},
        "organization": {"uuid": ORGANIZATION, "organization_type": "claude_max"},
    },
    "/api/oauth/usage": {
        window: {"utilization": 25.0, "resets_at": "2100-01-01T00:00:00+00:00"}
        for window in ("five_hour", "seven_day")
    },
    "/api/claude_code/policy_limits": {"restrictions": {}},
    "/v1/mcp_servers": {"data": [], "has_more": False},
    "/v1/environments/bridge": {"environment_id": "env_1", "environment_secret": "FAKE-environment-secret"},
}
USED = {
    "hasCompletedOnboarding": True,
    "remoteDialogSeen": True,
    "theme": "dark",
    "oauthAccount": {
        "accountUuid": PERSON,
        "emailAddress": "me@example.com",
        "organizationUuid": ORGANIZATION,
    },
}


class Found(NamedTuple):
    """What one connection showed."""

    turn: LoggedExchange  # of the headless run
    turn_account: str
    paths: frozenset[str]  # of the client's own requests
    remote_control: str
    usage: str


# --- the connections --------------------------------------------------------------------------------


class TlsFront(Loopback):
    """Terminates TLS for the API's name on this machine's port 443 and passes all on to the fake API."""

    def __init__(self, directory: Path, behind: int) -> None:
        self._behind = behind
        self.certificates = ensure_certificates(directory, [HOST], time.time())
        self._context = server_context(self.certificates)
        super().__init__(HTTPS)

    def _serve(self, sock: socket.socket) -> None:
        try:
            secure = self._context.wrap_socket(sock, server_side=True)
        except (OSError, ssl.SSLError):
            sock.close()
            return
        with secure, socket.create_connection(("127.0.0.1", self._behind)) as behind:
            Tunnel(secure, behind).run(60.0)


def answer_own_requests(api: FakeApi) -> None:
    """Have the fake API answer what the client asks for itself, so that its features are switched on."""
    others = api.endpoints.answer

    def answer(request: Any, owner: Any, reply: Any) -> Any:
        path = request.target.partition("?")[0]
        for prefix, value in OWN_ANSWERS.items():
            if path == prefix or path.startswith(f"{prefix}/sdk-"):
                body = json.dumps(value).encode()
                return ApiAnswer(200, (("content-type", "application/json"),), (body,)), None
        return others(request, owner, reply)

    api.endpoints.answer = answer  # type: ignore[method-assign]


def base_url(environment: ClientEnvironment) -> tuple[Sequence[str], Mapping[str, str]]:
    env = variables(environment)
    return (), {**env, **client_environment(ClientTarget(environment.service.urls[0], KEY), env, True)}


def first_party(environment: ClientEnvironment) -> tuple[Sequence[str], Mapping[str, str]]:
    env = variables(environment)
    target = ClientTarget(environment.service.urls[0], KEY, ca_file=str(ca_file(environment.config)))
    return (), {**env, **client_environment(target, env, True)}


def without(environment: ClientEnvironment, hosts: Path, ca: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    hosts.write_text(f"127.0.0.1 localhost {HOST}\n")
    script = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    env = {key: value for key, value in variables(environment).items() if key != "HTTPS_PROXY"}
    return ("unshare", "-m", "sh", "-c", script, "sh"), {**env, "NODE_EXTRA_CA_CERTS": str(ca)}


def variables(environment: ClientEnvironment) -> dict[str, str]:
    env = environment.environment()
    del env["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"]
    return env


# --- one connection ---------------------------------------------------------------------------------


def look(environment: ClientEnvironment, prefix: Sequence[str], env: Mapping[str, str]) -> Found:
    program = [*prefix, str(environment.program)]
    subprocess.run(
        [*program, "-p", "hello"],
        cwd=environment.project,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    turn = next(turn for turn in environment.turns if turn.size > 10_000)
    usage = None
    with Terminal(program, environment.project, env) as terminal:
        terminal.wait_for("effort|shortcuts|cycle")
        for _ in range(3):  # keys that come while it starts may be lost
            terminal.type("/usage\r")
            usage = terminal.wait_for("25% used|Current session|Failed to load[^.]*", 8.0)
            if usage is not None:
                break
            terminal.type("\x1b")
        # It shows what it knows from a turn's headers, and asks at the same time.
        terminal.keep_reading(lambda: has_asked(environment, "/api/oauth/usage"), 5.0)
    with Terminal([*program, "remote-control"], environment.project, env) as terminal:
        remote = terminal.wait_for("Ready|Error: [^.]*|not available[^.]*", 15.0)
        if remote == "Ready":
            terminal.keep_reading(lambda: has_asked(environment, *REMOTE), 15.0)
    own = [each for each in environment.api.log if not each.path.startswith("/v1/messages")]
    paths = frozenset(template_of(each.path) for each in own)
    return Found(turn, turn.account or "", paths, remote or "nothing", usage or "nothing")


def has_asked(environment: ClientEnvironment, *paths: str) -> bool:
    return set(paths) <= {each.path for each in environment.api.log}


def template_of(path: str) -> str:
    """Return a path without the ids of one client."""
    for part in (PERSON, ORGANIZATION, "env_1"):
        path = path.replace(part, "…")
    head, _, tail = path.partition("/sdk-")
    return f"{head}/sdk-…" if tail else path


# --- the table --------------------------------------------------------------------------------------


def betas(turn: LoggedExchange) -> set[str]:
    return set((turn.header("anthropic-beta") or "").split(","))


def own_headers(turn: LoggedExchange) -> set[str]:
    return {name.lower() for name, _ in turn.headers if name.lower().startswith("x-c")}


def body_facts(turn: LoggedExchange) -> set[str]:
    body = json.loads(turn.body)
    tools = {tool["name"] for tool in body.get("tools", [])}
    first = body["system"][0]["text"]
    fields = {field.partition("=")[0].strip() for field in first.partition(":")[2].split(";")}
    facts = {key for key in ("diagnostics", "thread", "safeguards") if key in body}
    return facts | (tools & {"ToolSearch"}) | {f"system: {each}" for each in fields if each}


ROWS: tuple[tuple[str, Callable[[Found], str]], ...] = (
    ("turn is served by", lambda found: found.turn_account),
    ("betas of a turn", lambda found: str(len(betas(found.turn)))),
    ("headers of the client's own", lambda found: str(len(own_headers(found.turn)))),
    ("tool search", lambda found: "on" if "ToolSearch" in body_facts(found.turn) else "off"),
    ("`diagnostics` in the body", lambda found: "yes" if "diagnostics" in body_facts(found.turn) else "no"),
    ("connectors are asked for", lambda found: "yes" if "/v1/mcp_servers" in found.paths else "no"),
    ("`/usage` asks the API", lambda found: "yes" if "/api/oauth/usage" in found.paths else "no"),
    ("Remote Control", lambda found: found.remote_control),
    ("own requests that reach the API", lambda found: str(len(found.paths))),
)


def table(found: Mapping[str, Found]) -> str:
    lines = ["| | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for name, value in ROWS:
        lines.append(f"| {name} | " + " | ".join(value(each) for each in found.values()) + " |")
    everything = found[MODES[1]]
    for what, facts in (("betas", betas), ("headers", own_headers), ("body and system", body_facts)):
        missing = sorted(facts(everything.turn) - facts(found[MODES[0]].turn))
        lines.append(f"\n{what} that the base URL loses: {', '.join(missing) or 'none'}")
        if MODES[2] in found:
            differ = sorted(facts(everything.turn) ^ facts(found[MODES[2]].turn))
            lines.append(f"{what} that first-party and without differ in: {', '.join(differ) or 'none'}")
    for mode, each in found.items():
        lines.append(f"\nown requests, {mode}: {', '.join(sorted(each.paths)) or 'none'}")
    return "\n".join(lines)


def measure(mode: str, directory: Path, program: Path) -> Found:
    home = directory / "home"
    home.mkdir(parents=True)
    environment = ClientEnvironment(directory, home, program)
    front: Optional[TlsFront] = None
    try:
        environment.log_in()
        projects = {str(environment.project): {"hasTrustDialogAccepted": True}}
        (home / ".claude.json").write_text(json.dumps({**USED, "projects": projects}))
        answer_own_requests(environment.api)
        if mode == MODES[0]:
            return look(environment, *base_url(environment))
        if mode == MODES[1]:
            return look(environment, *first_party(environment))
        environment.api.endpoints.add(FakeAccount("the client's login", CLIENT_TOKEN))
        front = TlsFront(tls_directory(environment.config), int(environment.api.url.rpartition(":")[2]))
        return look(environment, *without(environment, directory / "hosts", front.certificates.ca_file))
    finally:
        if front is not None:
            front.close()
        environment.close()


def main() -> None:
    program = packages.claude()
    modes = MODES if os.geteuid() == 0 and sys.platform == "linux" else MODES[:2]
    with tempfile.TemporaryDirectory() as directory:
        found = {mode: measure(mode, Path(directory, mode.replace(" ", "-")), program) for mode in modes}
    print(f"Claude Code {packages.version_of(program)}, {time.strftime('%Y-%m-%d')}\n")
    print(table(found))


if __name__ == "__main__":
    main()
