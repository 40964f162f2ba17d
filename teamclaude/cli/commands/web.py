"""The `web` command: open the page of the running server, signed in."""

from __future__ import annotations

import argparse
import os

from ...errors import TeamClaudeError, UsageError
from ..browser import has_browser, open_page
from ..remote.chosen import add_proxy_arguments, named_proxy
from ..terminal import note

ROLES = ("observer", "operator")
START_S = 10.0  # for the browser to start; one that runs until it is closed goes on without us


def web_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude web`."""
    parser.add_argument(
        "--role",
        choices=ROLES,
        help="observer: the page only looks; operator: it may also switch, disable and reload "
        "(default: the role of the key)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address, for a browser elsewhere"
    )
    add_proxy_arguments(parser)


def web(args: argparse.Namespace) -> int:
    """Open the web page of the running server.

    It is signed in by a code in the address that serves once, within a minute.
    With --url the address is only printed: other users of this machine could see
    the code in the words of the browser's process, and use it first.
    Without a code paste a key on the page: the proxy.apiKey, or that of an
    observer or operator in proxy.clients.
    """
    from ..proxy_client import configured_proxy

    remote = named_proxy(args)
    if remote is not None and remote.address.prefix:
        raise UsageError(f"the page works only at the root of a host, not below {remote.address.prefix}/")
    proxy = remote or configured_proxy(args.port, or_url=True)
    opens = remote is None and not args.no_browser and has_browser(os.environ)
    # Others on this machine see the command line of the browser: then the code is for our own user's alone.
    role = {"role": args.role} if args.role else {}
    reply = proxy.post("/teamclaude/page/login", {**role, "ownUserOnly": opens})
    code = reply.get("code") if isinstance(reply, dict) else None
    if not isinstance(code, str) or not (code.isascii() and code.isprintable() and len(code) < 200):
        raise TeamClaudeError(f"the proxy at {proxy.url} gave no code: is it an older version?")
    url = f"{proxy.url}/#code={code}"
    if not opens:
        if remote is None and not args.no_browser:
            note("There is no graphical browser here.")
        note("Open this address in a browser within a minute; it signs one in, once:\n")
        print(url)
        return 0
    failures: list[bool] = []
    thread = open_page(url, lambda: failures.append(True))
    note(f"The browser opens {proxy.url}/ (another one: teamclaude web --no-browser).")
    thread.join(START_S)
    if failures:
        raise TeamClaudeError("no browser could be started: teamclaude web --no-browser prints the address")
    return 0
