"""The entry of the command line: what it imports, and its exit statuses."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teamclaude import __version__
from teamclaude.__main__ import main as program
from teamclaude.cli import dispatch
from teamclaude.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
NAMES = [command.name for command in dispatch.COMMANDS]


def python(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in the repository."""
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=30, **options
    )


def test_version(cli: Callable[..., Any]) -> None:
    assert cli("--version") == (0, f"teamclaude {__version__}\n", "")


def test_the_module_runs_as_the_command() -> None:
    assert python("-m", "teamclaude", "--version").stdout == f"teamclaude {__version__}\n"


@pytest.mark.parametrize("name", ["__init__", "__main__"])
def test_what_an_old_python_reads_first_compiles_there(name: str) -> None:
    source = (ROOT / "teamclaude" / f"{name}.py").read_text("utf-8")
    tree = ast.parse(source, feature_version=(3, 6))
    assert "__future__" not in {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if node.returns is not None] == [], "an error in Python 2.7"


def test_an_old_python_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    assert program() == 2
    assert capsys.readouterr() == ("", "teamclaude needs Python 3.9 or newer; this is 3.8.18\n")


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", "3.8"])
def test_a_real_old_python_gets_one_line(version: str) -> None:
    home = Path(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")))
    found = sorted((home / "versions").glob(f"{version}.*/bin/python")) or shutil.which(f"python{version}")
    if not found:
        pytest.skip(f"no Python {version} here")
    old = found if isinstance(found, str) else str(found[-1])
    ended = subprocess.run(
        [old, "-m", "teamclaude", "status"],
        cwd=ROOT,
        capture_output=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    line = ended.stderr.decode()
    assert line.startswith(f"teamclaude needs Python 3.9 or newer; this is {version}.")
    assert line.count("\n") == 1


def test_version_loads_neither_argparse_nor_sockets_nor_json() -> None:
    code = (
        "import sys; before = set(sys.modules); from teamclaude.cli import main; main(['--version']); "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = set(python("-c", code).stdout.splitlines()[1].split())
    assert (
        loaded & {"argparse", "json", "ssl", "socket", "http", "http.client", "dataclasses", "subprocess"}
        == set()
    )
    assert len([name for name in loaded if name.startswith("teamclaude")]) <= 3


def test_a_command_loads_no_other_command_and_no_server() -> None:
    code = (
        "import sys; from teamclaude.cli import main; main(['capacity']); "
        "print(*[n for n in sys.modules if n.startswith('teamclaude.')])"
    )
    loaded = set(python("-c", code, env={**os.environ, "TEAMCLAUDE_CONFIG": os.devnull}).stdout.split())
    commands = {name for name in loaded if name.startswith("teamclaude.cli.commands.")}
    assert commands == {"teamclaude.cli.commands.reports"}
    # The parsers of HTTP are the proxy's.
    server = {name for name in loaded if name.startswith(("teamclaude.proxy.", "teamclaude.demo"))}
    assert server <= {f"teamclaude.proxy.http{name}" for name in ("", ".head", ".framing", ".response_head")}


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",), ("help",)])
def test_the_overview_names_every_command(cli: Callable[..., Any], words: tuple[str, ...]) -> None:
    ended = cli(*words)
    assert ended.status == 0
    assert ended.err == ""
    listed = [line.split()[0] for line in ended.out.splitlines() if line.startswith("  ")]
    assert listed == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(cli: Callable[..., Any], name: str) -> None:
    ended = cli(name, "--help")
    assert ended.status == 0
    assert ended.out.startswith(f"usage: teamclaude {name}")
    assert all(len(line) <= 80 for line in ended.out.splitlines())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "run"])  # run passes it on to claude
def test_an_unknown_option_is_a_usage_error(cli: Callable[..., Any], name: str) -> None:
    ended = cli(name, "--nonsense")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("teamclaude: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [("accounts", "--url", "http://x"), ("alerts", "--url", "x"), ("completion", "--url", "x", "bash")],
)
def test_the_value_of_an_unknown_option_is_not_taken_for_a_wrong_word(
    cli: Callable[..., Any], words: tuple[str, ...]
) -> None:
    line = f"teamclaude: unrecognized arguments: --url (teamclaude {words[0]} --help)\n"
    assert cli(*words) == (2, "", line)


def test_a_misspelt_command_is_corrected(cli: Callable[..., Any]) -> None:
    ended = cli("statsu")
    assert ended == (2, "", 'teamclaude: no command "statsu"; did you mean "status"?\n')
    assert cli("zzz") == (2, "", 'teamclaude: no command "zzz" (teamclaude help lists them)\n')


def test_an_option_before_the_command(cli: Callable[..., Any]) -> None:
    assert cli("--port", "1", "status").status == 2


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make every command end with an exception."""

    def install(error: BaseException) -> None:
        def fail(words: list[str]) -> int:
            raise error

        monkeypatch.setattr(dispatch, "_dispatch", fail)

    return install


def test_a_known_error_is_one_line(cli: Callable[..., Any], failing: Callable[..., None]) -> None:
    failing(ConfigError("c.json: bad"))
    assert cli("status") == (1, "", "teamclaude: c.json: bad\n")


def test_an_unknown_error_is_one_line_too(cli: Callable[..., Any], failing: Callable[..., None]) -> None:
    failing(RuntimeError("first\nsecond"))
    line = "teamclaude: internal error: RuntimeError: first (TEAMCLAUDE_DEBUG=1 shows where)\n"
    assert cli("status") == (1, "", line)


def test_debug_shows_where(
    cli: Callable[..., Any], failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMCLAUDE_DEBUG", "1")
    failing(ConfigError("c.json: bad"))
    ended = cli("status")
    assert ended.status == 1
    assert "Traceback" in ended.err
    assert ended.err.endswith("teamclaude: c.json: bad\n")


def test_ctrl_c_is_130_and_silent(cli: Callable[..., Any], failing: Callable[..., None]) -> None:
    failing(KeyboardInterrupt())
    assert cli("status") == (130, "", "")


@pytest.mark.skipif(os.name == "nt", reason="closed pipes are another error there")
@pytest.mark.parametrize("words", [["help"], ["help", "config"]], ids=["short", "long"])
def test_a_closed_pipe_is_silent(words: list[str]) -> None:
    # Unbuffered, every print meets the closed pipe by itself; buffered, the interpreter's end does.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "teamclaude", *words],
            cwd=ROOT,
            env=env,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_terminal_without_unicode_gets_question_marks() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    code = """
import sys
from teamclaude.cli import dispatch
dispatch._dispatch = lambda words: print('\\U0001f7e2 GREEN') or 0
sys.exit(dispatch.run_guarded([]))
"""
    ended = python("-c", code, env=env)
    assert (ended.returncode, ended.stdout) == (0, "? GREEN\n")


INTERRUPTED_AT = """
import runpy, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "teamclaude.MODULE":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["server"]
runpy.run_module("teamclaude", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "module", ["cli", "cli.streams", "cli.dispatch", "cli.terminal", "cli.commands.server.server"]
)
def test_ctrl_c_while_modules_are_imported_is_130_and_silent(module: str) -> None:
    ended = python("-c", INTERRUPTED_AT.replace("MODULE", module))
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_ctrl_c_while_an_error_is_told_is_130(
    failing: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(line: str) -> None:
        raise KeyboardInterrupt

    failing(ConfigError("c.json: bad"))
    monkeypatch.setattr(dispatch, "note", interrupted)
    monkeypatch.setattr(sys, "argv", ["teamclaude", "status"])
    assert program() == 130
