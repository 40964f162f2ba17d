"""Files of earlier versions are moved once, whole, and never under a server that uses them."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teamclaude.accounts.config.config import ProxyConfig
from teamclaude.accounts.config.state_place import STATE_NAMES, state_place
from teamclaude.history.database import open_to_write
from teamclaude.proxy.lifecycle import state_move
from teamclaude.proxy.lifecycle.server_presence import ServerPresence
from teamclaude.proxy.lifecycle.state_move import answers_at, prepare_state_directory
from tests.cli.support import Stub, free_port

NOON = 1_795_428_000.0
FILES = ("state.json", "state.owner", "alerts.json", "server.log")


class OldFiles:
    """A config file at its default place, with what an earlier version has left beside it."""

    def __init__(self, home: Path) -> None:
        self.config = home / ".config" / "teamclaude.json"
        self.directory = home / ".local" / "state" / "teamclaude"
        self.config.parent.mkdir(mode=0o700)
        self.config.write_text("{}")
        self.warnings: list[str] = []
        for name in FILES:
            self.old(name).write_text(name)
        self.old("traffic").mkdir()
        (self.old("traffic") / "20261129-001.jsonl").write_text("traffic")
        self.database = open_to_write(str(self.old("history.db")), pytest.fail, lambda: NOON)
        self.database.execute("REPLACE INTO meta VALUES ('mark', 'history.db')")

    def old(self, name: str) -> Path:
        return self.config.with_name(f"teamclaude.{name}")

    def start(self, in_use: bool = False) -> set[str]:
        """Return the names that are in the directory after the start of a server."""
        prepare_state_directory(self.config, os.environ, lambda: in_use, self.warnings.append)
        return set(os.listdir(self.directory)) if self.directory.exists() else set()

    def contents(self) -> set[str]:
        """What is found where `state_place` says it is."""
        with closing(sqlite3.connect(state_place(self.config, "history.db"))) as database:
            (found,) = database.execute("SELECT value FROM meta WHERE name = 'mark'").fetchone()
        files = {state_place(self.config, name) for name in FILES}
        files |= set(state_place(self.config, "traffic").iterdir())
        return {found, *(file.read_text() for file in files)}


ALL = {"history.db", *FILES, "traffic"}


@pytest.fixture
def files(private_home: Path) -> Iterator[OldFiles]:
    found = OldFiles(private_home)
    yield found
    found.database.close()


def test_everything_is_moved_once(files: OldFiles) -> None:
    files.database.close()
    assert files.start() == ALL == set(STATE_NAMES)
    assert files.contents() == ALL
    assert set(os.listdir(files.config.parent)) == {"teamclaude.json", "teamclaude.json.lock"}
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700
    assert files.start() == ALL
    assert files.warnings == []


def test_what_is_still_in_the_log_of_the_database_comes_along(files: OldFiles) -> None:
    # As a killed server leaves it: the row is in -wal alone.
    for suffix in ("", "-wal"):
        Path(f"{files.old('history.db')}{suffix}.kept").write_bytes(
            Path(f"{files.old('history.db')}{suffix}").read_bytes()
        )
    files.database.close()
    for suffix in ("", "-wal"):
        os.replace(f"{files.old('history.db')}{suffix}.kept", f"{files.old('history.db')}{suffix}")
    assert files.start() == ALL
    assert files.contents() == ALL


def test_nothing_moves_while_a_server_has_the_history_open(files: OldFiles) -> None:
    assert files.start() == set()
    files.database.execute("REPLACE INTO meta VALUES ('later', 'x')")
    assert files.contents() == ALL
    assert state_place(files.config, "history.db") == files.old("history.db")
    files.old("alerts.json").unlink()
    assert state_place(files.config, "alerts.json") == files.old("alerts.json"), "not into the directory yet"
    files.old("alerts.json").write_text("alerts.json")
    files.database.close()
    assert files.start() == ALL, "the next start moves it"


def test_nothing_moves_while_a_server_answers_or_has_said_that_it_runs(files: OldFiles) -> None:
    files.database.close()
    assert files.start(in_use=True) == set()
    presence = ServerPresence(files.config)
    presence.begin(1)
    assert files.start() == set()
    presence.end()
    assert files.start() == ALL


@pytest.mark.parametrize("renames", range(len(STATE_NAMES)))
def test_after_a_crash_at_any_step_all_is_found(
    files: OldFiles, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    files.database.close()
    done: list[str] = []
    rename = os.rename

    def crash(old: Path, new: Path) -> None:
        if len(done) == renames:
            raise OSError(30, "Read-only file system")
        done.append(new.name)
        rename(old, new)

    monkeypatch.setattr(os, "rename", crash)
    assert files.start() == set(done)
    assert files.contents() == ALL
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(files.config.parent.parent))
    assert files.start() == ALL
    assert files.contents() == ALL


def test_what_is_at_both_places_is_told_and_stays(files: OldFiles) -> None:
    files.database.close()
    files.directory.mkdir(parents=True)
    (files.directory / "state.json").write_text("new")
    assert files.start() == ALL
    assert files.old("state.json").read_text() == "state.json"
    assert state_place(files.config, "state.json").read_text() == "new"
    (line,) = files.warnings
    assert line == (
        f"{files.old('state.json')} is not used: {files.directory / 'state.json'} is; "
        "delete one of them while no server runs"
    )


def test_a_symbolic_link_stays(files: OldFiles, tmp_path: Path) -> None:
    files.database.close()
    os.rename(files.old("traffic"), tmp_path / "big")
    files.old("traffic").symlink_to(tmp_path / "big")
    assert files.start() == ALL - {"traffic"}
    assert files.contents() == ALL


def test_what_is_on_another_file_system_stays(files: OldFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.database.close()

    def crosses(old: Path, new: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", crosses)
    assert files.start() == set()
    assert files.contents() == ALL


@pytest.mark.parametrize("content", [b"no database, but long enough to be read as one" * 9, b""])
def test_a_damaged_history_is_left_to_the_server(files: OldFiles, content: bytes) -> None:
    files.database.close()
    files.old("history.db").write_bytes(content)
    assert files.start() == set()
    assert files.old("history.db").read_bytes() == content


def test_another_config_file_keeps_its_own_beside_it(
    files: OldFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.database.close()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(files.config.parent.parent))
    assert files.start() == set()
    assert files.contents() == ALL


def test_a_server_at_the_port_is_seen(private_home: Path) -> None:
    stub = Stub()
    try:
        assert answers_at(ProxyConfig(port=stub.port))
    finally:
        stub.stop()
    assert not answers_at(ProxyConfig(port=free_port()))


def test_a_socket_that_nobody_answers_at_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_move, "ANSWER_SEC", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        assert not answers_at(ProxyConfig(port=waiting.getsockname()[1]))


def test_a_program_that_closes_the_connection_is_one(private_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            other.accept()[0].close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert answers_at(ProxyConfig(port=other.getsockname()[1]))
        thread.join(30)
