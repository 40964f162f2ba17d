"""The `version` command: which program this is, where it runs from, and which version the server has."""

from __future__ import annotations

import argparse
import os
import platform
from typing import Any, Optional

from ... import __version__
from ...accounts.config.state_place import config_path
from ...errors import TeamClaudeError
from ...own_program import is_archive, program_path
from ..remote.chosen import add_proxy_arguments, chosen_proxy
from ..terminal import json_text, shown

SCHEMA = 1
ASK_SEC = 1.0


def version_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude version`."""
    parser.add_argument("--json", action="store_true", help="the same as JSON, for scripts")
    add_proxy_arguments(parser)


def version(args: argparse.Namespace) -> int:
    """Show the version of this program, of Python, and of the running server.

    Also where the program runs from and which config file it reads. teamclaude
    --version prints the first line alone, and so does each command with --version.

    A server that runs since before an update says so: restart it then.
    """
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "program": _program(),
        "form": _form(),
        "config": str(config_path(os.environ)),
        "server": _server(args),
    }
    print(json_text(SCHEMA, facts) if args.json else "\n".join(_lines(facts)))
    return 0


def _program() -> str:
    """Return the archive, or the directory of the package."""
    path = program_path()
    return path if is_archive() else os.path.dirname(path)


def _form() -> str:
    if is_archive():
        return "archive"
    return "package" if {"site-packages", "dist-packages"} & set(_program().split(os.sep)) else "directory"


def _server(args: argparse.Namespace) -> Optional[dict[str, Any]]:
    """Return where the server is and its version; None without one, raise TeamClaudeError for one named."""
    try:
        proxy = chosen_proxy(args, ASK_SEC)
        health = proxy.get("/health")
    except TeamClaudeError:
        if args.url or args.port is not None:
            raise
        return None
    found = health.get("version") if isinstance(health, dict) else None
    known = found if isinstance(found, str) else None
    return {"url": proxy.url, "version": known, "isSame": known == __version__}


def _lines(facts: dict[str, Any]) -> list[str]:
    server = facts["server"]
    if server is None:
        running = "none answers"
    else:
        same = "" if server["isSame"] else f"; this program is {facts['version']}: teamclaude restart"
        running = f"{server['version'] or 'unknown'} at {server['url']}{same}"
    return [
        f"teamclaude {facts['version']}",
        f"python:   {facts['python']} ({facts['implementation']}), {shown(facts['platform'])}",
        f"runs as:  {facts['form']} {shown(facts['program'])}",
        f"config:   {shown(facts['config'])}",
        f"server:   {shown(running)}",
    ]
