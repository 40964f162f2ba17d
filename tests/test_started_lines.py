"""`.ci/lines`: which lines a started program has reached, without `import coverage` in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with 3.12")

ROOT = Path(__file__).resolve().parent.parent
HOOK = ROOT / ".ci" / "lines" / "record.py"
SOURCE = """import threading

def work(odd):
    if odd:
        return 1
    return 2

work(0)
t = threading.Thread(target=work, args=(1,))
"""


def started(tmp_path: Path, *words: str) -> list[str]:
    """Run a program twice hooked, as by a lines.pth that is read twice; return what it wrote."""
    package, told = tmp_path / "package", tmp_path / "told"
    package.mkdir()
    told.mkdir()
    (package / "module.py").write_text(SOURCE + "".join(words))
    program = f"for _ in range(2): exec(open({str(HOOK)!r}).read(), {{}})\nimport module, json"
    env = {**os.environ, "PYTHONPATH": str(package), "LINES_SOURCE": str(package), "LINES_TO": str(told)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    return [path.read_text() for path in told.iterdir()]


def test_the_lines_that_were_reached_and_no_others(tmp_path: Path) -> None:
    (text,) = started(tmp_path)
    name, lines = text.splitlines()
    assert name == str(tmp_path / "package" / "module.py")
    assert sorted(map(int, lines.split())) == [1, 3, 4, 6, 8, 9]


def test_threads_too(tmp_path: Path) -> None:
    (text,) = started(tmp_path, "t.start()\nt.join()\n")
    assert "5" in text.splitlines()[1].split()
