"""The environment of an end-to-end test: real client → real proxy → fake API."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.cli.claude_code.environment import ClientTarget, client_environment
from teamclaude.fakeapi.api import FakeApi, LoggedExchange
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.proxy.http.header_rewrite import OAUTH_BETA
from teamclaude.proxy.records.journal import activity_of
from teamclaude.proxy.server import ProxyServer
from teamclaude.typed_json import to_json
from tests.e2e import packages
from tests.e2e.tee import BlockingProxy, Sent, Tee

__all__ = ["CLIENT_TOKEN", "KEY", "ROOT", "ClientEnvironment", "Ended", "as_forwarded", "end"]

ROOT = Path(__file__).resolve().parents[2]
KEY = "tc-FAKEproxykeyFAKEproxykey"
CLIENT_TOKEN = "sk-ant-oat01-FAKE-the-clients-own"
ACCOUNTS = ("alice", "bob", "carol")
FAR = 4_102_444_800_000  # 2100-01-01 in ms
# A client that meets errors retries for three minutes.
CLIENT_SEC = 60.0

# What the proxy takes out or writes itself; the rest passes in order.
_REWRITTEN = ("host", "content-length", "connection", "authorization", "x-api-key")


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The result line of `--output-format json`."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class ClientEnvironment:
    """The chain of one test; `home` is the client's HOME, empty at first; `program` is the client."""

    def __init__(self, directory: Path, home: Path, program: Path) -> None:
        self._home, self.program = home, program
        self.project = directory / "project"
        self.project.mkdir()
        self.config = directory / "teamclaude.json"
        self.records: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.api = FakeApi([FakeAccount(name, f"sk-ant-oat01-FAKE-{name}") for name in ACCOUNTS]).start()
        self.config.write_text(json.dumps(_config(self.api.url)))
        self.config.chmod(0o600)
        self.service = ProxyServer(
            ConfigFile(self.config, self.warnings.append),
            on_end=lambda exchange: self.records.append(to_json(activity_of(exchange))),
            warn=self.warnings.append,
        )
        self.service.start()
        self.tee = Tee(self.service.port)
        self.wall = BlockingProxy()

    @property
    def version(self) -> str:
        """The version of the client."""
        return packages.version_of(self.program)

    def close(self) -> None:
        self.service.stop(0)
        self.tee.close()
        self.wall.close()
        self.api.stop()

    # --- the client -------------------------------------------------------------------------

    def log_in(self) -> None:
        """Give the client a subscription login of its own."""
        file = self._home / ".claude" / ".credentials.json"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        login = {
            "accessToken": CLIENT_TOKEN,
            "refreshToken": "sk-ant-ort01-FAKE",
            "expiresAt": FAR,
            "scopes": ["user:inference", "user:profile", "user:mcp_servers", "user:sessions:claude_code"],
            "subscriptionType": "max",
        }
        file.write_text(json.dumps({"claudeAiOauth": login}))
        file.chmod(0o600)

    def start(self, *words: str, stdin: bool = False) -> subprocess.Popen[str]:
        """Run `claude -p WORDS` through the proxy."""
        logged_in = (self._home / ".claude" / ".credentials.json").exists()
        target = ClientTarget(self.tee.url, KEY)
        env = {**self.environment(), **client_environment(target, self.environment(), logged_in)}
        return _popen([str(self.program), "-p", *words, "--output-format", "json"], self.project, env, stdin)

    def claude(self, *words: str, stdin: Optional[str] = None) -> Ended:
        return end(self.start(*words, stdin=stdin is not None), stdin)

    def teamclaude_run(self, *words: str, **more: str) -> Ended:
        """Run `teamclaude run WORDS`, which finds the client on the PATH; `more` are variables."""
        command = [sys.executable, "-m", "teamclaude", "run", "--port", str(self.tee.port), *words]
        env = {**self.environment(), **more, "PYTHONPATH": str(ROOT), "TEAMCLAUDE_CONFIG": str(self.config)}
        return end(_popen(command, self.project, env, False))

    def run_client(self, *words: str, **more: str) -> Ended:
        """Run `claude WORDS` without us."""
        return end(_popen([str(self.program), *words], self.project, {**self.environment(), **more}, False))

    def environment(self) -> dict[str, str]:
        """Return the client's environment variables, with no route off this machine."""
        return {
            "PATH": os.pathsep.join([str(self.program.parent), os.environ["PATH"]]),
            "HOME": str(self._home),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "HTTPS_PROXY": f"http://127.0.0.1:{self.wall.port}",
        }

    # --- observing ------------------------------------------------------------------------------

    @property
    def turns(self) -> list[LoggedExchange]:
        """The inference requests that reached the API, in order of arrival."""
        turns = (exchange for exchange in self.api.log if exchange.path == "/v1/messages")
        return sorted(turns, key=lambda exchange: exchange.number)

    @property
    def bindings(self) -> dict[tuple[str, Optional[str]], dict[str, Any]]:
        """Return the bindings by (session, agent)."""
        return {(b["sid"], b["agent"]): b for b in self.service.snapshot().to_json()["sessionBindings"]}

    def assert_quiet(self) -> None:
        """Assert that no client got an error and the proxy warned of nothing.

        The client's own requests of first-party mode don't count: the fake API does not know them.
        """
        asked = [record for record in self.records if record["path"].startswith("/v1/messages")]
        assert [record for record in asked if record["outcome"] != "served"] == []
        assert self.warnings == []

    def assert_passed_on(self, turns: Sequence[LoggedExchange]) -> None:
        """Assert that `turns` are exactly the client's requests, unchanged except for the credential."""
        sent = Counter((_digest(request.body), as_forwarded(request)) for request in self.tee.turns)
        assert Counter((_digest(turn.body), _seen(turn)) for turn in turns) == sent
        for turn in turns:
            assert turn.header("authorization") == f"Bearer sk-ant-oat01-FAKE-{turn.account}"
            assert turn.header("content-length") == str(turn.size)
            assert KEY not in str(turn.headers)
            assert CLIENT_TOKEN not in str(turn.headers)


def as_forwarded(request: Sent) -> tuple[tuple[str, str], ...]:
    """Return the fields that must reach the API, in order: all but credentials and framing."""
    fields = []
    for name, value in request.headers:
        lower = name.lower()
        if lower == "anthropic-beta":
            value = _with_oauth(value)
        if lower == "accept-encoding":  # the codings of the client that the usage tap can read
            value = ", ".join(each for each in value.split(", ") if each in ("gzip", "deflate"))
        if lower not in _REWRITTEN and not lower.startswith("x-teamclaude-"):
            fields.append((name, value))
    if request.header("anthropic-beta") is None:
        fields.append(("anthropic-beta", OAUTH_BETA))
    return tuple(fields)


def _with_oauth(betas: str) -> str:
    return betas if OAUTH_BETA in betas.split(",") else f"{OAUTH_BETA},{betas}"


def _digest(body: bytes) -> str:
    """Return a short name for a body, for the message of a failing assertion."""
    return f"{len(body)} bytes {hashlib.sha256(body).hexdigest()[:12]}"


def _seen(turn: LoggedExchange) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in turn.headers if name.lower() not in _REWRITTEN)


def _config(upstream: str) -> dict[str, Any]:
    accounts = [
        {"name": name, "type": "oauth", "accessToken": f"sk-ant-oat01-FAKE-{name}", "expiresAt": FAR}
        for name in ACCOUNTS
    ]
    # No exemption for the machine's owner: the key must have been sent.
    proxy = {"host": "127.0.0.1", "port": 0, "apiKey": KEY, "trustLoopback": False, "forward": True}
    return {"proxy": proxy, "upstream": upstream, "accounts": accounts}


def _popen(command: list[str], cwd: Path, env: dict[str, str], stdin: bool) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(child: subprocess.Popen[str], stdin: Optional[str] = None) -> Ended:
    """Wait for a client; end one that takes too long, and fail."""
    try:
        out, err = child.communicate(stdin, timeout=CLIENT_SEC)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise AssertionError(f"no end within {CLIENT_SEC:g} s: {out[-2000:]} {err[-2000:]}") from None
    return Ended(child.returncode, out, err)
