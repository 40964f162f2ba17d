"""The whole of `statusline`: read the input, ask the proxy, print one line.

Rules:
1. Nothing fails and nothing but the line is printed: whatever goes wrong, the status is 0.  Only a person
   at a terminal gets an error.
2. Claude Code starts it with every update: `cli.main` calls `print_for_client` without argparse, and this
   module imports at its top only what each line needs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from .bounded import OtherCommand, read_stdin
from .facts import Facts, Input, facts_of, input_of
from .line import State, line_of, unknown_field
from .memory import directory, recall, remember
from .proxy_query import ProxyAddress, ask, proxy_address, uses_a_gateway
from .spans import colors_for

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import Optional

__all__ = ["is_by_hand", "print_for_client", "print_line"]

STDIN_SEC = 0.25  # Claude Code writes its input at once
OTHER_COMMAND_SEC = 2.0  # Claude Code gives the whole status line 5 s
MARGIN = 4  # columns beside the line that Claude Code needs itself


def print_for_client(words: Sequence[str]) -> bool:
    """Print the line and return True if these words ask for no more, in a client whose output none reads."""
    options = _line_options(words)
    env = os.environ
    is_client = "CLAUDECODE" in env or uses_a_gateway(env) or proxy_address(env) is not None
    if options is None or not is_client or is_by_hand():
        return False
    print_line(options["--format"], options["--first"])
    return True


def _line_options(words: Sequence[str]) -> Optional[dict[str, str]]:
    """Return the options by name when `words` are only those of `print_line`, else None."""
    found = {"--format": "", "--first": ""}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in found or (not equals and not rest):
            return None
        found[name] = value if equals else rest.pop(0)
    return found


def is_by_hand() -> bool:
    """Return whether a person has started it: stdin or stdout is a terminal."""
    for number in (0, 1):
        try:
            if os.isatty(number):
                return True
        except OSError:
            continue
    return False


def print_line(
    template: str = "", first: str = "", configured: Optional[Callable[[], ProxyAddress]] = None
) -> None:
    """Print the line; to a person it raises TeamClaudeError for what is wrong.

    `configured` returns the proxy to ask where the environment names none and no client is around.
    """
    by_hand = is_by_hand()
    try:
        _print_line(template, first, configured, by_hand)
    except Exception:
        if by_hand or os.environ.get("TEAMCLAUDE_DEBUG"):
            raise


def _print_line(
    template: str, first: str, configured: Optional[Callable[[], ProxyAddress]], by_hand: bool
) -> None:
    problem = unknown_field(template)
    if problem and by_hand:
        from ...errors import UsageError

        raise UsageError(f"--format: {problem}")
    data = read_stdin(STDIN_SEC)
    other = OtherCommand(first, data) if first else None
    line = f"--format: {problem}" if problem else _line(data, template, configured, by_hand)
    printed = [line.encode(sys.stdout.encoding if by_hand else "utf-8", "replace")] if line else []
    if other is not None:
        printed = [text for text in (other.output(OTHER_COMMAND_SEC), *printed) if text]
    if printed:
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\n".join(printed) + b"\n")
        sys.stdout.buffer.flush()


def _line(data: bytes, template: str, configured: Optional[Callable[[], ProxyAddress]], by_hand: bool) -> str:
    env, now = os.environ, time.time()
    said = input_of(data, env)
    found = _facts(said, env, configured, by_hand)
    if found is None:
        return ""
    columns = _columns(env)
    width = max(1, columns - MARGIN) if columns else 0
    return line_of(said, *found, now, width, colors_for(env), template)


def _columns(env: Mapping[str, str]) -> int:
    """Return the columns of the terminal, 0 when they are unknown; Claude Code 2.1.112 sets no COLUMNS."""
    named = env.get("COLUMNS", "")
    if named.isascii() and named.isdigit():
        return int(named)
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | getattr(os, "O_NOCTTY", 0))
    except OSError:
        return 0
    try:
        return os.get_terminal_size(terminal).columns
    except OSError:
        return 0
    finally:
        os.close(terminal)


def _facts(
    said: Input,
    env: Mapping[str, str],
    configured: Optional[Callable[[], ProxyAddress]],
    by_hand: bool,
) -> Optional[tuple[Facts, State]]:
    """Return the facts, the proxy's or the last ones, and how they were obtained; None: nothing to say."""
    proxy = proxy_address(env)
    if proxy is None:
        if uses_a_gateway(env):
            return None  # somebody else's
        if said.session or env.get("CLAUDECODE") or configured is None:
            return Facts(), State(is_direct=True)
        proxy = configured()
    answer, where = ask(proxy, said.session), directory(env)
    if answer is not None:
        remember(where, said.session, answer.data)
        return facts_of(answer.facts), State()
    data, age = recall(where, said.session)
    if data:
        return facts_of(json.loads(data)), State(age_sec=age)
    if by_hand:
        from ...errors import TeamClaudeError

        where = f"{proxy.host}:{proxy.port}"
        raise TeamClaudeError(f"no proxy answers at {where}; start it with: teamclaude server")
    return None
