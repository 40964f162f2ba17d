"""The parts of a restart one by one: the command line, the channel, the guard, the reason of a failure."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any, Optional

import pytest

from teamclaude.errors import NotSupportedError
from teamclaude.proxy.restart.channel import Channel, ChannelClosedError, ChannelSilentError
from teamclaude.proxy.restart.guard import Guard, GuardLink
from teamclaude.proxy.restart.handover import hand_over
from teamclaude.proxy.restart.own_command import OwnCommand, command_line
from teamclaude.proxy.restart.successor import first_reason
from tests.proxy.restart.running_server import ROOT

PYTHON = "/usr/bin/python3"


@pytest.mark.parametrize(
    ("original", "flags", "module", "argv", "words"),
    [
        # Python 3.10 and later remember how they were started.
        (
            ["python3", "-X", "dev", "-m", "teamclaude", "server"],
            (),
            None,
            ["x"],
            ["-X", "dev", "-m", "teamclaude", "server"],
        ),
        (["python3", "teamclaude.pyz", "server"], (), None, ["x"], ["teamclaude.pyz", "server"]),
        # 3.9 does not.
        (
            None,
            ("-E",),
            "teamclaude.__main__",
            ["/x/__main__.py", "server"],
            ["-E", "-m", "teamclaude", "server"],
        ),
        (None, (), "__main__", ["teamclaude.pyz", "server"], ["teamclaude.pyz", "server"]),
        (None, (), "__main__", ["copied/teamclaude", "server"], ["copied/teamclaude", "server"]),
        (
            None,
            (),
            None,
            ["/usr/bin/teamclaude", "server", "--port", "1"],
            ["/usr/bin/teamclaude", "server", "--port", "1"],
        ),
    ],
)
def test_the_program_is_started_again_as_it_was(
    original: Optional[list[str]],
    flags: Sequence[str],
    module: Optional[str],
    argv: list[str],
    words: list[str],
) -> None:
    assert command_line(PYTHON, original, flags, module, argv) == [PYTHON, *words]


def test_the_environment_is_that_of_the_start_but_for_what_is_of_one_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("WATCHDOG_PID", "7")
    monkeypatch.setenv("KEPT", "yes")
    command = OwnCommand.of_this_process()
    assert command.words[0] == sys.executable
    assert command.directory == os.getcwd()
    assert command.environment["KEPT"] == "yes"
    assert not {"LISTEN_FDS", "WATCHDOG_PID"} & set(command.environment)


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="nothing tells of the start there")
@pytest.mark.parametrize("locale", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LC_CTYPE": "C"}, {"LC_ALL": "C"}], ids=str)
def test_the_locale_is_that_of_the_start_also_where_python_has_changed_its_own(
    locale: dict[str, str],
) -> None:
    # Python sets LC_CTYPE in a C locale (PEP 538): the Deck of a new process would draw UTF-8.
    program = (
        "from teamclaude.proxy.restart.own_command import OwnCommand\n"
        "found = OwnCommand.of_this_process().environment\n"
        "print({name: value for name, value in found.items() if name.startswith('LC_')})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=locale, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == f"{locale}\n"


def test_without_a_command_nothing_is_restarted() -> None:
    with pytest.raises(NotSupportedError, match=r"part of another program|Windows"):
        hand_over(None, [], {}, {}, dict, list, threading.Lock(), lambda successor: None)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", ""),
        ("\n \n", ""),
        ("teamclaude: 127.0.0.1:1 is in use\n", "127.0.0.1:1 is in use"),
        ("a warning\nteamclaude: x.json: port: expected a number\nmore\n", "x.json: port: expected a number"),
        ('Traceback (most recent call last):\n  File "x", line 1\nSyntaxError: bad\n', "SyntaxError: bad"),
        ("  File 'x', line 1\n    def\n       ^\nSyntaxError: bad\n", "SyntaxError: bad"),
        ("/usr/bin/python3: No module named teamclaude\n", "/usr/bin/python3: No module named teamclaude"),
        ("\x1b[31mred\x07" + "x" * 999, " [31mred " + "x" * 291),
    ],
)
def test_the_reason_is_one_line(said: str, reason: str) -> None:
    assert first_reason(said) == reason


# --- the channel ----------------------------------------------------------------------------------


def channels() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return Channel(ours), Channel(theirs)


def test_messages_of_any_size_arrive_whole_and_in_order() -> None:
    a, b = channels()
    sent: list[dict[str, Any]] = [{"type": "x", "rows": [n] * n} for n in (0, 1, 100_000, 3)]
    writer = threading.Thread(target=lambda: [a.send(each) for each in sent])
    writer.start()
    assert [b.receive(5) for _ in sent] == sent
    writer.join()
    a.close()
    with pytest.raises(ChannelClosedError):
        b.receive(5)
    with pytest.raises(ChannelClosedError):
        [b.send({}) for _ in range(3)]


def test_silence_is_told_from_the_end() -> None:
    a, b = channels()
    with pytest.raises(ChannelSilentError):
        b.receive(0.01)
    a.send({"type": "late"})
    assert b.receive(5) == {"type": "late"}


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b"\xff\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_message_ends_the_channel(line: bytes) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(line)
    with pytest.raises(ChannelClosedError):
        Channel(theirs).receive(5)


# --- the guard ------------------------------------------------------------------------------------


def test_the_first_process_ends_as_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard()
    links = [GuardLink(os.dup(guard.descriptor)) for _ in range(2)]
    guard.begin()
    links[1].ended(7)
    for link in links:
        assert link.descriptor is not None
        os.close(link.descriptor)
    guard.wait()
    assert (guard.pid, guard.status) == (os.getpid(), 7)


def test_one_that_was_killed_is_a_failure() -> None:
    guard = Guard()
    for line in ("pid 11", "exit 0", "pid 12", "nonsense", "pid x"):
        guard.take(line)
    assert guard.status == 1


def test_only_a_signal_that_the_other_did_not_get_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(threading.Timer, "start", lambda self: None)
    guard = Guard()
    guard.take("pid 11")
    guard.received(signal.SIGINT)
    guard.take(f"signal {int(signal.SIGINT)}")  # Ctrl-C goes to both
    guard.pass_on(signal.SIGINT)
    assert sent == []
    guard.received(signal.SIGTERM)
    guard.pass_on(signal.SIGTERM)
    assert sent == [(11, signal.SIGTERM)]


def test_without_a_guard_nothing_is_said_and_nothing_waited_for() -> None:
    GuardLink(None).ended(0)
    Guard().wait()
