"""The loop: lines in, lines out, calls in threads, and every way it can end."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from teamclaude.cli.mcp import stdio
from teamclaude.cli.mcp.protocol import McpSession, ToolCall
from teamclaude.cli.mcp.stdio import lines_of, serve
from teamclaude.cli.mcp.tool import ToolResult
from tests.cli.mcp.support import ECHO

HELLO = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


def reader(*chunks: bytes) -> Callable[[int], bytes]:
    left = iter(chunks)
    return lambda size: next(left, b"")


# --- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\r\nb\r\n"], [b"a", b"b"]),
        ([b"a", b"b\nc", b"\n"], [b"ab", b"c"]),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"12345678\n1"], [b"12345678", b"1"]),
        ([b"123456789\n1\n"], [None, b"1"]),
        ([b"12345", b"67890", b"12345", b"6\n1\n"], [None, b"1"]),
        ([b"1234567890"], [None]),
        ([b"1\n123456789", b"0\n", b"2"], [b"1", None, b"2"]),
    ],
)
def test_lines(chunks: list[bytes], lines: list[Any]) -> None:
    found = [line if isinstance(line, bytes) else None for line in lines_of(reader(*chunks), longest=8)]
    assert [line for line in found if line != b""] == lines


def test_an_error_of_reading_is_the_end() -> None:
    def read(size: int) -> NoReturn:
        raise OSError("gone")

    assert list(lines_of(read)) == [b""]


# --- the loop --------------------------------------------------------------------------------------


class Talk:
    """A loop in a thread, with pipes; `gate` holds back the results of tools."""

    def __init__(self, drain_sec: float = 30.0) -> None:
        self.gate = threading.Event()
        self.called = threading.Semaphore(0)
        self._read_all = threading.Event()
        self._in, self._typed = os.pipe()
        self._shown, self._out = os.pipe()
        self._lines = os.fdopen(self._shown, "rb")
        self.ended: list[Any] = []
        self._thread = threading.Thread(target=self._serve, args=(drain_sec,))
        self._thread.start()

    def _serve(self, drain_sec: float) -> None:
        def call(wanted: ToolCall) -> ToolResult:
            self.called.release()
            if wanted.arguments.get("word") == "slow":
                self.gate.wait(30)
            return ToolResult("hi", {"word": "hi"})

        session = McpSession([ECHO], "1.2.3", "")
        try:
            serve(
                session,
                call,
                self._read,
                lambda line: os.write(self._out, line),
                drain_sec,
            )
            self.ended.append("end")
        except BrokenPipeError:
            self.ended.append("broken pipe")
        finally:
            os.close(self._out)

    def _read(self, size: int) -> bytes:
        data = os.read(self._in, size)
        if not data:
            self._read_all.set()
        return data

    def send(self, value: Any) -> None:
        self.send_line(json.dumps(value).encode())

    def send_line(self, line: bytes) -> None:
        left = line + b"\n"
        while left:
            left = left[os.write(self._typed, left) :]

    def ask(self, id: int, method: str, **params: Any) -> None:
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})

    def echo(self, id: int, word: str) -> None:
        self.ask(id, "tools/call", name="echo", arguments={"word": word})

    def reply(self) -> Any:
        line = self._lines.readline()
        return json.loads(line) if line else None

    def hang_up(self) -> None:
        if self._typed >= 0:
            os.close(self._typed)
            self._typed = -1

    def stop_reading(self) -> None:
        self._lines.close()

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.gate.set()
        self.hang_up()
        self.join()
        self._lines.close()
        assert self._read_all.wait(30), "the reader would read what gets the number of its pipe next"
        os.close(self._in)


@pytest.fixture
def talk() -> Iterator[Talk]:
    found = Talk()
    yield found
    found.close()


def test_a_slow_tool_keeps_nothing_waiting(talk: Talk) -> None:
    talk.send(HELLO)
    assert talk.reply()["id"] == 0
    talk.echo(1, "slow")
    talk.ask(2, "ping")
    assert talk.reply()["id"] == 2
    talk.echo(3, "fast")
    assert talk.reply()["id"] == 3
    talk.gate.set()
    assert talk.reply()["result"]["structuredContent"] == {"word": "hi"}


def test_the_end_of_stdin_is_the_end_when_the_calls_have_ended(talk: Talk) -> None:
    talk.send(HELLO)
    talk.echo(1, "slow")
    talk.called.acquire(timeout=30)
    talk.hang_up()
    talk.gate.set()
    assert [talk.reply()["id"], talk.reply()["id"], talk.reply()] == [0, 1, None]
    talk.join()
    assert talk.ended == ["end"]


def test_a_call_that_does_not_end_is_not_waited_for() -> None:
    talk = Talk(drain_sec=0.0)
    talk.send(HELLO)
    talk.echo(1, "slow")
    talk.called.acquire(timeout=30)
    talk.hang_up()
    talk.join()
    assert talk.ended == ["end"]
    talk.close()


def test_a_client_that_reads_no_more_ends_it(talk: Talk) -> None:
    talk.send(HELLO)
    talk.reply()
    talk.stop_reading()
    talk.ask(1, "ping")
    talk.join()
    assert talk.ended == ["broken pipe"]


def test_a_huge_line_is_refused_and_the_next_is_answered(talk: Talk) -> None:
    talk.send_line(b"x" * (stdio.MAX_LINE + stdio.CHUNK))
    talk.ask(1, "ping")
    assert talk.reply()["error"]["message"] == "a message has at most 1048576 bytes"
    assert talk.reply()["id"] == 1


def test_without_a_thread_the_loop_calls_the_tool(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    talk.send(HELLO)
    assert talk.reply()["id"] == 0

    def start(thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    talk.echo(1, "fast")
    assert talk.reply()["id"] == 1
