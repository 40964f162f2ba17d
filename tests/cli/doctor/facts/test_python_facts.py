"""This Python and the files of this program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import teamclaude
from teamclaude.cli.doctor.facts import python_facts as module
from teamclaude.cli.doctor.facts.python_facts import newest_file, program_facts, python_facts


def test_this_python() -> None:
    facts = python_facts()
    assert facts.version == ".".join(map(str, sys.version_info[:3]))
    assert "ssl" not in facts.missing
    assert facts.openssl_version >= (1, 1, 1)


def test_missing_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WANTED", ("ssl", "no_such_module_here"))
    assert python_facts().missing == ("no_such_module_here",)
    monkeypatch.setattr(module, "_has_module", lambda name: False)
    facts = python_facts()
    assert (facts.missing[0], facts.openssl) == ("ssl", "")


def test_this_program() -> None:
    facts = program_facts()
    assert facts.version == teamclaude.__version__
    assert facts.place == str(Path(teamclaude.__file__).resolve().parent)
    assert facts.changed_at > 0


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_files_that_others_can_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "teamclaude"
    (package / "sub").mkdir(parents=True, mode=0o755)
    (package / "a.py").write_text("")
    (package / "a.py").chmod(0o644)
    monkeypatch.setattr(module, "PACKAGE", package)
    assert program_facts().dangers == ()
    (package / "a.py").chmod(0o646)
    assert program_facts().dangers == (f"other users can change {package / 'a.py'}",)
    (package / "sub").chmod(0o777)
    assert len(program_facts().dangers) == 2


def test_the_newest_file(tmp_path: Path) -> None:
    for name, at in (("a.py", 5000), ("b.py", 7000), ("c.txt", 9000)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (at, at))
    assert newest_file(tmp_path) == 7000
    assert newest_file(tmp_path / "a.py") == 5000
    assert newest_file(tmp_path / "none.py") == 0.0


def test_a_program_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "teamclaude.pyz"
    archive.write_bytes(b"PK")
    archive.chmod(0o600)
    monkeypatch.setattr(module, "PACKAGE", archive / "teamclaude")
    facts = program_facts()
    assert (facts.place, facts.dangers) == (str(archive), ())
