"""What the commands that run often load: importing is most of the time that they take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import ALICE, PAID, Stub

ROOT = Path(__file__).resolve().parents[2]
CODE = (
    "import sys; from teamclaude.cli import main; status = main(sys.argv[1:]); "
    "print(*sorted(sys.modules), sep=chr(10), file=sys.stderr); sys.exit(status)"
)
# A ceiling for the modules of this package; lower it when there are fewer.
MOST = {"--version": 5, "env": 56, "accounts": 62, "status": 92, "statusline": 18}
NEVER = {"dataclasses", "inspect", "curses", "locale", "sqlite3", "subprocess", "teamclaude.routing.fleet"}
# Beside those: what one command has no use for.
UNUSED = {
    "--version": {"argparse", "json", "typing", "enum"},
    "env": {"datetime", "hashlib", "http.client", "shutil", "ssl", "tempfile", "teamclaude.snapshot"},
    "accounts": {"email", "http.client", "shutil", "ssl", "tempfile", "teamclaude.routing.user_rules"},
    "status": {"email", "http.client", "shutil", "ssl", "tempfile", "teamclaude.routing.state"},
    "statusline": {"argparse", "http.client", "ssl", "typing", "urllib.parse"},
}


@pytest.mark.parametrize("word", MOST)
def test_a_command_loads_only_what_it_uses(word: str, config: Callable[..., Path], stub: Stub) -> None:
    config(ALICE, PAID, port=stub.port)
    stub.answers["GET /teamclaude/deck"] = (200, {"schema": 1, "accounts": [{"name": "alice"}]})
    env = (
        {**os.environ, "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}"}
        if word == "statusline"
        else dict(os.environ)
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", CODE, word],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    assert ended.returncode == 0, ended.stderr
    loaded = set(ended.stderr.split())
    assert sorted(loaded & (NEVER | UNUSED[word])) == []
    own = sorted(name for name in loaded if name.startswith("teamclaude"))
    assert len(own) <= MOST[word], own
