"""The program starts again from any directory, in each form that it has."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from teamclaude import __version__
from teamclaude.own_program import is_archive, load_folders, own_command, program_path

ROOT = Path(__file__).resolve().parent.parent
ASK = "from teamclaude.own_program import own_command; print('\\n'.join(own_command('--version')))"


def started_by(command: list[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, env={}, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    return done.stdout.strip()


def test_this_copy_starts_from_anywhere(tmp_path: Path) -> None:
    assert own_command("--version") == [sys.executable, str(ROOT / "teamclaude" / "__main__.py"), "--version"]
    assert started_by(own_command("--version"), tmp_path) == f"teamclaude {__version__}"
    assert started_by(own_command("--version", options=["-I", "-S"]), tmp_path) == f"teamclaude {__version__}"


@pytest.mark.parametrize("name", ["teamclaude.pyz", "odd name é % $x.zip"])
def test_an_archive_starts_itself(tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("teamclaude/__init__.py", "")
        file.write(ROOT / "teamclaude" / "own_program.py", "teamclaude/own_program.py")
        file.writestr("__main__.py", ASK)
    # Named by a relative path: the answer must not depend on the directory.
    assert started_by([sys.executable, name], tmp_path).splitlines() == [
        sys.executable,
        str(archive),
        "--version",
    ]


def test_an_interpreter_that_does_not_know_itself_is_looked_for(tmp_path: Path) -> None:
    assert own_command("x", executable="/py", package=str(tmp_path / "p")) == [
        "/py",
        str(tmp_path / "p" / "__main__.py"),
        "x",
    ]
    assert program_path(str(tmp_path / "p")) == str(tmp_path / "p" / "__main__.py")


def test_a_folder_is_loaded_with_all_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "loaded_p/__init__.py": "",
        "loaded_p/a/__init__.py": "",
        "loaded_p/a/one.py": "",
        "loaded_p/a/not_here.py": "import no_such_module_anywhere",
        "loaded_p/a/b/__init__.py": "",
        "loaded_p/a/b/two.py": "",
        "loaded_p/c/__init__.py": "",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    load_folders("a", root="loaded_p")
    found = {name for name in sys.modules if name.startswith("loaded_p")}
    assert found == {"loaded_p", "loaded_p.a", "loaded_p.a.one", "loaded_p.a.b", "loaded_p.a.b.two"}
    assert not is_archive()
