"""The recipe of the page on containers, carried out: its files, its user, its commands, and nothing else.

There is no container here: the image is a directory, and what the page writes to / goes there.  The process
has the environment that the page gives it, and where tests run as root, another user.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from make_zipapp import zipapp_bytes

from teamclaude.manual import page
from tests.cli.support import free_port
from tests.packing.bytecode import with_bytecode
from tests.waiting import until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(os.name == "nt", reason="containers are Linux"),
]
PAGE = page("container")
NOBODY = 65534
LOGIN = {"claudeAiOauth": {"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE"}}


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the page: (FROM, python:3-slim), ..."""
    block = PAGE[PAGE.index("    FROM ") :].partition("\n\n")[0]
    joined = re.sub(r"\\\n", "", block)
    return [(words[0], words[1]) for line in joined.splitlines() if (words := line.split(None, 1))]


def another_user() -> dict[str, Any]:
    """Return how a process is started as another user, where it may, and can reach this interpreter."""
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        subprocess.run([sys.executable, "-c", ""], cwd="/", check=True, timeout=30, **user)
    except (OSError, subprocess.SubprocessError):
        return {}
    return user


class Container:
    """A container made after the page; `port` stands for 3456."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="teamclaude-"))  # pytest's own are closed to other users
        self.root.chmod(0o755)
        self.port = free_port()
        self.steps = dockerfile()
        self.user = another_user()
        self.env = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self.root / "home")}
        for name, words in self.steps:
            if name == "ENV":
                key, _, value = words.partition("=")
                self.env[key] = self.here(value)
        (self.root / "app").mkdir()
        (self.root / "app" / "teamclaude.pyz").write_bytes(with_bytecode(zipapp_bytes()))
        (self.root / "data").mkdir(mode=0o700)
        if self.user:
            os.chown(self.root / "data", NOBODY, NOBODY)

    def here(self, text: str) -> str:
        """Return a text of the page for this place and port."""
        moved = re.sub(r"(?<![\w.])/(app|data)\b", lambda found: f"{self.root}/{found[1]}", text)
        return moved.replace("3456", str(self.port))

    def command(self, name: str) -> list[str]:
        """Return the words of the last instruction of a kind."""
        words = [text for kind, text in self.steps if kind == name][-1].removeprefix("CMD ").strip()
        text = self.here(words)
        found: list[str] = json.loads(text) if text.startswith("[") else ["sh", "-c", text]
        return found

    def start(self) -> subprocess.Popen[str]:
        """Start what the container runs."""
        return subprocess.Popen(
            self.command("CMD"),
            cwd="/",
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **self.user,
        )

    def run(self, words: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in it, as `docker exec` does."""
        return subprocess.run(
            words,
            cwd="/",
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            **self.user,
        )

    def ready(self) -> int:
        """Return the status of /health/ready under the name of the service; 0: nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/health/ready", headers={"Host": "teamclaude:3456"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture
def container() -> Iterator[Container]:
    made = Container()
    yield made
    shutil.rmtree(made.root)


def exec_words(action: str) -> list[str]:
    """Return the words that the page runs in the container with `docker exec`, for a command of ours."""
    text = PAGE.replace("\\\n", " ")
    line = next(
        line
        for line in text.splitlines()
        if "docker exec" in line and f".pyz {action}" in " ".join(line.split())
    )
    words = shlex.split(line)
    words = words[: words.index("<")] if "<" in words else words
    return words[words.index("python3") :]


def test_the_recipe(container: Container) -> None:
    server = container.start()
    try:
        until(lambda: container.ready() == 503)
        assert container.run(container.command("HEALTHCHECK")).returncode == 0

        words = [container.here(word) for word in exec_words("import")]
        added = container.run(words, json.dumps(LOGIN))
        assert added.returncode == 0, added.stderr
        until(lambda: container.ready() == 200)

        restarted = container.run(
            [*map(container.here, exec_words("restart")), "--port", str(container.port)]
        )
        assert restarted.returncode == 0, restarted.stderr
        assert container.ready() == 200
        assert server.poll() is None  # a container ends with its first process

        shown = container.run([container.here(word) for word in exec_words("env")]).stdout
        key = re.search(r"ANTHROPIC_AUTH_TOKEN='?(tc-[\w-]+)", shown)
        assert key
        connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=60)
        connection.request(
            "GET", "/teamclaude/status", headers={"Host": "teamclaude", "x-teamclaude-key": key[1]}
        )
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        server.send_signal(signal.SIGTERM)
        said = server.communicate(timeout=60)[0]
    assert server.returncode == 0
    assert "Traceback" not in said
    # Everything that must outlive the container is in the volume.
    assert not (container.root / "home").exists()
    data = container.root / "data"
    assert {"teamclaude.json", "teamclaude.state.json"} <= {file.name for file in data.iterdir()}
    assert all(file.stat().st_mode & 0o77 == 0 for file in data.iterdir())

    again = container.start()  # a new image with the old volume
    try:
        until(lambda: container.ready() == 200)
    finally:
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=60)


def test_the_page_runs_as_a_user_of_its_own_and_keeps_one_volume() -> None:
    steps = dockerfile()
    assert ("USER", "teamclaude") in steps
    assert [words for name, words in steps if name == "VOLUME"] == ["/data"]
    assert exec_words("login")[-2:] == ["login", "--no-browser"]
    stop = re.search(r"--stop-timeout (\d+)", PAGE)
    grace = re.search(r"stop_grace_period: (\d+)s", PAGE)
    assert stop
    assert grace
    assert stop[1] == grace[1] == "90"
