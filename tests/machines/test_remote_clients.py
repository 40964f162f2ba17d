"""One server, clients on other machines: the steps of the page `machines`, each as it stands there.

The server is a process of its own on 127.0.0.2 with TLS; a client is a shell with an empty home directory and
the variables of the page.  What stands for claude sends one message, with what its environment says alone.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from tests.bench.servers import free_port
from tests.cli.support import Ended
from tests.machines.recipe import block, replaced
from tests.machines.servers import until
from tests.proxy.conftest import TOKEN, account_json

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = '"proxy": {"host": "10.0.0.11", "port": 3456,'
EXPORTS = "export TEAMCLAUDE_URL=https://10.0.0.11:3456"
KEYS = {"bob": "tc-a-long-random-key", "wall": "tc-another-one", "me": "tc-FAKE-the-operators"}
MESSAGE = '{"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}'

CLAUDE = f"""#!{sys.executable}
import http.client, os, ssl, sys, urllib.parse
if sys.argv[1:2] == ["sh"]:
    os.execv("/bin/sh", ["sh", "-c", os.environ["THEN"]])
url = urllib.parse.urlsplit(os.environ["ANTHROPIC_BASE_URL"])
trust = ssl.create_default_context(cafile=os.environ["NODE_EXTRA_CA_CERTS"])
connection = http.client.HTTPSConnection(url.netloc, context=trust, timeout=20)
token = "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"]
connection.request("POST", url.path + "/v1/messages", '''{MESSAGE}''', {{"authorization": token}})
answer = connection.getresponse()
print(answer.status, answer.getheader("x-teamclaude-account"))
"""

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        os.name != "posix" or shutil.which("openssl") is None, reason="the page is for a shell, with openssl"
    ),
]


def own_address() -> str:
    """Return a loopback address that is not the one of `localhost`; macOS has but one."""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.2", 0))
        except OSError:
            return "127.0.0.1"
    return "127.0.0.2"


class Lab:
    """The server, and what a client's machine has: the certificate, and `claude` on the PATH."""

    def __init__(self, place: Path, home: Path) -> None:
        self.home, self.place, self.host, self.port = home, place, own_address(), free_port()
        self.config = place / "server" / "teamclaude.json"
        self.config.parent.mkdir()
        self.api = FakeApi([FakeAccount(name, TOKEN.format(name)) for name in ("ann", "ben")]).start()
        self._make_certificate()
        self._write_config()
        self.out = place / "server" / "out"
        self.process = self._start()

    def _make_certificate(self) -> None:
        """Step 1."""
        text = block("# cert.pem and key.pem")
        changes = {"10.0.0.11": self.host, "/home/me/tls": str(self.place / "server" / "tls")}
        subprocess.run(["sh", "-e", "-c", replaced(text, changes)], check=True, capture_output=True)

    def _write_config(self) -> None:
        """Step 2; every caller needs a key here, as on other machines."""
        changes = {"10.0.0.11": self.host, "3456": str(self.port), "/home/me": str(self.place / "server")}
        settings = json.loads(replaced("{" + SETTINGS + block(SETTINGS), changes) + "}")["proxy"]
        document = {
            "proxy": {**settings, "apiKey": KEYS["me"], "trustLoopback": False},
            "upstream": self.api.url,
            "accounts": [account_json("ann"), account_json("ben")],
        }
        self.config.write_text(json.dumps(document))
        self.config.chmod(0o600)

    def _start(self) -> subprocess.Popen[bytes]:
        """Step 3."""
        env = {**os.environ, "TEAMCLAUDE_CONFIG": str(self.config), "HOME": str(self.config.parent)}
        with open(self.out, "wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "teamclaude", "server", "--headless"],
                cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    def equip_client(self) -> None:
        """Step 4."""
        (self.home / "cert.pem").write_bytes((self.config.parent / "tls" / "cert.pem").read_bytes())
        programs = self.place / "bin"
        programs.mkdir()
        (programs / "claude").write_text(CLAUDE)
        (programs / "teamclaude").write_text(f'#!/bin/sh\nexec {sys.executable} -m teamclaude "$@"\n')
        for program in programs.iterdir():
            program.chmod(0o700)

    def client(self, line: str, key: Optional[str] = None) -> Ended:
        """Steps 5 and 6: run a line in a shell that has the variables of the page, with another's key."""
        exports = replaced(EXPORTS + "\n" + block(EXPORTS), {"10.0.0.11:3456": f"{self.host}:{self.port}"})
        if key is not None:
            exports = replaced(exports, {KEYS["bob"]: KEYS[key]})
        ended = subprocess.run(
            ["sh", "-c", f"{exports}{line}"],
            cwd=self.place,
            env={
                "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "PYTHONPATH": str(ROOT),
                "LANG": "C.UTF-8",
                "HTTPS_PROXY": "http://127.0.0.1:9",  # of the company: it must not get what is for the server
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not any(each in ended.stderr for each in KEYS.values())
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def is_up(self) -> bool:
        return "run Claude Code through it" in self.out.read_text("utf-8")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.api.stop()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("machines"), tmp_path_factory.mktemp("client"))
    try:
        until(made.is_up, f"the server starts: {made.out.read_text('utf-8')[-500:]}")
        made.equip_client()
        yield made
    finally:
        made.close()


def files_of(lab: Lab) -> list[str]:
    return sorted(str(path.relative_to(lab.home)) for path in lab.home.rglob("*") if path.is_file())


def test_the_banner_says_what_clients_type(lab: Lab) -> None:
    said = lab.out.read_text("utf-8")
    assert f"https://{lab.host}:{lab.port}" in said
    assert not any(key in said for key in KEYS.values())


@pytest.mark.parametrize(
    ("line", "key", "status", "said"),
    [
        ("teamclaude capacity", None, 0, "GREEN  headroom 2"),
        ("teamclaude env", None, 0, "export ANTHROPIC_BASE_URL='https://"),
        ("teamclaude status", "wall", 0, "◆ ann active"),
        ("teamclaude usage --by account", "wall", 0, "usage by account"),
        ("teamclaude web --role observer", "wall", 0, "/#code="),
        ("teamclaude switch", "me", 0, "ann  active"),
        ("teamclaude api /v1/models", None, 0, "claude"),
        ("teamclaude capacity --key-file /dev/fd/3 3<<end\ntc-another-one\nend\n", None, 0, "GREEN"),
    ],
)
def test_commands_need_no_file(lab: Lab, line: str, key: Optional[str], status: int, said: str) -> None:
    ended = lab.client(line, key)
    assert (ended.status, said in ended.out) == (status, True), ended
    assert files_of(lab) == ["cert.pem"]


@pytest.mark.parametrize(
    ("line", "key", "status", "said"),
    [
        (
            "teamclaude status --json",
            None,
            1,
            "needs the role observer or operator; the key of bob has the role client",
        ),
        (
            "teamclaude switch ann",
            "wall",
            1,
            "needs the role operator; the key of wall has the role observer",
        ),
        ("teamclaude run hi", "wall", 1, "the key of wall is an observer's"),
        ("TEAMCLAUDE_KEY=tc-wrong teamclaude run hi", None, 1, "does not accept this key"),
        ("TEAMCLAUDE_KEY= teamclaude status", None, 1, "set TEAMCLAUDE_KEY or use --key-file"),
        ("TEAMCLAUDE_CA_FILE= teamclaude capacity", None, 20, "nobody whom this machine trusts has signed"),
        ("teamclaude accounts", None, 1, "there is no config file yet"),
    ],
)
def test_what_is_refused_is_one_line(lab: Lab, line: str, key: Optional[str], status: int, said: str) -> None:
    ended = lab.client(line, key)
    assert (ended.status, ended.out, ended.err.count("\n")) == (status, "", 1), ended
    assert said in ended.err
    assert files_of(lab) == ["cert.pem"]


def test_run_is_proved_and_serves(lab: Lab) -> None:
    ended = lab.client("teamclaude run --check")
    assert (ended.status, ended.out.splitlines()[-1]) == (0, "ok          claude uses the proxy"), ended
    assert "not for the proxy itself" in ended.out, "the company's proxy is kept off"
    ended = lab.client("teamclaude run 'hello you'")
    assert (ended.status, ended.out.split()[0]) == (0, "200"), ended
    assert ended.out.split()[1] in ("ann", "ben")
    explained: Any = json.loads(lab.client("teamclaude explain --json").out)
    assert explained["outcome"] == "served"
    assert not (lab.home / ".config" / "teamclaude.json").exists()


def test_commands_that_claude_runs_find_the_same_server(lab: Lab) -> None:
    line = "U=$TEAMCLAUDE_URL; unset TEAMCLAUDE_URL; export THEN='teamclaude capacity'; "
    ended = lab.client(f"{line} teamclaude run --url $U sh; teamclaude capacity")
    assert ended.status == 20, "the shell itself knows no server"
    assert "GREEN" in ended.out


def test_env_leads_a_shell(lab: Lab) -> None:
    ended = lab.client('eval "$(teamclaude env)"; claude; teamclaude capacity')
    assert ended.out.splitlines()[0].split()[0] == "200", ended
    assert "GREEN" in ended.out
