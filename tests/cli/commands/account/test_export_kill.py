"""`accounts export --move` is killed (SIGKILL) at every step: the login is in one place, or it is said where.

The child loads the code once and forks for each step.  It counts the calls that change anything, and kills
itself before or after the one whose number it is given.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.tokens.hand_over import unfinished
from tests.cli.support import BOB

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

ROOT = Path(__file__).resolve().parents[4]
ANN = {
    "name": "ann",
    "type": "oauth",
    "accessToken": "sk-ant-oat01-FAKE",
    "refreshToken": "sk-ant-ort01-FAKE",
}
LEAST_STEPS = 20  # fewer would mean that the calls are not seen

CHILD = """
import json, os, signal, sys
from teamclaude.cli import main
import teamclaude.cli.commands.account.export

def run(config, to, kill):
    done = 0

    def step():
        nonlocal done
        done += 1
        if done == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(real):
        def call(*args, **kwargs):
            step()
            result = real(*args, **kwargs)
            step()
            return result
        return call

    for name in ("fsync", "replace", "write", "unlink", "open"):
        setattr(os, name, around(getattr(os, name)))
    os.environ["TEAMCLAUDE_CONFIG"] = config
    return main(["accounts", "export", "ann", "--move", "--to", to])

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(run(**asked))
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Child:
    """The process that is forked for each step."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
        )

    def run(self, config: Path, to: Path, kill: int) -> int:
        """Return the status that waitpid gives; `kill`: the number of the last step, 0: none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"config": str(config), "to": str(to), "kill": kill}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=10)


@pytest.fixture
def child(private_home: Path) -> Iterator[Child]:
    child = Child()
    yield child
    child.close()


def logins_in(path: Path) -> list[Any]:
    """The refresh tokens in a config file; none if it is missing or empty."""
    text = path.read_text() if path.exists() else ""
    return (
        [entry["refreshToken"] for entry in json.loads(text)["accounts"] if "refreshToken" in entry]
        if text
        else []
    )


def test_every_step(child: Child, tmp_path: Path) -> None:
    for kill in range(1, 200):
        directory = tmp_path / str(kill)
        directory.mkdir(mode=0o700)
        config, to = directory / "teamclaude.json", directory / "out.json"
        config.write_text(json.dumps({"proxy": {"port": 1, "apiKey": "tc-FAKE"}, "accounts": [ANN, BOB]}))
        config.chmod(0o600)
        status = child.run(config, to, kill)
        file = ConfigFile(config, lambda line: None)
        moves = unfinished(file, file.load())
        here, there = logins_in(config), logins_in(to)
        assert len(here) + len(there) == 1 or (not here and moves), f"step {kill}"
        assert all(move.path in str(move) and str(to) in str(move) for move in moves)
        assert not (here and moves), f"step {kill}"
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        if not there or moves:
            assert child.run(config, to, 0) == 0, f"step {kill}: the same command does not finish it"
        assert (logins_in(config), logins_in(to)) == ([], [ANN["refreshToken"]]), f"step {kill}"
        assert unfinished(file, file.load()) == []
        assert {path.suffix for path in directory.rglob("*") if path.is_file()} == {".json", ".lock"}
    assert LEAST_STEPS < kill < 199
