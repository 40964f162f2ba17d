"""Two servers with one config file are told of each other; what ended ones left tells of nobody."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.proxy.lifecycle.server_presence import (
    GONE_SEC,
    RESTART_SEC,
    OtherServer,
    ServerPresence,
    machine_id,
    other_servers,
    presence_directory,
    warning_of,
)
from teamclaude.proxy.server import ProxyServer

Build = Callable[..., Any]
posix = pytest.mark.skipif(sys.platform == "win32", reason="locked files can't be read there")


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "teamclaude.json"


@pytest.fixture
def present(config: Path) -> Any:
    made: list[ServerPresence] = []

    def make(port: int, time: Callable[[], float] = lambda: 0.0) -> ServerPresence:
        made.append(ServerPresence(config, lambda: 1_800_000_000.0, time))
        made[-1].begin(port)
        return made[-1]

    yield make
    for each in made:
        each.end()


def files(config: Path) -> list[Path]:
    return sorted(presence_directory(config).glob("*.json"))


def left_behind(config: Path, age: float = 0.0, **changes: Any) -> Path:
    """A file that no process has locked, as of another machine unless it is said otherwise."""
    directory = presence_directory(config)
    directory.mkdir(exist_ok=True)
    path = directory / f"{len(files(config)):016x}.json"
    row = {"id": "x", "pid": 7, "host": "box", "machine": "other", "port": 3456, "started": 5.0}
    path.write_text(json.dumps({**row, **changes}))
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))
    return path


@posix
def test_each_server_is_told_of_the_other_once(present: Any) -> None:
    time = Time()
    first, second = present(3456, time), present(3457, time)
    (other,) = second.look()
    assert (other.port, other.pid, other.machine) == (3456, os.getpid(), machine_id())
    (other,) = first.look()
    assert other.port == 3457
    time.now += 20
    assert first.look() == second.look() == []
    assert [each.port for each in first.others] == [3457], "status goes on to tell of it"
    second.end()
    time.now += 20
    assert (first.look(), first.others) == ([], ())


@posix
def test_a_restart_is_no_second_server(present: Any) -> None:
    time = Time()
    old, new = present(3456, time), present(3456, time)
    assert new.look() == old.look() == []
    old.ending()
    time.now += RESTART_SEC + 20
    assert new.look() == [], "it drains for long"
    present(3456, time)
    for told in (0, 1):  # a third one that does not end
        time.now += RESTART_SEC + 20
        assert len(new.look()) == told


@posix
def test_what_a_killed_server_left_is_removed(present: Any, config: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from teamclaude.proxy.lifecycle.server_presence import ServerPresence\n"
        "ServerPresence(Path(sys.argv[1])).begin(3999); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(config)], check=False)
    assert len(files(config)) == 1
    mine = present(3456)
    assert mine.look() == []
    assert len(files(config)) == 1


def test_a_file_of_another_machine_counts_as_long_as_it_is_touched(present: Any, config: Path) -> None:
    path = left_behind(config, age=GONE_SEC - 30, locked=True)
    assert [each.host for each in present(3456).look()] == ["box"]
    left_behind(config, age=GONE_SEC + 30)
    assert [each.id for each in present(3457).others] == []
    assert path.exists()


@posix
def test_after_a_crash_of_the_machine_the_server_before_it_is_no_other_one(
    present: Any, config: Path
) -> None:
    """Up again within GONE_SEC: its file is young, and its lock was one of another boot."""
    time = Time()
    left_behind(config, host=socket.gethostname(), port=3456, locked=True, machine="the boot before")
    mine, beside = present(3456, time), present(3457, time)
    assert [each.port for each in mine.look()] == [3457]
    assert sorted(each.port for each in beside.look()) == [3456, 3456], (
        "on another port it may be a container"
    )
    time.now += RESTART_SEC + 20
    assert [each.machine for each in mine.look()] == ["the boot before"], "it is touched: it runs"


def test_what_was_left_by_a_clock_that_was_wrong_tells_of_nobody(present: Any, config: Path) -> None:
    left_behind(config, port=4000, age=-GONE_SEC + 30)
    left_behind(config, port=4001, age=-GONE_SEC - 30)
    gone = left_behind(config, port=4002, age=-400 * 86400)
    assert [each.port for each in present(3456).look()] == [4000]
    assert not gone.exists()


@posix
def test_a_pipe_in_the_directory_stops_nobody(present: Any, config: Path) -> None:
    first = present(3456)
    os.mkfifo(presence_directory(config) / "pipe.json")
    looked = threading.Thread(target=first.look, daemon=True)
    looked.start()
    looked.join(30)
    assert not looked.is_alive()


def test_one_without_a_lock_on_this_machine_counts_by_its_age(present: Any, config: Path) -> None:
    left_behind(config, machine=machine_id(), locked=False, port=4000)
    left_behind(config, machine=machine_id(), locked=False, port=4001, age=GONE_SEC + 30)
    assert [each.port for each in present(3456).look()] == [4000]


def test_a_file_of_last_month_is_removed(present: Any, config: Path) -> None:
    path = left_behind(config, age=30 * 86400)
    assert present(3456).look() == []
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", "null", "[" * 5000, '{"pid": 1}'),
        '{"pid": "x", "host": 1, "machine": [], "port": 1e999, "started": 0}',
        '{"pid": 1, "host": "h", "machine": "m", "port": 1, "started": NaN}',
    ],
)
def test_a_file_that_is_none_tells_of_nobody_and_harms_nobody(
    present: Any, config: Path, content: str
) -> None:
    path = left_behind(config)
    path.write_text(content)
    for other in present(3456).look():
        assert str(other)


def test_a_name_is_shown_as_one_printable_line(config: Path) -> None:
    other = OtherServer("x", 1, "a\x1b[31m\nb", "m", 3456, 1e300)
    assert str(other) == "pid 1 on port 3456 of a [31m b"
    assert warning_of(other).isprintable()


def test_a_directory_that_can_t_be_made_keeps_nobody_from_starting(config: Path) -> None:
    presence_directory(config).write_text("a file")
    mine = ServerPresence(config)
    mine.begin(3456)
    assert mine.look() == []
    mine.ending()
    mine.end()


@posix
def test_a_file_that_somebody_removed_is_written_again(present: Any, config: Path) -> None:
    time = Time()
    mine = present(3456, time)
    mine.look()
    shutil.rmtree(presence_directory(config))
    time.now += 20
    mine.look()
    assert [each.port for each in present(3457).look()] == [3456]


@posix
def test_symlinks_to_one_config_file_share_it(present: Any, config: Path, tmp_path: Path) -> None:
    config.write_text("{}")
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "link.json"
    link.symlink_to(config)
    present(3456)
    assert [each.port for each in other_servers(presence_directory(link))] == [3456]
    assert not list(presence_directory(config).glob("*.look"))


@posix
def test_two_real_servers_say_it_in_their_log_and_status(stage: Build) -> None:
    s = stage("a")
    assert s.status()["system"]["otherServers"] == []
    warnings: list[str] = []
    second = ProxyServer(ConfigFile(s.path, warnings.append), port=0, warn=warnings.append)
    second.start()
    try:
        (line,) = [each for each in warnings if "another server" in each]
        assert f"on port {s.service.port} of " in line
        (shown,) = second.snapshot().system.other_servers
        assert shown in line
    finally:
        second.stop(0)
    assert len(files(s.path)) == 1
    s.service.stop(0)
    assert files(s.path) == []


@posix
def test_a_look_that_must_change_nothing(present: Any, config: Path) -> None:
    running = present(3456)
    present(3457)
    directory = presence_directory(config)
    left = directory / "0000000000000000.json"
    shutil.copy(files(config)[0], left)  # of a server that has ended: nobody has it locked
    before = {each.name: each.stat().st_mtime_ns for each in directory.iterdir()}
    assert sorted(each.port for each in other_servers(directory, tidy=False)) == [3456, 3457]
    assert {each.name: each.stat().st_mtime_ns for each in directory.iterdir()} == before
    assert sorted(each.port for each in other_servers(directory)) == [3456, 3457]
    assert not left.exists()
    assert running.others == ()
