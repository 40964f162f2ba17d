"""The commands `restart` and `drain`: what the running server is to do with itself."""

from __future__ import annotations

import argparse

from ....errors import TeamClaudeError
from ...arguments import number
from ...remote.chosen import add_proxy_arguments, chosen_proxy
from ...terminal import note, plural

RESTART_TIMEOUT_SEC = 60.0  # the server gives the new program 45
MAX_ANNOUNCE_SEC = 86400
FAILED = 500  # the new program can't serve; with other statuses none was started


def restart_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude restart`."""
    add_proxy_arguments(parser)


def restart(args: argparse.Namespace) -> int:
    """Start the server's program again: a new version, or settings of the start.

    The new process takes the listening sockets over, so that no connection is
    refused, and what the old one knows, so that no conversation changes its
    account. Answers that run, and requests that wait for an account, finish in
    the old process (restartDrainSec, two hours by default). If the new program
    can't start, the old one goes on, and the reason is told here.

    kill -USR2 does the same. Not on Windows. See: teamclaude help lifecycle
    """
    from ...proxy_client import ProxyRefusedError

    try:
        answer = chosen_proxy(args, RESTART_TIMEOUT_SEC).post("/teamclaude/restart", {})
    except ProxyRefusedError as error:
        if error.status != FAILED:
            raise
        raise TeamClaudeError(f"not restarted, the server goes on as before: {error}") from error
    rest = answer.get("requests") or 0
    finishes = f"; {plural(rest, 'request')} to finish in the old process" if rest else ""
    note(f"process {answer.get('pid')} serves now (version {answer.get('version')}){finishes}")
    return 0


def drain_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude drain`."""
    parser.add_argument(
        "--sec",
        type=number(0, MAX_ANNOUNCE_SEC),
        metavar="N",
        help="how long it is not ready before it stops (default: drainAnnounceSec)",
    )
    add_proxy_arguments(parser)


def drain(args: argparse.Namespace) -> int:
    """Take the server out of a load balancer's list, and stop it.

    GET /health/ready answers 503 from now on, while requests are served as before.
    After N seconds the server stops as with SIGTERM: answers that run may finish
    for drainSec seconds. A second drain, or SIGTERM, does not wait for N.

    kill -USR1 does the same. See: teamclaude help lifecycle
    """
    answer = chosen_proxy(args).post("/teamclaude/drain", {} if args.sec is None else {"sec": args.sec})
    seconds = answer.get("announceSec") or 0
    when = f"it stops in {seconds:g} s" if seconds else "it stops now"
    note(
        f"the server is not ready any more; {when} ({plural(answer.get('requests') or 0, 'request')} running)"
    )
    return 0
