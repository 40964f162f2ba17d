"""`teamclaude run` for a server elsewhere, with the real client: TLS, a key, an empty home directory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.proxy.server import ProxyServer
from tests.e2e.client_environment import CLIENT_TOKEN, ROOT, ClientEnvironment
from tests.proxy.conftest import Pem
from tests.proxy.conftest import pem as pem

pytestmark = pytest.mark.e2e
CLIENT_KEY = "tc-FAKE-the-key-of-bob"


@pytest.fixture
def elsewhere(new_client: ClientEnvironment, pem: Pem, tmp_path: Path) -> Iterator[ProxyServer]:
    """A server with TLS, which wants a key from everybody."""
    settings = json.loads(new_client.config.read_text())
    settings["proxy"] = {
        "host": "127.0.0.1",
        "port": 0,
        "apiKey": "tc-FAKE-another",
        "trustLoopback": False,
        "tls": {"cert": pem.cert, "key": pem.key},
        "clients": [{"name": "bob", "key": CLIENT_KEY, "role": "client"}],
    }
    config = tmp_path / "elsewhere.json"
    config.write_text(json.dumps(settings))
    config.chmod(0o600)
    service = ProxyServer(ConfigFile(config, pytest.fail))
    service.start()
    yield service
    service.stop(0)


@pytest.mark.parametrize("logged_in", [False, True])
def test_both_versions_reach_it_with_nothing_but_variables(
    new_client: ClientEnvironment, elsewhere: ProxyServer, pem: Pem, private_home: Path, logged_in: bool
) -> None:
    if logged_in:
        new_client.log_in()
    new_client.api.script.reply_with("Hello from the API.")
    env = {
        **new_client.environment(),  # with an HTTP proxy that leads nowhere
        "PYTHONPATH": str(ROOT),
        "TEAMCLAUDE_URL": elsewhere.urls[0],
        "TEAMCLAUDE_KEY": CLIENT_KEY,
        "TEAMCLAUDE_CA_FILE": pem.cert,
    }
    for words, said in (
        ("run --check", "claude uses the proxy\n"),
        ("run -p hello", "Hello from the API.\n"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "teamclaude", *words.split()],
            cwd=new_client.project,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ended.returncode, ended.stderr) == (0, ""), ended
        assert ended.stdout.endswith(said), ended
    (turn,) = new_client.turns
    assert turn.header("authorization") == f"Bearer sk-ant-oat01-FAKE-{turn.account}"
    assert CLIENT_KEY not in str(turn.headers)
    assert CLIENT_TOKEN not in str(turn.headers)
    assert [view.name for view in elsewhere.snapshot().clients] == ["bob"]
    assert not (private_home / ".config" / "teamclaude.json").exists()
