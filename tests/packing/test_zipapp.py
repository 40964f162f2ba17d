"""Commands from `teamclaude.pyz`, in an empty HOME."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude import __version__
from teamclaude.manual import page, topics
from tests.cli.support import KEY, PAID, free_port
from tests.waiting import until

Pyz = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.processes
posix = pytest.mark.skipif(os.name == "nt", reason="programs are shell scripts")


def configure(home: Path, *accounts: dict[str, Any]) -> int:
    """Write the config file; return its port."""
    port = free_port()
    file = home / ".config" / "teamclaude.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(json.dumps({"proxy": {"port": port, "apiKey": KEY}, "accounts": accounts}))
    file.chmod(0o600)
    return port


def test_it_says_its_version_and_runs_as_a_program(built: bytes, archive: Path, pyz: Pyz) -> None:
    archive.write_bytes(built)  # as it is handed out
    assert pyz("--version").stdout == f"teamclaude {__version__}\n"
    if os.name == "posix":
        done = subprocess.run([archive, "--version"], capture_output=True, text=True, timeout=60)
        assert done.stdout == f"teamclaude {__version__}\n"


@posix
def test_threads_that_load_the_same_module_wait_for_each_other(archive: Path, tmp_path: Path) -> None:
    # Python 3.9 marks no module of an archive as being loaded: another thread got the half of it.
    slow = "import shared\nshared.begun.set()\nshared.go_on.wait(20)\nvalue = 1\n"
    with zipfile.ZipFile(tmp_path / "slow.zip", "w") as made:
        made.writestr("slow.py", slow)
    (tmp_path / "shared.py").write_text(
        "import threading\nbegun, go_on, asked = (threading.Event() for _ in range(3))\n"
    )
    program = f"""
import runpy, sys, threading
sys.path[:0] = [{str(tmp_path)!r}, {str(tmp_path / "slow.zip")!r}]
sys.argv = ["teamclaude", "--version"]
try:
    runpy.run_path({str(archive)!r}, run_name="__main__")
except SystemExit:
    pass
import shared
found = []
def load():
    shared.asked.set()
    try:
        from slow import value
        found.append(value)
    except ImportError as error:
        found.append(error)
first = threading.Thread(target=load)
first.start()
shared.begun.wait(20)
shared.asked.clear()
second = threading.Thread(target=load)
second.start()
shared.asked.wait(20)
second.join(0.2)  # without a lock it ends at once
shared.go_on.set()
first.join()
second.join()
print(found)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[1:] == ["[1, 1]"], done.stderr


def test_exit_statuses_are_kept(pyz: Pyz) -> None:
    assert pyz("status", "--nonsense").returncode == 2
    ended = pyz("accounts")
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("teamclaude: ")


def test_the_manual_is_in_it(pyz: Pyz) -> None:
    for topic in ("metrics-rules",):
        assert pyz("help", topic).stdout.startswith(page(topic).splitlines()[0])
    assert set(topics()) <= set(pyz("help").stdout.replace(",", " ").split())


def test_the_lab_and_the_demo_run(pyz: Pyz) -> None:
    ended = pyz("demo", "--headless", "--seconds", "1", "--sessions", "2")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "fake sessions (2)" in ended.stdout


def test_an_account_is_imported_from_stdin(pyz: Pyz) -> None:
    login = {"claudeAiOauth": {"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE"}}
    ended = pyz("import", "--json", "-", "--name", "ann", stdin=json.dumps(login))
    assert ended.returncode == 0, ended.stderr
    assert "ann" in pyz("accounts").stdout


@posix
def test_the_status_line_that_it_sets_is_the_archive(archive: Path, home: Path, pyz: Pyz) -> None:
    assert pyz("statusline", "--install").returncode == 0
    setting = json.loads((home / ".claude" / "settings.json").read_text())["statusLine"]
    assert str(archive) in shlex.split(setting["command"])
    done = subprocess.run(
        ["sh", "-c", setting["command"]],
        input=json.dumps({"session_id": "s"}),
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_what_starts_it_again_names_the_archive(archive: Path, home: Path, pyz: Pyz) -> None:
    configure(home, PAID)
    units = pyz("service", "print", "--systemd").stdout
    assert "ExecStart=:" in units  # its path has a dollar sign
    assert str(archive).replace("%", "%%") in units
    assert pyz("setup").returncode == 0
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert json.loads(pyz("mcp", stdin=json.dumps(hello) + "\n").stdout)["id"] == 1


def get(port: int, path: str, accept: str = "*/*") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"x-teamclaude-key": KEY, "Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@posix
def test_a_server_that_run_starts_goes_on_when_the_archive_is_replaced(
    archive: Path, home: Path, pyz: Pyz
) -> None:
    port = configure(home, PAID)
    claude = home / "claude"
    claude.write_text("#!/bin/sh\necho base: $ANTHROPIC_BASE_URL\nexit 7\n")
    claude.chmod(claude.stat().st_mode | stat.S_IXUSR)
    told = {"NOTIFY_SOCKET": "/of/the/caller", "LISTEN_FDS": "1", "WATCHDOG_USEC": "1"}
    ended = pyz("run", "--auto", "-p", "hello", PATH=f"{home}:/usr/bin:/bin", **told)
    assert (ended.returncode, ended.stdout) == (7, f"base: http://127.0.0.1:{port}\n")
    pid = int(ended.stderr.partition("kill ")[2].partition(" ")[0])
    try:
        if os.path.exists("/proc/self/environ"):  # what a service manager told the caller is not the server's
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert not [name for name in told if name.encode() in environment]
        archive.write_bytes(b"another version")
        for path in ("/teamclaude/status", "/metrics", "/teamclaude/deck", "/"):
            assert get(port, path)[0] == 200, path
        until(lambda: get(port, "/teamclaude/usage")[0] == 200)  # the history is opened in the background
        assert b"</html>" in get(port, "/", "text/html")[1]
    finally:
        os.kill(pid, signal.SIGTERM)
    log = Path(ended.stderr.partition("(log: ")[2].partition(")")[0])
    until(lambda: not is_running(pid))
    assert "internal error" not in log.read_text()
    assert "Traceback" not in log.read_text()


@posix
def test_a_server_needs_nothing_of_its_archive_once_it_answers(
    archive: Path, home: Path, tmp_path: Path
) -> None:
    configure(home, PAID)
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(archive)!r})
sys.argv = ["teamclaude", "server", "--headless"]
from teamclaude.cli import main
from teamclaude.cli.server_log.outputs import ServerLog
from teamclaude.proxy.server import ProxyServer

def start(self, begin=ProxyServer.start):
    with open({str(archive)!r}, "wb") as file:
        file.write(b"another version")
    begin(self)

def banner(self, text, shown=ServerLog.banner):
    shown(self, text)
    os.kill(os.getpid(), signal.SIGTERM)

ProxyServer.start = start
ServerLog.banner = banner
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr
    assert "1 account: paid" in done.stdout


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_found_again_as_a_module(archive: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "teamclaude", "--version"],
        env={"PYTHONPATH": str(archive), "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"teamclaude {__version__}\n"
