"""`teamclaude mcp` with clients of others: the Python library of the protocol, and Claude Code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import packages
from tests.e2e.client_environment import KEY, ROOT, ClientEnvironment
from tests.e2e.test_e2e_client import said, tool, tool_results

pytestmark = pytest.mark.e2e

SESSION = Path(__file__).with_name("mcp_session.py")
LIBRARY = "mcp>=2.3,<3"
SEC = 60.0


def command(environment: ClientEnvironment) -> list[str]:
    return [sys.executable, "-m", "teamclaude", "mcp", "--port", str(environment.service.port)]


def variables(environment: ClientEnvironment) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "TEAMCLAUDE_CONFIG": str(environment.config)}


def mcp_config(environment: ClientEnvironment) -> str:
    """Return the server as `--mcp-config` takes it."""
    program, *words = command(environment)
    server = {"command": program, "args": words, "env": variables(environment)}
    return json.dumps({"mcpServers": {"teamclaude": server}})


def ask_through_claude(environment: ClientEnvironment, *uses: Any) -> list[Any]:
    """Let the client's model use these tools, one in each turn; return what it is shown of the results.

    That is the structured one alone (measured with both versions).
    """
    environment.api.script.reply_with(*([use] for use in uses), "Done.")
    allowed = ",".join(f"mcp__teamclaude__{name}" for name in ("status", "capacity", "explain", "usage"))
    config = mcp_config(environment)
    ended = environment.claude(
        "ask", "--mcp-config", config, "--strict-mcp-config", "--allowedTools", allowed
    )
    assert said(ended) == "Done."
    environment.assert_quiet()
    return [json.loads(json.loads(shown)) for shown in tool_results(environment.turns[-1].body)]


def test_the_library_of_the_protocol_finds_nothing_wrong(either: ClientEnvironment) -> None:
    try:
        python = packages.python_with(LIBRARY)
    except packages.NotInstalledError as refusal:
        pytest.skip(f"{LIBRARY} could not be installed: {refusal}")
    said(either.claude("hello"))
    done = subprocess.run(
        [str(python), str(SESSION), *command(either)],
        input=json.dumps(variables(either)),
        capture_output=True,
        text=True,
        timeout=SEC,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["revision"] for each in found.values()] == ["2026-07-28", "2025-11-25"]
    for each in found.values():
        assert (each["server"], each["read_only"], each["unknown"]) == ("teamclaude", True, -32602)
        assert each["tools"] == ["status", "capacity", "explain", "usage"]
        assert each["errors"] == [False] * 6 + [True]
        assert [bool(value) for value in each["structured"]] == [True] * 6 + [False]
        assert each["structured"][3]["outcome"] == "served"
        assert each["structured"][4]["session"]["rows"][0]["requests"] == 1
        assert KEY not in str(each)
        assert "FAKE" not in str(each)


def test_claude_code_asks_before_it_starts_agents(environment: ClientEnvironment) -> None:
    few, many = ask_through_claude(
        environment,
        tool("mcp__teamclaude__capacity", sub_agents=2),
        tool("mcp__teamclaude__capacity", sub_agents=500),
    )
    assert (few["allowed"], few["startNow"]) == (True, 2)
    assert (many["allowed"], many["startNow"]) == (False, many["headroom"])
    assert many["answer"].startswith("No: not 500 sub-agents, but ")
    assert b"ask `capacity` with their number" in environment.turns[0].body


def test_claude_code_is_told_about_its_own_session(environment: ClientEnvironment) -> None:
    explained, used, status = ask_through_claude(
        environment,
        tool("mcp__teamclaude__explain"),
        tool("mcp__teamclaude__usage", by="session"),
        tool("mcp__teamclaude__status"),
    )
    (session,) = {key for key, _ in environment.bindings}
    assert explained["session"] == session
    (row,) = used["session"]["rows"]
    # 2.1.112 does not say for which session it starts a server.
    assert (row["name"], row["thisSession"]) == (session, environment.version != "2.1.112")
    assert [account["name"] for account in status["accounts"]] == ["alice", "bob", "carol"]


@pytest.mark.parametrize("scope", ["local", "user"])
def test_claude_code_adds_it_as_the_manual_says(environment: ClientEnvironment, scope: str) -> None:
    program, *words = command(environment)
    settings = [f"{name}={value}" for name, value in variables(environment).items()]
    options = [word for setting in settings for word in ("--env", setting)]
    added = claude_mcp(environment, "add", "--scope", scope, "teamclaude", *options, "--", program, *words)
    assert "teamclaude" in added
    listed = claude_mcp(environment, "list")
    assert "Connected" in listed, listed


def claude_mcp(environment: ClientEnvironment, *words: str) -> str:
    """Run `claude mcp WORDS`; return what it prints."""
    done = subprocess.run(
        [str(environment.program), "mcp", *words],
        cwd=environment.project,
        env=environment.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SEC,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
