"""A program gets the event on its stdin, and can't hurt: hang, fail, flood, not exist."""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from teamclaude.alerts.run_program import KEPT_BYTES, MAX_CHARS, run_program
from tests.alerts.receivers import wait_until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs here are scripts")

PAYLOAD = json.dumps({"event": "hold", "account": "$(touch pwned); `id` <!channel>"}).encode()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are seen in /proc")


@pytest.fixture(autouse=True)
def home(private_home: Path) -> Path:
    return private_home


def script(path: Path, text: str) -> str:
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_it_gets_the_event_the_arguments_as_they_are_and_its_kind(tmp_path: Path, home: Path) -> None:
    program = script(
        tmp_path / "told",
        "import json, os, sys\n"
        f"out = open({str(tmp_path / 'seen')!r}, 'w')\n"
        "json.dump([sys.stdin.read(), sys.argv[1:], os.environ['TEAMCLAUDE_ALERT'], os.getcwd()], out)",
    )
    assert run_program([program, "$HOME", "; touch pwned"], PAYLOAD, "hold") == ""
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen[:3] == [PAYLOAD.decode() + "\n", ["$HOME", "; touch pwned"], "hold"]
    assert Path(seen[3]) == home
    assert not (home / "pwned").exists()


def test_a_server_with_many_connections_starts_programs(tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 1200:
        pytest.skip("descriptors above 1023 are not allowed here")
    program = script(tmp_path / "fails", "import sys\nprint(sys.stdin.read(), file=sys.stderr)\nsys.exit(3)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(1200, before[0]), before[1]))
    held: list[int] = []
    try:
        while not held or held[-1] < 1024:
            held.append(os.open(os.devnull, os.O_RDONLY))
        assert run_program([program], b"told", "hold") == f"{program}: exit status 3: told"
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_program_that_fails_is_told_with_its_last_line(tmp_path: Path) -> None:
    program = script(
        tmp_path / "fails",
        "import sys\nprint('out')\nprint('first\\n\\x1b[31mno display\\n\\n', file=sys.stderr)\nsys.exit(3)",
    )
    assert run_program([program], PAYLOAD, "hold") == f"{program}: exit status 3: [31mno display"


def test_a_program_that_is_killed_is_told_with_the_signal(tmp_path: Path) -> None:
    program = script(tmp_path / "dies", "import os\nos.kill(os.getpid(), 9)")
    assert run_program([program], PAYLOAD, "hold") == f"{program}: signal 9"


@needs_proc
def test_one_that_hangs_is_killed_with_what_it_has_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = script(
        tmp_path / "hangs",
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(started)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)",
    )
    problem = run_program([program], PAYLOAD, "hold", limit_sec=1.5)
    assert problem == f"{program} did not end within 1.5 s and was killed"
    grandchild = int(started.read_text())
    wait_until(lambda: is_gone(grandchild))


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has collected yet counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_one_that_floods_neither_blocks_nor_fills_memory(tmp_path: Path) -> None:
    program = script(
        tmp_path / "floods",
        "import sys\n"
        "for _ in range(200):\n"
        "    sys.stdout.write('x' * 65536)\n"
        "    sys.stderr.write('y' * 65536)\n"
        "sys.exit(1)",
    )
    tracemalloc.start()
    problem = run_program([program], PAYLOAD, "hold")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problem == f"{program}: exit status 1: {'y' * MAX_CHARS}"
    assert MAX_CHARS < KEPT_BYTES
    assert most < 1_000_000, "of 13 MB"


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_one_that_reads_nothing_ends_when_it_ends(tmp_path: Path, size: int) -> None:
    program = script(tmp_path / "deaf", "pass")
    assert run_program([program], b"x" * size, "hold") == ""
    slow = script(tmp_path / "slow", "import time\ntime.sleep(0.3)")
    assert run_program([slow], b"x" * size, "hold") == ""


def test_one_that_leaves_a_child_with_its_stderr_is_not_waited_for(tmp_path: Path) -> None:
    program = script(
        tmp_path / "daemon",
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))",
    )
    try:
        assert run_program([program], PAYLOAD, "hold", limit_sec=15) == ""
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_one_that_does_not_exist_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_program(["no-such-program-here"], PAYLOAD, "hold") == "no-such-program-here is not on the PATH"
    missing = str(tmp_path / "gone")
    assert run_program([missing], PAYLOAD, "hold") == f"{missing} can't be run: No such file or directory"
    closed = tmp_path / "closed"
    closed.write_text("")
    assert run_program([str(closed)], PAYLOAD, "hold") == f"{closed} can't be run: Permission denied"
    # Not of the working directory, whatever is there.
    script(tmp_path / "here", "pass")
    monkeypatch.chdir(tmp_path)
    assert run_program(["here"], PAYLOAD, "hold") == "here is not on the PATH"


def test_one_is_ended_when_the_server_ends(tmp_path: Path) -> None:
    program = script(tmp_path / "hangs", "import time\ntime.sleep(600)")
    problem = run_program([program], PAYLOAD, "hold", is_cancelled=lambda: True)
    assert problem == f"{program} was killed, because the server has stopped"
