"""`teamclaude server` and `run --auto`, with the real proxy in a process of its own."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from teamclaude.cli.commands.client.run import log_path
from teamclaude.cli.commands.server import server as server_module
from teamclaude.cli.server_log.lines import Told, text_line
from teamclaude.proxy.records.notices import Notice
from tests.cli.commands.server.running import Server
from tests.cli.support import ALICE, KEY, PAID, Ended, free_port

NOON = 1_795_435_200.0
ROOT = Path(__file__).resolve().parents[4]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="servers are ended with signals")


def test_a_server_from_start_to_end(config: Callable[..., Path], servers: list[Server]) -> None:
    file = config(ALICE, {**PAID, "disabled": True}, port=free_port())
    port = free_port()
    server = Server("--port", str(port), "--host", "127.0.0.1")
    servers.append(server)
    first, accounts, where, how, or_so = server.banner()
    assert re.fullmatch(rf"TeamClaude \S+ on http://127\.0\.0\.1:{port}", first)
    assert accounts == "2 accounts: alice@example.com, paid (disabled)"
    assert where == f"config: {file}"
    assert how.endswith(f"teamclaude run --port {port}")
    assert f"env --port {port}" in or_so

    headers = {"x-teamclaude-key": KEY}
    url = f"http://127.0.0.1:{port}"
    request = urllib.request.Request(f"{url}/v1/nonsense", headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(request, timeout=30)
    refused.value.close()
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /v1/nonsense 404 \(refused\) .*", server.out())

    config({**ALICE, "name": "renamed"}, port=port)
    server.process.send_signal(signal.SIGHUP)
    assert "config read again" in server.err()
    assert server.end() == 0


def test_a_log_in_json_has_nothing_else_and_a_log_file_leaves_the_banner(
    config: Callable[..., Path], servers: list[Server], tmp_path: Path
) -> None:
    config(ALICE, port=free_port())
    servers.append(Server("--log-format", "json"))
    started = json.loads(servers[0].out())
    assert (started["type"], started["kind"]) == ("notice", "SERVER")
    assert started["text"].startswith("started on http://")
    assert servers[0].end() == 0

    path = tmp_path / "logs" / "server.log"
    servers.append(Server("--log-file", str(path), "--log-format", "json"))
    assert servers[1].banner()[0].startswith("TeamClaude")
    assert servers[1].end() == 0
    written = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert [line["text"] for line in written if line.get("kind") == "SERVER"][-1] == "stopped"


def test_a_log_file_that_cannot_be_written_is_one_line(
    config: Callable[..., Path], cli: Callable[..., Ended], tmp_path: Path
) -> None:
    config(ALICE, port=0)
    ended = cli("server", "--log-file", str(tmp_path))
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == f"teamclaude: can't write the log file {tmp_path}: it is not a regular file\n"


def test_a_server_does_not_use_itself_as_its_proxy(
    config: Callable[..., Path], servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    config(ALICE, port=port)
    monkeypatch.setenv("HTTPS_PROXY", f"http://teamclaude:{KEY}@127.0.0.1:{port}")
    servers.append(Server())
    assert "HTTPS_PROXY leads to this proxy itself and is not used" in servers[0].err()
    assert servers[0].banner()[0].endswith(f":{port}")
    assert servers[0].end() == 0


def test_the_hint_is_short_on_the_configured_port(config: Callable[..., Path], servers: list[Server]) -> None:
    config(ALICE, port=free_port())
    servers.append(Server())
    assert servers[0].banner()[3] == "run Claude Code through it: teamclaude run"
    assert servers[0].end() == 0


def test_a_line_about_an_account_has_its_time_and_fits_a_stream_of_any_encoding() -> None:
    limit = Notice("LIMIT", "zoë", "the 5h window is full")
    plain = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    poor = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    clock = time.strftime("%H:%M:%S", time.localtime(NOON))
    assert text_line(plain)(Told(limit, NOON)) == f"{clock} LIMIT zoë: the 5h window is full"
    assert text_line(poor)(Told(limit, NOON)) == f"{clock} LIMIT zo?: the 5h window is full"


COLLECTING = """
import gc, os
from teamclaude.cli import main
from teamclaude.cli.commands.server import server
def instead(service, say, begin, succession):
    begin()
    service.stop(0)
    rests = gc.get_freeze_count() > 10_000 and gc.get_threshold()[0] == 10_000
    os._exit(0 if rests else 7)
server.serve_until_stopped = instead
raise SystemExit(main(["server", "--headless"]))
"""


@pytest.mark.skipif(not hasattr(gc, "freeze"), reason="collects in another way")
def test_the_heap_is_frozen_after_loading(config: Callable[..., Path]) -> None:
    config(ALICE, port=0)
    ended = subprocess.run(
        [sys.executable, "-c", COLLECTING], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert ended.returncode == 0, ended.stderr


def test_no_account_says_how_to_add_one(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    file = config()
    ended = cli("server")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith(f"teamclaude: {file} has no accounts yet")
    # What is told is true: these are commands.
    told = [line.split() for line in ended.err.splitlines() if line.startswith("  teamclaude ")]
    assert [words[1] for words in told] == ["login", "import", "login"]
    assert all(cli(words[1], "--help").status == 0 for words in told)


def test_a_port_in_use(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config(ALICE, port=port, host="127.0.0.1")
        ended = cli("server")
    assert (ended.status, ended.out) == (1, "")
    assert f"127.0.0.1:{port} is in use" in ended.err
    assert ended.err.count("\n") == 1


# --- run --auto ---------------------------------------------------------------------------------------


@pytest.fixture
def claude(private_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = private_home / "bin" / "claude"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "claude at $ANTHROPIC_BASE_URL"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def run_auto(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "teamclaude", "run", "--auto"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_auto_starts_a_server_that_stays(config: Callable[..., Path], claude: None, tmp_path: Path) -> None:
    port = free_port()
    file = config(ALICE, port=port)
    first = run_auto(tmp_path)
    pid = int(re.findall(r"kill (\d+)", first.stderr)[0])
    try:
        assert first.stdout == f"claude at http://127.0.0.1:{port}\n"
        assert first.returncode == 0
        log = log_path(file)
        assert str(log) in first.stderr
        assert log.stat().st_mode & 0o077 == 0
        deadline = time.monotonic() + 60
        while not log.read_text() and time.monotonic() < deadline:  # it answers before it has said so
            time.sleep(0.01)
        assert log.read_text().startswith("TeamClaude ")
        assert os.getsid(pid) == pid  # its own session: it outlives the terminal
        second = run_auto(tmp_path)
        assert second.stdout == first.stdout
        assert second.stderr == ""
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="no lock there: it would keep the server from writing its log")
def test_of_several_at_once_one_starts_the_server(
    config: Callable[..., Path], claude: None, tmp_path: Path
) -> None:
    port = free_port()
    file = config(ALICE, port=port)
    with ThreadPoolExecutor(3) as workers:
        ended = list(workers.map(run_auto, [tmp_path] * 3))
    pids = [int(pid) for each in ended for pid in re.findall(r"kill (\d+)", each.stderr)]
    try:
        assert [each.stdout for each in ended] == [f"claude at http://127.0.0.1:{port}\n"] * 3
        assert len(pids) == 1
        assert os.getsid(pids[0]) == pids[0]
        assert "is in use" not in log_path(file).read_text()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def test_auto_says_why_a_server_did_not_start(
    config: Callable[..., Path], claude: None, cli: Callable[..., Ended]
) -> None:
    file = config(port=free_port())
    ended = cli("run", "--auto")
    assert ended.status == 1
    assert f"the server did not start: {file} has no accounts yet" in ended.err.splitlines()[-1]


class BrokenDeck:
    def show(self, *_: object) -> None:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("open_terminal", [True, False])
def test_a_deck_that_breaks_with_its_terminal_has_been_left(
    monkeypatch: pytest.MonkeyPatch, open_terminal: bool
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: open_terminal)
    said: list[str] = []
    parts: tuple[Any, ...] = (BrokenDeck(), None, SimpleNamespace(runtime=None), None, said.append)
    assert server_module._show_deck(*parts) is not open_terminal
    assert len(said) == open_terminal
