"""Run claude through the proxy: `teamclaude run -p hello` is `claude -p hello`
with the right environment.

Options of this command come first; everything from the first word it does not
know goes to claude, and so does everything after `--`.  The exit status is
claude's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from ...accounts.config.identity import find_account
from ...errors import TeamClaudeError
from ..address import add_port_option
from ..claude_code import base_urls_in_settings, is_logged_in
from ..environment import ClientTarget, client_environment, conflicting_variables
from ..proxy_client import ProxyClient
from ..terminal import note
from ..user_config import read_config, required_proxy_key

__all__ = ["arguments", "own_words", "run"]

OPTIONS_WITH_VALUE = ("--account", "--port")
FLAGS = ("--auto", "-h", "--help")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="NAME", help="let only this account serve it")
    parser.add_argument("--auto", action="store_true", help="start a server in the background if none runs")
    add_port_option(parser)
    parser.add_argument("words", nargs="*", metavar="ARGS", help="passed to claude as they are")


def own_words(words: Sequence[str]) -> list[str]:
    """Return `words` with a `--` before the first one that is for claude."""
    place = 0
    while place < len(words):
        word = words[place]
        if word in OPTIONS_WITH_VALUE:
            place += 2
        elif word in FLAGS or word.startswith(tuple(f"{option}=" for option in OPTIONS_WITH_VALUE)):
            place += 1
        else:
            break
    rest = list(words[place:])
    return [*words[:place], "--", *(rest[1:] if rest[:1] == ["--"] else rest)]


def run(args: argparse.Namespace) -> int:
    file, config = read_config()
    account = find_account(config.accounts, args.account).name if args.account else None
    program = _claude()
    proxy = ProxyClient(config, file.path, args.port)
    _ensure_server(proxy, file.path, args)
    _warn_about_settings(proxy.url)
    tls = config.proxy.tls
    # The server may have added the key just now.
    key = required_proxy_key(file, config if config.proxy.api_key else file.load())
    target = ClientTarget(proxy.url, key, os.path.abspath(tls.cert) if tls else None, account)
    return _exec(program, args.words, _environment(target))


def _claude() -> str:
    found = shutil.which("claude")
    if found is None:
        raise TeamClaudeError(
            "claude is not on the PATH; install Claude Code (npm install -g @anthropic-ai/claude-code)"
        )
    return found


def _ensure_server(proxy: ProxyClient, config: Path, args: argparse.Namespace) -> None:
    if proxy.is_up():
        return
    if not args.auto:
        raise TeamClaudeError(
            f"no proxy answers at {proxy.url}; start it with: teamclaude server (or add --auto here)"
        )
    from ..daemon import start_background_server

    start_background_server(proxy, config, args.port)


def _warn_about_settings(url: str) -> None:
    for found in base_urls_in_settings(os.environ, Path.cwd()):
        if _normalized_url(found.url) != _normalized_url(url):
            note(
                f"teamclaude: {found.file} sets ANTHROPIC_BASE_URL to {found.url} and beats the environment: "
                f"claude will not use the proxy; remove it there or set it to {url}"
            )


def _normalized_url(url: str) -> str:
    """Return a form of `url` that is equal for URLs of the same server."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url
    host = "loopback" if host in ("localhost", "127.0.0.1", "::1") else host
    return (
        f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 80)}{parts.path.rstrip('/')}"
    )


def _environment(target: ClientTarget) -> dict[str, str]:
    env = dict(os.environ)
    logged_in = is_logged_in(env)
    for name in conflicting_variables(env, logged_in):
        del env[name]
        note(f"teamclaude: claude runs without {name}: the accounts of the proxy serve it")
    env.update(client_environment(target, os.environ, logged_in))
    return env


def _exec(program: str, words: Sequence[str], env: dict[str, str]) -> int:
    """Replace this process by `program`.

    POSIX: exec.  Terminal, signals, job control and exit status are then claude's own, and no interpreter
    stays in memory beside each agent.  Windows has no exec that keeps the terminal: start a child and wait.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    command = [program, *words]
    try:
        if os.name == "posix":
            os.execve(program, command, env)
        return _wait_for(subprocess.Popen(command, env=env))
    except OSError as error:
        raise TeamClaudeError(f"can't run {program}: {error.strerror or error}") from error


def _wait_for(child: subprocess.Popen[bytes]) -> int:
    status: Optional[int] = None
    while status is None:
        try:
            status = child.wait()
        except KeyboardInterrupt:
            continue  # the child got Ctrl-C too, and decides
    return status
