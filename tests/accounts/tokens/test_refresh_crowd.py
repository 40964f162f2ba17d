"""Many threads and processes refresh the same account at once: one of them spends the token."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.accounts.support import Logins
from tests.fakeapi.authserver import TOKEN_PATH

ROOT = Path(__file__).resolve().parents[3]

CROWD = """
import json, sys, threading
from pathlib import Path
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.accounts.config.config_file import ConfigFile

key, now, failed = sys.argv[2], float(sys.argv[3]), sys.argv[4]
file = ConfigFile(Path(sys.argv[1]), print, lock_timeout_s=30)
said = []
manager = TokenManager(
    file, file.load(), clock=lambda: now, warn=said.append,
    on_new_tokens=lambda key: None, on_auth_failed=lambda key, words: said.append(words),
)
told = []

def work():
    usable = manager.after_401(key, failed) if failed else manager.before_dispatch(key)
    told.append([bool(usable), manager.tokens[key].pair.access_token])

threads = [threading.Thread(target=work) for _ in range(8)]
print("ready", flush=True)
sys.stdin.read()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(60)
print(json.dumps([told, said]))
"""


@pytest.mark.parametrize("refused", [False, True], ids=["expired", "refused"])
def test_eight_threads_in_four_processes_cost_one_refresh(logins: Logins, refused: bool) -> None:
    logins.log_in("anna")
    logins.advance(1 if refused else 9)
    failed = logins.entry()["accessToken"] if refused else ""
    words = [str(logins.config_dir.path), logins.key(), repr(logins.clock.now), failed]
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", CROWD, *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in crowd:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in crowd:  # all begin together: each waits for the end of its input
        assert child.stdin is not None
        child.stdin.close()
    told = []
    for child in crowd:
        assert child.stdout is not None
        with child.stdout as answers:
            told.append(json.loads(answers.read()))
    assert [child.wait(60) for child in crowd] == [0] * 4
    token = logins.entry()["accessToken"]
    assert token != failed
    assert logins.server.accepts(token)
    assert told == [[[[True, token]] * 8, []]] * 4
    assert [call.outcome for call in logins.server.calls] == ["granted"]


def burst(size: int, work: Any) -> list[Any]:
    """The results of `size` threads that begin together."""
    gate, results = threading.Barrier(size), []

    def run() -> None:
        gate.wait(10)
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


def test_a_burst_of_fifty_401s_costs_one_refresh(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(1)
    old = logins.token(manager)
    results = burst(50, lambda: (bool(manager.after_401(logins.key(), old)), logins.token(manager)))
    assert results == [(True, logins.entry()["accessToken"])] * 50
    assert logins.server.granted == 1
    assert logins.changed_keys == [logins.key()]


def test_a_burst_while_the_server_is_busy_costs_one_call(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(1)
    logins.server.script.always(Fault.status(429), path=TOKEN_PATH)
    old = logins.token(manager)
    results = burst(50, lambda: bool(manager.after_401(logins.key(), old)))
    assert results == [False] * 50
    logins.server.wait_until(lambda server: server.inflight == 0)
    assert logins.server.arrived == 1


def test_a_burst_on_a_due_token_waits_for_nothing_and_costs_one_refresh(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager(spawn=None)
    logins.advance(8 - 0.05)
    results = burst(50, lambda: bool(manager.before_dispatch(logins.key())))
    assert results == [True] * 50
    manager.stop()
    assert logins.server.granted <= 1


def test_renewals_reloads_and_readers_at_once_end_with_the_stored_tokens(logins: Logins) -> None:
    logins.log_in("anna", "bob")
    manager = logins.manager()
    keys = [logins.key("anna"), logins.key("bob")]
    stop = threading.Event()

    def reload() -> None:
        while not stop.is_set():
            manager.configure(logins.config_dir.file.load())

    reloader = threading.Thread(target=reload)
    reloader.start()
    try:
        for _ in range(5):
            logins.advance(9)
            usable = burst(8, lambda: [bool(manager.before_dispatch(key)) for key in keys])
            assert usable == [[True] * len(keys)] * 8
    finally:
        stop.set()
        reloader.join(30)
    assert logins.server.granted == 10
    assert len(logins.server.calls) == 10
    for name in ("anna", "bob"):
        assert logins.token(manager, name) == logins.entry(name)["accessToken"]
