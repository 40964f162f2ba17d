"""The loop between a client on stdin and stdout and the threads that call the tools.

One thread does one thing: a reader puts lines into a queue, a thread for each running call puts its result
there, and the caller's thread takes both out, keeps the state, and is the only one that writes.  So a slow
tool keeps nothing waiting, and no lock is needed.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Union

from ...values import NamedTuple
from .jsonrpc import INVALID_REQUEST
from .protocol import McpSession, ToolCall
from .tool import ToolResult

__all__ = ["MAX_LINE", "Done", "lines_of", "serve"]

# Arguments are short; a longer line is skipped, so that it takes no memory.
MAX_LINE = 1 << 20
CHUNK = 1 << 16
# Calls that run at the end of stdin may finish: a call's requests have a time limit of their own.
DRAIN_SEC = 8.0
QUEUE_SIZE = 100


class Done(NamedTuple):
    """A call with its result."""

    call: ToolCall
    result: ToolResult


class _TooLong(NamedTuple):
    """A line beyond MAX_LINE, which was skipped."""


class _End(NamedTuple):
    """The end of stdin."""


_Event = Union[bytes, Done, _TooLong, _End]


def serve(
    session: McpSession,
    call: Callable[[ToolCall], ToolResult],
    read: Callable[[int], bytes],
    write: Callable[[bytes], Any],
    drain_sec: float = DRAIN_SEC,
) -> None:
    """Serve a client until stdin has ended and its calls too, at most `drain_sec` seconds later.

    `read` returns what has arrived, at most so many bytes, b"" at the end; `write` writes all, and raises
    BrokenPipeError when the client has gone.  `call` must not raise.
    """
    events: queue.Queue[_Event] = queue.Queue(QUEUE_SIZE)
    threading.Thread(target=_read_lines, args=(read, events.put), name="mcp-stdin", daemon=True).start()
    for event in _until_end(session, events, drain_sec):
        if isinstance(event, Done):
            for line in session.finish(event.call, event.result):
                write(line)
        elif isinstance(event, _TooLong):
            write(session.refuse(INVALID_REQUEST, f"a message has at most {MAX_LINE} bytes"))
        else:
            received = session.receive(event)
            for line in received.lines:
                write(line)
            for wanted in received.calls:
                if not _start(call, wanted, events.put):
                    for line in session.finish(wanted, call(wanted)):
                        write(line)


def _until_end(
    session: McpSession, events: queue.Queue[_Event], drain_sec: float
) -> Iterator[Union[bytes, Done, _TooLong]]:
    while True:
        event = events.get()
        if isinstance(event, _End):
            break
        yield event
    deadline = time.monotonic() + drain_sec
    while session.running:
        try:
            event = events.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return
        if not isinstance(event, _End):
            yield event


def _start(call: Callable[[ToolCall], ToolResult], wanted: ToolCall, put: Callable[[Done], None]) -> bool:
    """Call the tool in a thread of its own; return False if there is none."""

    def work() -> None:
        put(Done(wanted, call(wanted)))

    try:
        threading.Thread(target=work, name="mcp-call", daemon=True).start()
        return True
    except RuntimeError:  # "can't start new thread"
        return False


def _read_lines(read: Callable[[int], bytes], put: Callable[[_Event], None]) -> None:
    try:
        for line in lines_of(read):
            put(line)
    finally:
        put(_End())


def lines_of(read: Callable[[int], bytes], longest: int = MAX_LINE) -> Iterator[Union[bytes, _TooLong]]:
    """Yield the lines without their end (LF or CRLF), the last also without one; _TooLong for a longer one.

    An error of reading is the end.
    """
    rest, skipping = b"", False
    while True:
        try:
            chunk = read(CHUNK)
        except OSError:
            chunk = b""
        *lines, rest = (rest + chunk).split(b"\n") if chunk else (rest, b"")
        for line in lines:
            if not skipping:
                yield _TooLong() if len(line) > longest else line.rstrip(b"\r")
            skipping = False
        if not chunk:
            return
        if len(rest) > longest and not skipping:
            skipping = True
            yield _TooLong()
        if skipping:
            rest = b""
