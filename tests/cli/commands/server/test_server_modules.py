"""What a server loads that nobody asks anything: its memory is mostly modules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import ALICE, free_port

ROOT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="servers are ended with signals")

# The last of each thread that loads something after the start.
AT_WORK = {"sqlite3", "teamclaude.forecast.forecaster", "teamclaude.alerts.rules"}
UNUSED = (
    "curses",
    "dataclasses",
    "email.message",
    "hashlib",
    "hmac",
    "http.client",
    "html",
    "http.server",
    "inspect",
    "locale",
    "secrets",
    "shutil",
    "ssl",
    "subprocess",
    "tempfile",
    "teamclaude.accounts.importing.find_login",
    "teamclaude.accounts.oauth.usage_endpoint",
    "teamclaude.deck.feed",
    "teamclaude.deck.model.model",
    "teamclaude.deck.terminal",
    "teamclaude.deck.view",
    "teamclaude.history.reports",
    "teamclaude.history.transcripts",
    "teamclaude.metrics.families",
    "teamclaude.proxy.own_requests.keep_warm",
    "teamclaude.proxy.own_requests.quota_probe",
    "teamclaude.proxy.status_line",
    "teamclaude.web.document",
    "urllib.request",
)


def test_an_idle_server_loads_only_what_it_uses(config: Callable[..., Path]) -> None:
    file = config(ALICE, port=free_port())
    alerts = [{"when": "7d above 99%", "run": ["true"]}]
    file.write_text(json.dumps({**json.loads(file.read_text()), "alerts": alerts}))
    # Without site: a coverage run has modules of its own loaded there.
    command = [sys.executable, "-S", "-X", "importtime", "-m", "teamclaude", "server", "--headless"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    limit = threading.Timer(30, server.kill)
    limit.start()
    loaded: set[str] = set()
    assert server.stderr is not None
    for line in server.stderr:
        name = line.rpartition("|")[2].strip()
        loaded.add(name)
        if loaded >= AT_WORK:
            break
    server.terminate()
    server.communicate()
    limit.cancel()
    assert loaded >= AT_WORK
    assert [name for name in UNUSED if name in loaded] == []
