"""The `doctor` command: examine what may be wrong here, and mend what can be mended safely."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...accounts.config.config_file import config_path
from ...errors import TeamClaudeError, UsageError
from ..remote.chosen import add_proxy_arguments, named_proxy
from ..terminal import confirm, has_color, is_interactive, note, shown, width

if TYPE_CHECKING:
    from ..doctor.finding import Group
    from ..doctor.subject import Subject

TIMEOUT_S = 5.0  # for a server elsewhere


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude doctor`."""
    parser.add_argument("--json", action="store_true", help="everything as JSON, for scripts")
    parser.add_argument(
        "--online", action="store_true", help="also ask the API: one request without credential"
    )
    parser.add_argument(
        "--fix", action="store_true", help="mend what can be mended safely; asks before each step"
    )
    parser.add_argument("--yes", action="store_true", help="with --fix: don't ask")
    parser.add_argument("-q", "--quiet", action="store_true", help="leave notes out")
    add_proxy_arguments(parser)


def doctor(args: argparse.Namespace) -> int:
    """Say what is wrong here, why it matters, and which command mends it.

    It looks at Python and this program, the config file, the server, Claude Code
    and its settings, proxies and certificates, logins, this machine, and what a
    server has written. Nothing is changed without --fix, nothing is sent to other
    machines without --online or --url, and no credential is shown.

    --fix takes others' rights to your files, removes what a crash has left, and
    runs teamclaude restart or setup where that helps; it asks before each.

    Exit status: 0 all well (notes don't count), 1 something to look at, 2 something
    that does not work, or wrong usage. All findings: teamclaude help doctor
    """
    if args.yes and not args.fix:
        raise UsageError("--yes goes with --fix")
    if args.fix and not args.yes and (args.json or not is_interactive()):
        raise UsageError("--fix asks before each step, and nobody can answer here: add --yes")
    from ..doctor.examination import examine
    from ..doctor.finding import worst

    subject = _subject(args)
    groups = examine(subject)
    if not args.json:
        _print(groups, args)
    fixed = _fix(groups, args.yes) if args.fix else []
    if fixed:
        groups = examine(_subject(args))
    if args.json:
        from ..doctor.report import report_json

        print(json.dumps(report_json(groups, fixed), indent=2))
    elif fixed:
        _print(groups, args)
    return worst(each for group in groups for each in group.findings).exit_status


def _subject(args: argparse.Namespace) -> Subject:
    from ..doctor.subject import Subject

    return Subject(
        dict(os.environ),
        _working_directory(),
        time.time(),
        config_path(os.environ),
        port=args.port,
        online=args.online,
        remote=named_proxy(args, TIMEOUT_S),
    )


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return Path(os.path.abspath(os.sep))


def _print(groups: Sequence[Group], args: argparse.Namespace) -> None:
    from ..doctor.finding import Level, worst
    from ..doctor.report import report_lines

    columns = width() if sys.stdout.isatty() else 100
    print("\n".join(report_lines(groups, columns, has_color(sys.stdout), not args.quiet)), flush=True)
    findings = [each for group in groups for each in group.findings]
    if worst(findings) < Level.WARNING:
        print("all is well")
    elif not args.fix and any(each.fix for each in findings):
        print("teamclaude doctor --fix offers to mend some of this")


def _fix(groups: Sequence[Group], yes: bool) -> list[str]:
    """Do what is agreed to; return it in words."""
    from ..doctor.repair import fixes_of, repair

    done = []
    for fix in fixes_of(each for group in groups for each in group.findings):
        if not (yes or confirm(f"{shown(fix.what)}?")):
            continue
        try:
            repair(fix, _run)
        except TeamClaudeError as error:
            note(f"teamclaude: {error}")
        else:
            done.append(fix.what)
            note(f"done: {fix.what}")
    return done


def _run(words: Sequence[str]) -> int:
    """Run a command of ours in this process; what it prints goes to stderr, beside the report's own lines."""
    from ..dispatch import run_guarded

    with contextlib.redirect_stdout(sys.stderr):
        return run_guarded(words)
