"""The `anthropic` Python SDK through the proxy, which identifies it by its key alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.cli.claude_code.environment import ClientTarget, sdk_environment
from tests.e2e import packages
from tests.e2e.client_environment import KEY, ClientEnvironment

pytestmark = pytest.mark.e2e

SESSION = Path(__file__).with_name("sdk_session.py")
SDK_SEC = 60.0


@pytest.fixture
def plain(tmp_path: Path, private_home: Path) -> Iterator[ClientEnvironment]:
    """An environment without Claude Code."""
    environment = ClientEnvironment(tmp_path, private_home, Path("no client"))
    yield environment
    environment.close()


# The 0.x series sends the key as X-Api-Key, 2.x as a bearer token.
@pytest.mark.parametrize(
    ("requirement", "field", "value"),
    [("anthropic>=2,<3", "authorization", f"Bearer {KEY}"), ("anthropic==0.84.0", "x-api-key", KEY)],
)
def test_the_calls_of_a_program(plain: ClientEnvironment, requirement: str, field: str, value: str) -> None:
    try:
        python = packages.python_with(requirement)
    except packages.NotInstalledError as refusal:
        pytest.skip(f"{requirement} could not be installed: {refusal}")
    plain.api.script.reply_with("created", "streamed, in several pieces")
    env = {**plain.environment(), **sdk_environment(ClientTarget(plain.tee.url, KEY))}
    done = subprocess.run(
        [str(python), str(SESSION)], env=env, capture_output=True, text=True, timeout=SDK_SEC
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["created"] == ["created"]
    assert found["created_usage"] > 0
    assert found["streamed"] == "streamed, in several pieces" == "".join(found["streamed_blocks"])
    assert found["stop_reason"] == "end_turn"
    assert found["counted"] > 0
    assert "claude-opus-4-8" in found["models"]
    # The API's own message, not the proxy's.
    assert found["refusal"] == "messages: at least one message is required"

    assert [(turn.path, turn.status) for turn in plain.api.log] == [
        ("/v1/messages", 200),
        ("/v1/messages", 200),
        ("/v1/messages/count_tokens", 200),
        ("/v1/models", 200),
        ("/v1/messages", 400),
        ("/v1/messages", 400),  # of another account: it is the request
    ]
    assert {request.header(field) for request in plain.tee.sent} == {value}
    plain.assert_passed_on(plain.turns[:-1])  # the last is the refused one again
    assert plain.warnings == []
