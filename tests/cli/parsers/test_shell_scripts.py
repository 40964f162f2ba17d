"""The scripts in real shells: which words a command gets after a tab."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.parsers.shells import PROGRAM, Shell

pytestmark = pytest.mark.processes

NAMES = [
    *("alice@example.com", "bob (Acme Org)", "it's $HOME", "zoë `touch pwned`", "-dash", 'say "hi"!'),
    *("back\\slash", "~tilde", "a;b&c", "star*", "$(touch pwned)", "x:y=z", "line\nbreak"),
]
STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(teamclaude completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -Uz compinit; compinit -u -D; eval "$(teamclaude completion zsh)"',
    ),
}
LINES = [
    ("teamclaude rem\tx", ["remove", "x"]),
    ("teamclaude remove ali\t", ["remove", "alice@example.com"]),
    ("teamclaude remove alice@ex\t", ["remove", "alice@example.com"]),
    ("teamclaude remove bo\t", ["remove", "bob (Acme Org)"]),
    ("teamclaude remove bob\\ \\(A\t", ["remove", "bob (Acme Org)"]),
    ("teamclaude remove 'bo\t", ["remove", "bob (Acme Org)"]),
    ('teamclaude remove "bo\t', ["remove", "bob (Acme Org)"]),
    ("teamclaude remove it\t", ["remove", "it's $HOME"]),
    ('teamclaude remove "it\t', ["remove", "it's $HOME"]),
    ("teamclaude remove zo\t", ["remove", "zoë `touch pwned`"]),
    ("teamclaude remove zoë\t", ["remove", "zoë `touch pwned`"]),
    ("teamclaude remove -- -d\t", ["remove", "--", "-dash"]),
    ("teamclaude remove say\t", ["remove", 'say "hi"!']),
    ('teamclaude remove "say\t', ["remove", 'say "hi"!']),
    ("teamclaude remove 'say\t", ["remove", 'say "hi"!']),
    ("teamclaude remove back\t", ["remove", "back\\slash"]),
    ("teamclaude remove \\~t\t", ["remove", "~tilde"]),
    ("teamclaude remove a\\;\t", ["remove", "a;b&c"]),
    ("teamclaude remove st\t", ["remove", "star*"]),
    ("teamclaude remove '$(\t", ["remove", "$(touch pwned)"]),
    ("teamclaude remove x:y\t", ["remove", "x:y=z"]),
    ("teamclaude run --account=bo\tx", ["run", "--account=bob (Acme Org)", "x"]),
    ("teamclaude run --account=-d\tx", ["run", "--account=-dash", "x"]),
    ("teamclaude run --acc\tbo\tx", ["run", "--account", "bob (Acme Org)", "x"]),
    ("teamclaude run -p /de\tx", ["run", "-p", "/dev/x"]),
    ("teamclaude run -- /de\tx", ["run", "--", "/dev/x"]),
    ("teamclaude lab run --policy thr\tpace\t", ["lab", "run", "--policy", "threshold", "pace"]),
    ("teamclaude env --shell po\t", ["env", "--shell", "powershell"]),
    ("teamclaude setup vs\t--scope=pr\t", ["setup", "vscode", "--scope=project"]),
    ("teamclaude status --j\t", ["status", "--json"]),
    ("teamclaude record of\t", ["record", "off"]),
    ("teamclaude help secu\t", ["help", "security"]),
    ("teamclaude server --log-to /de\tx", ["server", "--log-to", "/dev/x"]),
]


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    home = tmp_path_factory.mktemp("home")
    write_config(home)
    command, start = STARTS[request.param]
    started = Shell(home, command, start)
    yield started
    started.close()


def write_config(home: Path) -> None:
    (home / ".config").mkdir()
    accounts = [{"name": name, "type": "apikey", "apiKey": "sk-ant-api03-FAKE"} for name in NAMES]
    (home / ".config" / "teamclaude.json").write_text(json.dumps({"accounts": accounts}))


@pytest.mark.parametrize(("typed", "words"), LINES)
def test_a_tab_completes_and_quotes(shell: Shell, typed: str, words: list[str]) -> None:
    assert shell.words(typed) == words
    assert not (shell.words_file.parent / "pwned").exists(), "no name is run"


@pytest.fixture(scope="module")
def fish_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("fish"):
        pytest.skip("no fish here")
    home = tmp_path_factory.mktemp("home")
    write_config(home)
    script = subprocess.run([sys.executable, PROGRAM, "completion", "fish"], capture_output=True, check=True)
    (home / "script.fish").write_bytes(script.stdout)
    return home


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("teamclaude remo", ["remove"]),
        ("teamclaude remove ", sorted(name for name in NAMES if name != "-dash" and "\n" not in name)),
        ("teamclaude remove bo", ["bob (Acme Org)"]),
        ("teamclaude remove -- -d", ["-dash"]),
        ("teamclaude run --account=bo", ["--account=bob (Acme Org)"]),
        ("teamclaude run --account ali", ["alice@example.com"]),
        ("teamclaude lab run --policy pace thr", ["threshold"]),
        ("teamclaude env --shell po", ["powershell"]),
        ("teamclaude status --js", ["--json"]),
        ("teamclaude run -p /de", ["/dev/"]),
        ("teamclaude server --log-to /de", ["/dev/"]),
        ("teamclaude nothing x", []),
    ],
)
def test_fish_offers(fish_home: Path, line: str, offered: list[str]) -> None:
    ended = subprocess.run(
        ["fish", "-N", "-c", f"source script.fish; complete -C{json.dumps(line)}"],
        cwd=fish_home,
        env={**os.environ, "HOME": str(fish_home), "XDG_CONFIG_HOME": "", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == ""
    assert [found.split("\t")[0] for found in ended.stdout.splitlines()] == offered
    assert not (fish_home / "pwned").exists()


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_a_shell_reads_the_script_without_a_word(shell_name: str, tmp_path: Path) -> None:
    if not shutil.which(shell_name):
        pytest.skip(f"no {shell_name} here")
    script = subprocess.run(
        [sys.executable, PROGRAM, "completion", shell_name], capture_output=True, check=True
    )
    (tmp_path / "script").write_bytes(script.stdout)
    checked = subprocess.run([shell_name, "-n", tmp_path / "script"], capture_output=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
