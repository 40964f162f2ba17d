"""The service under a real `systemd --user`, which runs in namespaces of its own.

Needs root, unshare and systemd (Debian: apt-get install systemd); no service of this machine is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from make_zipapp import zipapp_bytes

from tests.cli.support import KEY
from tests.machines.servers import steady_port

ROOT = Path(__file__).resolve().parents[2]
SYSTEMD = "/lib/systemd/systemd"
# A PID, mount and cgroup namespace: its own /proc, /run and hierarchy; then a manager for one user.
BOOT = """
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$GROUP"
echo $$ > "/sys/fs/cgroup/$GROUP/cgroup.procs"
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/0
chmod 700 /run/user/0
export XDG_RUNTIME_DIR=/run/user/0
SYSTEMD --user --unit=basic.target >/dev/null 2>&1 &
tries=0
until systemctl --user show --property=Version >/dev/null 2>&1; do
    tries=$((tries + 1)); [ $tries -lt 1200 ] || exit 9; sleep 0.05
done
"$@"
"""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not sys.platform.startswith("linux") or os.getuid() != 0, reason="namespaces of its own need root"
    ),
    pytest.mark.skipif(
        not (os.path.exists(SYSTEMD) and shutil.which("systemctl") and shutil.which("unshare")),
        reason="systemd is not installed",
    ),
]


def remove_groups(name: str) -> None:
    """Remove the control groups that the manager has made: they outlive their namespace."""
    own = next(
        line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")
    )
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        for place, _, _ in os.walk(f"{mount}{own.rstrip('/')}/{name}", topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(place)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `systemd_session` saw."""
    place = tmp_path_factory.mktemp("systemd")
    program = place / 'it\'s 100% a $HOME "é"' / "teamclaude.pyz"
    program.parent.mkdir()
    program.write_bytes(zipapp_bytes())
    home = place / "home"
    (home / ".config").mkdir(parents=True)
    port = steady_port()
    config = home / ".config" / "teamclaude.json"
    config.write_text(json.dumps({"proxy": {"port": port, "apiKey": KEY}, "drainSec": 2}))
    config.chmod(0o600)
    group = f"teamclaude-{os.getpid()}"
    done = subprocess.run(
        [
            *(
                "unshare",
                "--pid",
                "--mount",
                "--cgroup",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
            ),
            *(
                "sh",
                "-c",
                BOOT.replace("SYSTEMD", SYSTEMD),
                "sh",
                sys.executable,
                "-m",
                "tests.machines.systemd_session",
            ),
            *(str(program), str(port)),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "GROUP": group},
        capture_output=True,
        text=True,
        timeout=900,
    )
    remove_groups(group)
    if done.returncode in (1, 32) and "mount" in done.stderr + done.stdout:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_install_starts_a_server_that_waits_for_its_first_account(told: dict[str, Any]) -> None:
    assert told["install"]["status"] == 0, told["install"]
    assert "teamclaude.service: enabled, active (running)" in told["install"]["out"]
    assert told["ready without"] == 503
    assert "no account yet" in told["waiting"]
    assert told["import"]["status"] == 0
    assert told["status"]["status"] == 0
    assert "1 of 1 accounts serve" in told["status"]["out"]


def test_nobody_is_refused_while_it_is_restarted_killed_and_reloaded(told: dict[str, Any]) -> None:
    names = ("restart", "own restart", "kill", "reload")
    print({name: told[name] for name in names})
    assert told["restart"]["asked"] > 0
    assert {name: told[name]["refused"] for name in names if told[name]["refused"]} == {}
    assert [told[name]["broken"] for name in ("restart", "own restart", "reload")] == [0, 0, 0]
    assert told["kill"]["broken"] <= 1  # the one that it had accepted


def test_after_a_restart_of_its_own_the_new_process_is_the_main_one(told: dict[str, Any]) -> None:
    assert told["restarted"]["status"] == 0, told["restarted"]
    assert told["restarts"] == "0"  # systemd has started nothing


def test_stopping_the_sockets_stops_both(told: dict[str, Any]) -> None:
    assert (told["stopped"], told["result"]) == (0, "success")


def test_a_broken_config_file_is_tried_a_few_times_only(told: dict[str, Any]) -> None:
    assert told["broken"]["restarts"] <= 5


def test_uninstall_leaves_nothing(told: dict[str, Any]) -> None:
    assert told["uninstall"]["status"] == 0
    assert told["left"] == []
