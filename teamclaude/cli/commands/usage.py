"""The `usage` command: what was used, as a table, as bars, as JSON or CSV; and its import."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING

from ...errors import ConfigError, HistoryError, UsageError
from ..arguments import whole_number
from ..remote.chosen import add_proxy_arguments, named_proxy
from ..terminal import has_color, width

if TYPE_CHECKING:
    from ...accounts.config.config import Config
    from ...history.reports.question import Question
    from ...history.reports.report import UsageReport
    from ..remote.client import RemoteProxyClient

DEFAULT_LIMIT = 40  # rows of names on a terminal
MAX_LIMIT = 1_000_000
MOST_THERE = 10_000  # rows of one answer of a server
STEPS = ("hour", "day", "week", "month")  # history.rows.STEPS, without loading it
PIPE_CELLS = 400  # no column of a file or pipe is left out


def usage_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude usage`."""
    parser.add_argument(
        "--by",
        metavar="WHAT",
        help="hour, day (default), week, month, account, model, project, client, issue, session or source; "
        "one by time and one other: day,account",
    )
    parser.add_argument("--since", metavar="T", help="7d, 24h, yesterday, monday, 2026-11-29, 2026-11, all")
    parser.add_argument("--until", metavar="T", help="the same; a day is included whole")
    parser.add_argument(
        "--limit",
        type=whole_number(0, MAX_LIMIT),
        metavar="N",
        help=f"rows, the dearest or latest (0: all; on a terminal {DEFAULT_LIMIT} of names)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--chart", action="store_true", help="bars (on a terminal the default by time)")
    form.add_argument("--table", action="store_true", help="a table (everywhere else the default)")
    form.add_argument("--json", action="store_true", help="every number as JSON, for scripts")
    form.add_argument("--csv", action="store_true", help="the rows as CSV, for spreadsheets")
    parser.add_argument(
        "--import",
        dest="directories",
        nargs="*",
        metavar="DIR",
        help="read the time before from Claude Code's transcripts (default: yours)",
    )
    add_proxy_arguments(parser)


def usage(args: argparse.Namespace) -> int:
    """Show the tokens that were used, their cost at list prices, and by whom.

      teamclaude usage                     the last 30 days, a bar for each
      teamclaude usage --by hour           the last day
      teamclaude usage --by project --since monday
      teamclaude usage --by month,account --json
      teamclaude usage --import            also the time before the history
                                           began, from Claude Code's transcripts

    It reads the history file; the server need not run. What a running server did
    in the last 10 seconds may be missing. With --url (or TEAMCLAUDE_URL) it asks
    that server, in whose time zone days begin.

    A dash is an unknown value, ~ an estimate, + a lower bound, * comes from
    transcripts. More: teamclaude help usage
    """
    from ...accounts.config.state_place import state_place
    from ..user_config import read_config

    remote = named_proxy(args)
    if remote is not None:
        print(_remote_report(remote, args))
        return 0
    file, config = read_config(or_url=True)
    path = str(state_place(file.path, "history.db"))
    if args.directories is not None:
        from ..usage.importing import import_transcripts

        _refuse_report_options(args)
        return import_transcripts(path, config, args.directories, now)
    question = _question(args)
    _check_there_is_one(path, config)
    report = _report(path, question, durations=args.json)
    print(_rendered(report, args))
    return 0


def _remote_report(proxy: RemoteProxyClient, args: argparse.Namespace) -> str:
    """Return the report of a server elsewhere, as the options want it."""
    from urllib.parse import urlencode

    from ...history.reports.report import SCHEMA
    from ...history.reports.report_json import report_from_json
    from ..remote.newer import note_if_newer

    if args.directories is not None:
        raise UsageError("--import reads into the history file of this machine: leave --url out")
    by, plain = args.by or "day", not (args.json or args.csv)
    cut = plain and args.limit is None and is_terminal()
    limit = DEFAULT_LIMIT if cut and not by.startswith(STEPS) else args.limit or MOST_THERE
    asked = {"by": by, "since": args.since, "until": args.until, "limit": min(limit, MOST_THERE)}
    path = f"/teamclaude/usage?{urlencode({name: text for name, text in asked.items() if text})}"
    if args.csv:
        from ..terminal import shown

        return shown(proxy.get_text(f"{path}&format=csv").rstrip("\r\n").replace("\r\n", "\n"))
    answer = proxy.get(path)
    note_if_newer(proxy.url, answer, SCHEMA)
    return json.dumps(answer, indent=2) if args.json else _rendered(report_from_json(answer), args)


def now() -> float:
    """Return the time in epoch seconds."""
    return time.time()


def is_terminal() -> bool:
    """Return whether a person looks at stdout."""
    return sys.stdout.isatty()


def _check_there_is_one(path: str, config: Config) -> None:
    if not os.path.exists(path):
        if not config.history:
            raise ConfigError('the config file says "history": false: nothing is kept that could be shown')
        raise HistoryError(
            "there is no history yet: teamclaude server begins it with the first request; "
            "teamclaude usage --import reads the time before from Claude Code's transcripts"
        )


def _refuse_report_options(args: argparse.Namespace) -> None:
    if args.by or args.since or args.until or args.limit or args.json or args.csv or args.chart or args.table:
        raise UsageError("--import goes with no other option: show the result with a second teamclaude usage")


def _question(args: argparse.Namespace) -> Question:
    from ...history.reports.question import parse_question

    question = parse_question(args.by or "day", args.since, args.until, now(), args.limit or 0)
    cut = args.limit is None and question.step is None and not (args.json or args.csv)
    return question._replace(limit=DEFAULT_LIMIT) if cut and is_terminal() else question


def _report(path: str, question: Question, durations: bool) -> UsageReport:
    from ...history.reader import HistoryReader
    from ...history.reports.report import report_of

    with HistoryReader(path) as reader:
        return report_of(reader, question, durations=durations)


def _rendered(report: UsageReport, args: argparse.Namespace) -> str:
    if args.json:
        return json.dumps(report.to_json(), indent=2, ensure_ascii=False)
    if args.csv:
        from ...history.reports.report_csv import csv_text

        return csv_text(report).rstrip("\r\n").replace("\r\n", "\n")
    if not report.rows:
        from ..usage.table import heading_line

        return f"{heading_line(report)}: nothing was used (--since all shows everything)"
    return "\n".join(_lines(report, args))


def _lines(report: UsageReport, args: argparse.Namespace) -> list[str]:
    from ...deck.text.cells import ascii_text
    from ...deck.text.spans import ansi_text, plain_text
    from ..deck_page import shows_ascii
    from ..usage.bars import bar_lines
    from ..usage.table import table

    cells, ascii = max(40, width()), shows_ascii(sys.stdout)
    by_time_alone = report.question.step is not None and len(report.question.by) == 1
    if args.chart or (by_time_alone and not args.table and is_terminal()):
        color = has_color(sys.stdout)
        drawn = bar_lines(report, cells, ascii, now())
        lines = [ansi_text(each, 8).rstrip() if color else plain_text(each) for each in drawn]
    else:
        lines = table(report, cells if is_terminal() or "COLUMNS" in os.environ else PIPE_CELLS)
    return [ascii_text(each) for each in lines] if ascii else lines
