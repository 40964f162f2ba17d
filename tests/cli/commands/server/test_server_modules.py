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

# What is not loaded until connections are accepted, beside those: the first answer does without.
LATER = (
    "sqlite3",
    "teamclaude.deck.sources.reader",
    "teamclaude.dial.socks5",
    "teamclaude.history.writer",
    "teamclaude.proxy.balancer.header_reader",
    "teamclaude.proxy.connect.handshake",
    "teamclaude.proxy.forwarding.forwarder",
    "teamclaude.proxy.reporting.history_feed",
    "teamclaude.proxy.restart.handover",
)
# A ceiling for the modules of this package at that time; lower it when there are fewer.
MOST = 265
UNTIL_IT_ACCEPTS = """
import os, sys
from teamclaude.proxy.listener import Listener

def start(listener):
    print(*sys.modules)
    sys.stdout.flush()
    os._exit(0)

Listener.start = start
from teamclaude.cli import main
main(["server", "--headless"])
"""


def test_a_server_accepts_connections_before_it_loads_what_the_first_answer_does_without(
    config: Callable[..., Path],
) -> None:
    config(ALICE, port=free_port())
    command = [sys.executable, "-S", "-c", UNTIL_IT_ACCEPTS]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    loaded = set(ended.stdout.split())
    assert "teamclaude.proxy.listener" in loaded, ended.stderr
    assert sorted(loaded & {*UNUSED, *LATER}) == []
    own = sorted(name for name in loaded if name.startswith("teamclaude"))
    assert len(own) <= MOST, own


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
