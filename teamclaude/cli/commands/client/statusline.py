"""The `statusline` command: print the line below Claude Code's prompt, or set it up.

For Claude Code `cli.main` calls `status_line.output` without this module, and without argparse.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ....accounts.config.config_file import config_path
from ....errors import UsageError
from ...arguments import whole_number
from ...settings_edit.edited_files import EditedFiles
from ...status_line.install import OWNER, REFRESH_SEC, SCOPES, install, overriding, settings_file
from ...status_line.line import FIELDS, unknown_field
from ...status_line.output import print_line
from ...status_line.proxy_query import ProxyAddress
from ...terminal import note
from ...user_config import read_config, server_host


def statusline_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude statusline`."""
    parser.add_argument("--format", metavar="TEXT", default="", help="another line, with the fields below")
    parser.add_argument("--first", metavar="COMMAND", default="", help="a command whose output comes first")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--install", action="store_true", help="show the line in Claude Code")
    what.add_argument("--uninstall", action="store_true", help="take that back")
    parser.add_argument(
        "--scope",
        choices=SCOPES,
        help="whose settings to change: yours everywhere (user, the default), or of this directory",
    )
    parser.add_argument(
        "--refresh",
        type=whole_number(0, 3600),
        metavar="SEC",
        default=REFRESH_SEC,
        help="also run it every SEC seconds, 0: only with each event (default: %(default)s)",
    )
    fields = [f"  {'{' + name + '}':12} {about}" for name, about in FIELDS.items()]
    parser.epilog = "\n".join(["fields of --format:", *fields])


def statusline(args: argparse.Namespace) -> int:
    """Print one line about the session, for Claude Code's setting statusLine.

      teamclaude statusline --install
      teamclaude statusline --install --format '{account} {5h} room {headroom}'

    The line tells of the account that serves this session: its use of the 5-hour
    window and of the week, how far that is ahead (+) or behind (-) of an even
    pace, and the time to the reset; then how much the pool can take, and the cost
    of this session. When the proxy gives no answer, it shows the last one with
    its age, or nothing.

    --install changes the setting statusLine. A command that is set there is kept:
    it runs first, and its output comes first. --uninstall gives the file its
    bytes back.
    """
    if args.install:
        return _install(args)
    if args.uninstall:
        return _uninstall(args)
    print_line(args.format, args.first, _configured_proxy)
    return 0


def _install(args: argparse.Namespace) -> int:
    problem = unknown_field(args.format)
    if problem:
        raise UsageError(f"--format: {problem}")
    if args.first:
        raise UsageError("--first: the command that is set now is kept anyway; set it there first")
    scope = args.scope or "user"
    file = settings_file(scope, os.environ, Path.cwd())
    change = install(EditedFiles(config_path(os.environ)), file, args.format, args.refresh)
    print(f"{file}: statusLine is {'as it was' if change.before == change.after else 'set'}")
    print("take it back with: teamclaude statusline --uninstall")
    higher = overriding(scope, os.environ, Path.cwd())
    if higher is not None:
        note(f"teamclaude: {higher} has a statusLine of its own, which is shown in this directory")
    return 0


def _uninstall(args: argparse.Namespace) -> int:
    files = EditedFiles(config_path(os.environ))
    wanted = files.files_of(OWNER)
    if args.scope:
        file = settings_file(args.scope, os.environ, Path.cwd())
        wanted = [each for each in wanted if os.path.realpath(each) == os.path.realpath(file)]
    if not wanted:
        print("nothing to take back: teamclaude statusline --install has set nothing here")
    for file in wanted:
        change = files.undo(file, OWNER)
        print(f"{file}: statusLine is {'yours: it was changed, and stays' if change.kept else 'as before'}")
    return 0


def _configured_proxy() -> ProxyAddress:
    """Return the proxy for a line outside of Claude Code; raise ConfigError or UsageError.

    It is that of TEAMCLAUDE_URL, else of the config file.
    """
    named = os.environ.get("TEAMCLAUDE_URL", "").strip()
    if named:
        from ...remote.address import parse_address

        at = parse_address(named)
        return ProxyAddress(
            at.host, at.port, at.is_tls, os.environ.get("TEAMCLAUDE_KEY", "").strip(), at.prefix
        )
    _, config = read_config(or_url=True)
    proxy = config.proxy
    return ProxyAddress(server_host(proxy), proxy.port, proxy.tls is not None, proxy.api_key or "")
