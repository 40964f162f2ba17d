"""`teamclaude login` as a process of its own: on a terminal, with a real browser command, and interrupted."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.cli.support import accounts_in
from tests.fakeapi.authserver import PROFILE_PATH, AuthServer

pty = pytest.importorskip("pty")
pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 15.0
# Ctrl-C goes to the group that has the terminal, and /dev/tty is it.
OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A command on a terminal of its own: what it showed, and a keyboard."""

    def __init__(self, *words: str, **env: str) -> None:
        self._screen, there = pty.openpty()
        self.shown = ""
        self.child = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, sys.executable, "-m", "teamclaude", *words],
            cwd=ROOT,
            stdin=there,
            stdout=there,
            stderr=there,
            env={**os.environ, "TERM": "dumb", "BROWSER": "true %s", **env},
            start_new_session=True,
        )
        os.close(there)

    def see(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = re.search(pattern, self.shown)
            if found:
                return found
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.shown!r}"
            assert self._more(), f"no {pattern!r} in {self.shown!r}"

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def press_ctrl_c(self) -> None:
        """As often as needed: one that comes just before a read begins does not interrupt that read."""
        for _ in range(20):
            self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(1)
                return

    def end(self) -> int:
        """The exit status, once it has ended by itself."""
        while self._more():
            pass
        return self.child.wait(PATIENCE_S)

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self._screen)

    def _more(self) -> bool:
        if not select.select([self._screen], [], [], PATIENCE_S)[0]:
            return False
        data = b""
        with contextlib.suppress(OSError):  # Linux: the other end is closed
            data = os.read(self._screen, 65536)
        self.shown += data.decode()
        return bool(data)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*words: str, **env: str) -> Terminal:
        opened.append(Terminal(*words, **env))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def address(screen: Terminal) -> str:
    return screen.see(r"(http://127\S+/oauth/authorize\?\S+)\r?\n")[1]


def test_a_code_is_pasted_on_the_terminal(terminal: Any, auth: AuthServer, file: Path) -> None:
    screen = terminal("login", "--no-browser", "--name", "work")
    url = address(screen)
    with urllib.request.urlopen(url, timeout=30) as answer:
        code = answer.read().decode().strip()
    screen.see("Paste all of it here")
    screen.type("oops\n")
    screen.see("that is not a login code")
    screen.type(code + "\n")
    assert screen.end() == 0, screen.shown
    assert r"work (Max 20x) is added" in screen.shown
    assert "sk-ant" not in screen.shown
    assert auth.accepts(accounts_in(file)["work"]["accessToken"])


@pytest.mark.parametrize(
    "words", [("login",), ("login", "--no-browser"), ("login", "--api"), ("login", "--token")]
)
def test_ctrl_c(terminal: Any, file: Path, words: tuple[str, ...]) -> None:
    before = file.read_text()
    screen = terminal(*words)
    screen.see("Waiting for the login|Paste |API key")
    screen.press_ctrl_c()
    assert screen.end() == 130
    assert "Traceback" not in screen.shown
    assert "rror" not in screen.shown
    assert file.read_text() == before


def test_a_key_is_not_echoed(terminal: Any, file: Path) -> None:
    screen = terminal("login", "--api")
    screen.see(r"API key \(it is not shown\): ")
    screen.type("sk-ant-api03-FAKE-typed\n")
    assert screen.end() == 0
    assert "api-1 (API key) is added" in screen.shown
    assert "FAKE" not in screen.shown
    assert accounts_in(file)["api-1"]["apiKey"] == "sk-ant-api03-FAKE-typed"


TOKEN = "sk-ant-oat01-" + ("FAKEfake0123456789-_" * 5)[:86] + "-FAKEAA"


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f" {TOKEN[:79]}\n {TOKEN[79:]}",
        f"Your OAuth token (valid for 1 year):\n\n {TOKEN[:79]}\n {TOKEN[79:]}\n\n Store this.",
        f"wrong\x15export CLAUDE_CODE_OAUTH_TOKEN={TOKEN}x\x7f",
    ],
    ids=["one line", "two lines", "the whole screen", "with corrections"],
)
def test_a_wrapped_token_is_pasted_without_echo(
    terminal: Any, auth: AuthServer, file: Path, pasted: str
) -> None:
    auth.script.always(Fault.status(403), path=PROFILE_PATH)
    screen = terminal("login", "--token", "--name", "ci")
    screen.see(r"Paste what claude setup-token printed \(it is not shown\), then press Enter: ")
    screen.type(pasted + "\n")
    assert screen.end() == 0, screen.shown
    assert "ci is added" in screen.shown
    assert "FAKE" not in screen.shown
    assert "Store" not in screen.shown
    assert accounts_in(file)["ci"]["accessToken"] == TOKEN


@pytest.mark.parametrize("typed", ["\x04", "\n"])
def test_no_token_is_typed(terminal: Any, auth: AuthServer, file: Path, typed: str) -> None:
    screen = terminal("login", "--token")
    screen.see("then press Enter: ")
    screen.type(typed)
    assert screen.end() == 1
    assert "no token was given" in screen.shown


# --- without a terminal -------------------------------------------------------------------------------


def start(*words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "teamclaude", *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )


def test_a_real_browser_command_is_started(auth: AuthServer, file: Path, tmp_path: Path) -> None:
    script = tmp_path / "browser.py"
    script.write_text("import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=30).read()")
    child = start("login", BROWSER=f"{sys.executable} {script} %s")
    out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, err
    assert "ann@example.com (Max 20x) is added" in err
    assert out.count("\n") == 1
    assert auth.accepts(accounts_in(file)["ann@example.com"]["accessToken"])


def test_a_missing_browser_is_reported_and_sigint_ends_the_login(file: Path) -> None:
    before = file.read_text()
    child = start("login", DISPLAY="", WAYLAND_DISPLAY="", BROWSER=f"{sys.executable} -c exit(3) %s")
    assert child.stdout is not None
    port = urlsplit(parse_qs(urlsplit(child.stdout.readline()).query)["redirect_uri"][0]).port
    assert port is not None
    socket.create_connection(("127.0.0.1", port), timeout=30).close()
    assert child.stderr is not None
    seen = ""
    while "no browser could be started" not in seen or "Waiting" not in seen:
        seen += child.stderr.readline()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 130
    assert err == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    assert file.read_text() == before
