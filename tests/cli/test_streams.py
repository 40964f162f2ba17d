"""stdout and stderr that are closed, full, or a pipe without a reader."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.support import ALICE, free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
FULL = "teamclaude: can't write the output: No space left on device\n"
pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection.recv(99).startswith(b"HTTP/1.1 200")
    return False


def shell(line: str, unbuffered: bool = False) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "TC": f"{sys.executable} -m teamclaude"}
    env.update({"PYTHONUNBUFFERED": "1"} if unbuffered else {})
    return subprocess.run(["sh", "-c", line], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


# Each way of writing meets each kind of stream; whether Python buffers changes from case to case.
@pytest.mark.parametrize(
    ("words", "to", "status", "err", "unbuffered"),
    [
        ("help", ">/dev/full", 1, FULL, False),
        ("--version", ">/dev/full", 1, FULL, True),
        ("accounts --json", ">/dev/full", 1, FULL, False),
        ("accounts --json", ">/dev/full", 1, FULL, True),
        ("env --shell sh", ">/dev/full 2>&-", 1, "", False),
        ("help", ">/dev/full 2>&-", 1, "", True),
        ("--version", ">/dev/full 2>/dev/full", 1, "", False),
        ("env --shell sh", ">/dev/full 2>/dev/full", 1, "", True),
        ("accounts --json", ">&-", 0, "", False),
        ("--version", ">&-", 0, "", True),
        ("help", ">&- 2>&- <&-", 0, "", False),
        ("accounts --json", ">&- 2>&- <&-", 0, "", True),
    ],
)
def test_output_that_cannot_be_written_is_one_line_and_a_closed_stream_is_none(
    config: Callable[..., Path], words: str, to: str, status: int, err: str, unbuffered: bool
) -> None:
    config(ALICE, port=free_port())
    ended = shell(f"$TC {words} {to}", unbuffered)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", err)


@pytest.mark.parametrize("to", ["2>&-", "2>/dev/full"])
def test_notes_that_cannot_be_written_are_dropped(config: Callable[..., Path], to: str) -> None:
    config(ALICE, port=free_port())
    ended = shell(f"$TC accounts {to}")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "alice" in ended.stdout


@pytest.mark.parametrize("words", ["help config", "accounts"])
def test_a_closed_pipe_is_no_error(config: Callable[..., Path], words: str) -> None:
    config(ALICE, port=free_port())
    ended = shell(f"{{ $TC {words} 2>/dev/null; echo $? >&2; }} | head -c 1 >/dev/null")
    assert ended.stderr == "0\n"


@pytest.mark.parametrize("to", [">&-", "2>/dev/full", ">&- 2>&- <&-", ">/dev/full 2>/dev/full", "| head -1"])
def test_a_server_works_whatever_happens_to_its_output(
    config: Callable[..., Path], tmp_path: Path, to: str
) -> None:
    port = free_port()
    config(ALICE, port=port)
    script = f"""
        {{ $TC server & echo $! > {tmp_path}/pid; wait $!; echo $? > {tmp_path}/status; }} {to}
    """
    env = {**os.environ, "TC": f"{sys.executable} -m teamclaude"}
    process = subprocess.Popen(["sh", "-c", script], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: answers(port), seconds=60)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        err = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert (tmp_path / "status").read_text() == "0\n"
    assert "Traceback" not in err
    assert "Exception ignored" not in err
