"""The `mcp` command: tools for agents, by the Model Context Protocol on stdin and stdout."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from ....errors import UsageError
from ...remote.chosen import add_proxy_arguments, named_proxy
from ...terminal import note

if TYPE_CHECKING:
    from ...mcp.protocol import ToolCall
    from ...mcp.tool import ToolResult
    from ...proxy_client import ProxyClient

PATIENCE_SEC = 5.0  # for one answer of the proxy
# The session that Claude Code started this program for (2.1.332; 2.1.112 does not say).
SESSION_VARIABLE = "CLAUDE_CODE_SESSION_ID"
SESSION_META = "claudecode/sessionId"  # the same, of one call, if the client says it


def mcp_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude mcp`."""
    add_proxy_arguments(parser)


def mcp(args: argparse.Namespace) -> int:
    """Answer agents: a server of the Model Context Protocol on stdin and stdout.

      claude mcp add teamclaude -- teamclaude mcp

    Its tools only read: status (accounts, quota windows, held requests), capacity
    (may I start 5 sub-agents?), explain (why did my request go there?) and usage.
    teamclaude help clients says more.

    It ends when stdin does. The proxy may be started later, or anew.
    """
    from .... import __version__
    from ...mcp.protocol import McpSession
    from ...mcp.stdio import serve
    from ...mcp.tools import INSTRUCTIONS, TOOLS, call_tool

    connect = _connection(args)

    def call(wanted: ToolCall) -> ToolResult:
        stated = wanted.meta.get(SESSION_META)
        session = stated if isinstance(stated, str) else os.environ.get(SESSION_VARIABLE)
        return call_tool(wanted.tool, wanted.arguments, session or None, lambda: connect().get)

    if sys.stdin.isatty():
        note("teamclaude mcp talks to a client on stdin, not to a person; Claude Code starts it after:")
        note(f"  claude mcp add teamclaude -- {_own_words()} mcp")
    source, target = sys.stdin.fileno(), sys.stdout.fileno()
    # Nothing but the protocol may come out of stdout: whatever is printed by mistake goes to stderr.
    with _ends_quietly(), contextlib.redirect_stdout(sys.stderr):
        serve(
            McpSession(TOOLS, __version__, INSTRUCTIONS),
            call,
            lambda size: os.read(source, size),
            lambda line: _write_all(target, line),
        )
    return 0


def _own_words() -> str:
    """Return what starts this program: its name where that is on the PATH."""
    import shlex

    from ....own_program import own_command
    from ....programs import find_program

    return "teamclaude" if find_program("teamclaude") else shlex.join(own_command())


def _connection(args: argparse.Namespace) -> Callable[[], ProxyClient]:
    """Return what makes a client of the proxy for one call: the config may have changed since the last."""
    from ...proxy_client import configured_proxy

    if "-" in (args.key_file or ()):
        raise UsageError("--key-file - is not for this command: its stdin belongs to the client")
    remote = named_proxy(args, PATIENCE_SEC)
    if remote is not None:
        return lambda: remote
    return lambda: configured_proxy(args.port, PATIENCE_SEC, or_url=True)


class _Stopped(BaseException):
    """A signal asks for the end."""


@contextlib.contextmanager
def _ends_quietly() -> Iterator[None]:
    """End without a word at SIGINT and SIGTERM, as clients end a server."""

    def stop(number: int, frame: Optional[Any]) -> NoReturn:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.suppress(_Stopped):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_all(target: int, line: bytes) -> None:
    while line:
        line = line[os.write(target, line) :]
