"""The `api` command: one API request through the proxy, printed as it arrives."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Optional

from ...accounts.config.identity import find_account
from ...errors import TeamClaudeError, UsageError
from ..claude_code.environment import account_header
from ..remote.chosen import add_proxy_arguments, named_proxy
from ..terminal import note
from ..user_config import read_config

if TYPE_CHECKING:
    from ..proxy_client import ProxyClient

# A model may think this long before the response begins.
PATIENCE_S = 600.0
VERSION = "2023-06-01"  # of the API; the only one there is


def api_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude api`."""
    parser.add_argument("path", metavar="PATH", help="for example /v1/models")
    parser.add_argument("--account", metavar="NAME", help="use this account and no other")
    parser.add_argument("--method", metavar="M", help="default: POST with --data, else GET")
    parser.add_argument("--data", metavar="JSON", help="body; @FILE reads a file, - reads stdin")
    add_proxy_arguments(parser)


def api(args: argparse.Namespace) -> int:
    """Make one API call with the credential of an account, through the running proxy.

      teamclaude api /v1/models
      teamclaude api /v1/messages --data @request.json

    The status and headers go to stderr, the body to stdout. The exit status is 0
    only for an HTTP status below 400.
    """
    proxy, name = _proxy_and_account(args)
    headers = {"anthropic-version": VERSION, "Accept": "*/*"}
    if name is not None:
        headers["x-teamclaude-account"] = account_header(name)
    body = _body(args.data)
    method = (args.method or ("GET" if body is None else "POST")).upper()
    if not method.isalpha():
        raise UsageError(f"--method {args.method}: not an HTTP method")
    with proxy.request(method, _path(args.path), body, headers) as answer:
        note(f"{answer.status} {answer.reason}")
        for header, value in answer.headers:
            note(f"{header}: {value}")
        last = b""
        for chunk in answer.chunks():
            last = chunk[-1:]
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    if sys.stdout.isatty() and last not in (b"", b"\n"):
        print()  # so that the prompt starts on a new line
    return 0 if answer.status < 400 else 1


def _proxy_and_account(args: argparse.Namespace) -> tuple[ProxyClient, Optional[str]]:
    """Return the server, and the name of the account that is wanted."""
    from ..proxy_client import ProxyClient

    remote = named_proxy(args, PATIENCE_S)
    if remote is not None:
        from ..remote.launching import account_there

        return remote, account_there(remote, args.account) if args.account else None
    file, config = read_config(or_url=True)
    name = find_account(config.accounts, args.account).name if args.account else None
    return ProxyClient(config, file.path, args.port, PATIENCE_S), name


def _path(path: str) -> str:
    if "://" in path:
        raise UsageError(f"{path}: give the path alone; the proxy knows the host")
    if not path.isascii() or any(char <= " " or char == "\x7f" for char in path):
        raise UsageError("PATH holds spaces, controls or characters outside ASCII: encode them as %XX")
    return path if path.startswith("/") else f"/{path}"


def _body(data: Optional[str]) -> Optional[bytes]:
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode()
    try:
        with open(data[1:], "rb") as file:
            return file.read()
    except OSError as error:
        raise TeamClaudeError(f"{data[1:]}: can't read it: {error.strerror or error}") from error
