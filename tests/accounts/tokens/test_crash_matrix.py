"""A process is killed (SIGKILL) at every step of a refresh: which logins survive, and what is reported.

The child loads the code once and forks for each step, so that a run of the matrix takes a second.
It wraps the calls that change anything (`os.fsync`, `os.replace`, ... and the request itself) with
steps; the table below names them all, in order.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.accounts.support import Logins
from tests.fakeapi.authserver import TOKEN_PATH

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

ROOT = Path(__file__).resolve().parents[3]

CHILD = """
import json, os, signal, sys
from functools import partial
from pathlib import Path
from teamclaude.accounts.oauth import token_endpoint
from teamclaude.accounts.tokens.refresh import SpendingRefresher
from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.tokens.token_store import ConfigStore

def run(config, key, now, wanted):
    where, renamed, steps = "", False, []

    def step(name):
        steps.append(name)
        if name == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(real, name):
        def call(*args, **kwargs):
            what = name(*args, **kwargs)
            if not what:
                return real(*args, **kwargs)
            step("before " + what)
            result = real(*args, **kwargs)
            step("after " + what)
            return result
        return call

    def created(path, *args, **kwargs):
        nonlocal where, renamed
        if not str(path).endswith(".tmp"):
            return ""
        where, renamed = ("journal" if os.path.dirname(path).endswith(".tokens") else "config"), False
        return where + " create"

    def replaced(*args):
        nonlocal renamed
        renamed = True
        return where + " rename"

    def wrote(*args):
        nonlocal where, renamed
        where, renamed = "answer", False
        return "answer write"

    def removed(path, *args):
        return "journal removal" if os.path.dirname(path).endswith(".tokens") else ""

    file = ConfigFile(Path(config), lambda line: None)
    oauth = file.load().oauth
    refresher = SpendingRefresher(file.path, "one lock", ConfigStore(file, key), lambda: now)
    os.open = around(os.open, created)
    os.fsync = around(os.fsync, lambda handle: where + (" directory" if renamed else "") + " fsync")
    os.replace = around(os.replace, replaced)
    os.write = around(os.write, wrote)
    os.unlink = around(os.unlink, removed)
    refresh_tokens = partial(token_endpoint.refresh_tokens, oauth, clock=lambda: now)
    spend = around(refresh_tokens, lambda token: "call")
    refresher.refresh(spend)
    return steps

for line in sys.stdin:
    asked = json.loads(line)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with open(writing, "w") as out:
            json.dump(run(**asked), out)
        os._exit(0)
    os.close(writing)
    print(child, flush=True)
    with open(reading) as told:
        steps = told.read()
    _, status = os.waitpid(child, 0)
    print(json.dumps({"status": status, "steps": json.loads(steps) if steps else []}), flush=True)
"""

SILENT = ""  # the old token is good and nothing was journaled: the restart refreshes as usual
GOOD = "but its refresh token was still good"
LOST = "that answer probably held the new tokens"
FOUND = "was interrupted; its tokens are found and stored"
DONE = "done"  # the new tokens are in the config file

# step -> what the restart finds
MATRIX = {
    "before journal create": SILENT,
    "after journal create": SILENT,
    "before journal fsync": SILENT,
    "after journal fsync": SILENT,
    "before journal rename": SILENT,
    "after journal rename": GOOD,
    "before journal directory fsync": GOOD,
    "after journal directory fsync": GOOD,
    "before call": GOOD,
    # The server has issued the new pair; here it is on the network, then in memory only.
    "answer on its way": LOST,
    "after call": LOST,
    "before answer write": LOST,
    # After one write nothing can be lost.
    "after answer write": FOUND,
    "before answer fsync": FOUND,
    "after answer fsync": FOUND,
    "before config create": FOUND,
    "after config create": FOUND,
    "before config fsync": FOUND,
    "after config fsync": FOUND,
    "before config rename": FOUND,
    "after config rename": DONE,
    "before config directory fsync": DONE,
    "after config directory fsync": DONE,
    "before journal removal": DONE,
    "after journal removal": DONE,
}
ON_ITS_WAY = "answer on its way"


class ForkServer:
    """Runs refreshes in processes of their own, up to a step."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, logins: Logins, step: str) -> int:
        """The child's process id."""
        asked = {
            "config": str(logins.config_dir.path),
            "key": logins.key(),
            "now": logins.clock.now,
            "wanted": step,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def end(self) -> tuple[int, list[str]]:
        """The signal that ended the child, and its steps if none did."""
        told = json.loads(self._line())
        return told["status"] & 0x7F, told["steps"]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def fork_server() -> Iterator[ForkServer]:
    running = ForkServer()
    yield running
    running.close()


def crash(fork_server: ForkServer, logins: Logins, step: str) -> None:
    """A refresh that is killed at `step`."""
    if step != ON_ITS_WAY:
        fork_server.begin(logins, step)
        assert fork_server.end() == (signal.SIGKILL, [])
        return
    logins.server.script.once(Fault.never_answered(), path=TOKEN_PATH)
    child = fork_server.begin(logins, "")
    deadline = time.monotonic() + 60
    while not logins.server.calls and time.monotonic() < deadline:
        time.sleep(0.002)  # another process's progress has no clock to inject
    os.kill(child, signal.SIGKILL)
    assert fork_server.end() == (signal.SIGKILL, [])


def test_the_matrix_names_every_step_in_order(fork_server: ForkServer, logins: Logins) -> None:
    logins.log_in("anna")
    logins.advance(9)
    fork_server.begin(logins, "")
    assert fork_server.end() == (0, [step for step in MATRIX if step != ON_ITS_WAY])


@pytest.mark.parametrize("step", MATRIX)
def test_a_restart_after_a_kill(fork_server: ForkServer, logins: Logins, step: str) -> None:
    outcome = MATRIX[step]
    logins.log_in("anna")
    logins.advance(9)
    crash(fork_server, logins, step)
    granted = logins.server.granted
    assert granted == (0 if outcome in (SILENT, GOOD) else 1)

    manager = logins.manager()  # the restart
    manager.run_due()
    usable = bool(manager.before_dispatch(logins.key()))
    entry = logins.entry()
    assert usable is (outcome != LOST)
    if usable:
        assert logins.token(manager) == entry["accessToken"]
        assert logins.server.accepts(entry["accessToken"])
        assert logins.server.can_refresh(entry["refreshToken"])
        assert logins.server.granted == 1
        assert len(logins.server.calls) == 1
    else:
        assert [call.outcome for call in logins.server.calls] == ["granted", "invalid_grant: used twice"]
        assert logins.auth_failures == [(logins.key(), manager.before_dispatch(logins.key()).reason)]
        assert logins.warnings[0].endswith("log in again: teamclaude login")
    said = [] if outcome in (SILENT, DONE) else [outcome]
    assert (
        [part in line for part, line in zip(said, logins.warnings)]
        == [True] * len(said)
        == [True] * len(logins.warnings)
    )

    again = logins.manager()  # the next restart has nothing to do
    again.run_due()
    assert bool(again.before_dispatch(logins.key())) is usable
    assert len(logins.server.calls) == (1 if usable else 2)
    assert len(logins.warnings) == len(said)
    if usable:
        logins.advance(9)
        assert again.before_dispatch(logins.key())
        assert logins.server.granted == 2
