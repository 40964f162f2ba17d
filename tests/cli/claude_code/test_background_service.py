"""The supervisor of background agents, found by its lock and known by its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teamclaude.cli.claude_code.background_service import BackgroundService, find_service, has_environment

STAT = "{pid} (a (strange) name) S 1 1 1 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 {start} 1000 200"


@pytest.fixture
def lock(private_home: Path) -> Callable[..., dict[str, str]]:
    """Write the lock; return the environment of this user."""

    def write(**fields: object) -> dict[str, str]:
        file = private_home / ".claude" / "daemon.lock"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"pid": 4933, "version": "2.1.332", "procStart": "191450", **fields}))
        return {"HOME": str(private_home)}

    return write


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with the process 4933."""
    process = tmp_path / "proc" / "4933"
    process.mkdir(parents=True)
    (process / "stat").write_text(STAT.format(pid=4933, start=191450))
    (process / "environ").write_bytes(b"ANTHROPIC_BASE_URL=http://x\0HOME=/me\0broken\0")
    return process.parent


def test_a_supervisor_that_runs(lock: Callable[..., dict[str, str]], proc: Path) -> None:
    environment = {"ANTHROPIC_BASE_URL": "http://x", "HOME": "/me"}
    assert find_service(lock(), "linux", proc) == BackgroundService(4933, "2.1.332", environment)


@pytest.mark.parametrize(
    "fields", [{"procStart": "7"}, {"pid": 4934}, {"pid": "4933"}, {"pid": -1}, {"pid": True}, {"pid": None}]
)
def test_a_lock_that_was_left(
    lock: Callable[..., dict[str, str]], proc: Path, fields: dict[str, object]
) -> None:
    assert find_service(lock(**fields), "linux", proc) is None


def test_an_environment_of_another_user(lock: Callable[..., dict[str, str]], proc: Path) -> None:
    (proc / "4933" / "environ").unlink()
    service = find_service(lock(), "linux", proc)
    assert service is not None
    assert service.environment is None
    assert not has_environment(service, {})


def test_no_lock_or_a_broken_one(private_home: Path, proc: Path) -> None:
    env = {"HOME": str(private_home)}
    assert find_service(env, "linux", proc) is None
    (private_home / ".claude").mkdir()
    (private_home / ".claude" / "daemon.lock").write_text("{")
    assert find_service(env, "linux", proc) is None


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield child
    child.kill()
    child.wait()


@pytest.mark.skipif(os.name == "nt", reason="signal 0 ends a process on Windows")
def test_where_there_is_no_proc_the_process_is_asked(
    lock: Callable[..., dict[str, str]], tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    env = lock(pid=sleeper.pid)
    service = find_service(env, "darwin", tmp_path / "none")
    assert service == BackgroundService(sleeper.pid, "2.1.332", None)
    sleeper.kill()
    sleeper.wait()
    assert find_service(env, "darwin", tmp_path / "none") is None
    assert find_service(env, "win32", tmp_path / "none") is None


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        ({"ANTHROPIC_BASE_URL": "http://p", "HOME": "/a"}, True),
        ({"ANTHROPIC_BASE_URL": "http://other"}, False),
        ({"ANTHROPIC_BASE_URL": "http://p", "https_proxy": "http://q"}, False),
        ({}, False),
    ],
)
def test_what_leads_its_agents(seen: dict[str, str], same: bool) -> None:
    service = BackgroundService(1, "", seen)
    assert has_environment(service, {"ANTHROPIC_BASE_URL": "http://p", "PATH": "/b"}) == same
