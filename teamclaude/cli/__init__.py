"""The command line: `main`, the table of commands, and the code they share; the only folder that prints.

Data goes to stdout, messages to stderr.  `main` imports only the module of the command that runs:
`--version` and `statusline` load no argparse.  Nothing below this folder imports it.

- account_rows: accounts as rows: the config file's values with the proxy's status
- add_account: store the account that `login` or `import` obtained
- arguments: argparse types for numbers, and options that several commands share
- browser: open a page in the browser
- claude_code: Claude Code's login, settings files and environment on this machine
- commands: the commands themselves
- deck_page: the Deck on a terminal, or as plain text
- dispatch: the table of commands, and the exit status of every ending
- http_exchange: one request to a server, and its answer as it arrives
- lab: the lab's subcommands and their options
- doctor: what `doctor` examines, and how it tells it
- launch: how `run` and `env` lead a client to the proxy
- login_secret: the logins that take a secret: an API key, a token of `claude setup-token`
- mcp: the Model Context Protocol server: messages, tools, and its loop
- own_proxy: keep a server from using itself as its proxy
- parsers: what is generated from the parsers: completion, the man page
- proxy_client: the HTTP client of a running proxy
- remote: servers that are named by their addresses: on other machines, or several as one pool
- secret_prompt: ask for a secret without echo; a paste may have several lines
- server_log: what a running server prints and logs, as text or JSON
- server_processes: the processes of one server that follow each other by restarts
- settings_edit: edits of other programs' settings files, and their undoing
- service: the server as a service of systemd or launchd
- setup: what the command `setup` writes into settings files, and the texts it prints
- signals: run a server until it ends, and handle signals meanwhile
- status_line: the line that `statusline` prints below Claude Code's prompt
- streams: stdin, stdout and stderr that are closed, full, or a broken pipe
- terminal: what the terminal can show, and questions to a person
- usage: what `usage` prints: tables and bars; and its import
- user_config: the user's config file as a command opens it, and its server's address
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import Optional

__all__ = ["main"]


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command; return the exit status: 0 ok, 1 failure, 2 usage, 130 interrupted."""
    from .streams import flush_streams, output_failed, reopen_closed_streams

    reopen_closed_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        from .. import __version__

        try:
            print(f"teamclaude {__version__}")
        except OSError as error:  # unbuffered output; buffered output fails in flush_streams
            return flush_streams(output_failed(error))
        return flush_streams(0)
    if words[:1] == ["statusline"]:  # Claude Code runs it with every update: no argparse (8 ms)
        from .status_line.output import print_for_client

        if print_for_client(words[1:]):
            return flush_streams(0)
    if words[:2] == ["completion", "--names"] and len(words) == 3:  # at a press of a key
        import importlib  # as for commands: this folder is below theirs

        names = importlib.import_module(".parsers.names", __package__)
        if words[2] in names.KINDS:
            names.print_names(words[2])
            return flush_streams(0)
    import gc

    gc.disable()  # until the command begins: nothing that is loaded can be collected, 3 % of a server's start
    from .dispatch import run_guarded

    return flush_streams(run_guarded(words))
