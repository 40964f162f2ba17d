"""The table of commands; run the one that the words name, and turn every ending into an exit status.

A command is a function in a module of `commands`: `name(args) -> int` with its --help text as docstring,
and `name_arguments(parser)`.  Only the module of the command that runs is imported.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

from .. import __version__
from ..errors import TeamClaudeError, UsageError
from ..values import NamedTuple
from .streams import is_output_error, output_failed
from .terminal import did_you_mean, has_color, note, width

__all__ = ["COMMANDS", "Command", "find_command", "parser_for", "run_guarded"]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Command(NamedTuple):
    """A row of the table.

    `target` is `module.function`, below the `commands` folder; `words` follow the name in a usage line.
    """

    name: str
    target: str
    words: str
    help: str


COMMANDS = (
    Command("server", "server.server.server", "[--port N]", "start the proxy"),
    Command(
        "service", "server.service.service", "ACTION", "run the server as a service: install, status, ..."
    ),
    Command("run", "client.run.run", "[ARGS...]", "run claude through the proxy"),
    Command("env", "client.env.env", "", "print the environment that points a client at the proxy"),
    Command("statusline", "client.statusline.statusline", "", "one line below Claude Code's prompt"),
    Command("setup", "client.setup.setup", "[TARGET]", "lead Claude Code to the proxy by settings, and back"),
    Command("restart", "server.restart.restart", "", "start the server's program again, without a gap"),
    Command(
        "drain", "server.restart.drain", "[--sec N]", "say that the server is not ready, and stop it then"
    ),
    Command("status", "reports.status", "", "what the running proxy is doing"),
    Command("usage", "usage.usage", "[--by WHAT]", "tokens and cost by day, account, model, project, ..."),
    Command("watch", "watch.watch", "[--url U]", "the Deck of a running server, here or on another machine"),
    Command("web", "web.web", "", "the page of the running server, in the browser"),
    Command("capacity", "reports.capacity", "", "can the pool take more work? (exit 0, 10 or 20)"),
    Command("mcp", "client.mcp.mcp", "", "answer agents: an MCP server on stdin and stdout"),
    Command("login", "account.login.login", "", "add an account, or renew its login"),
    Command("import", "account.import_.import_login", "", "import the login of Claude Code"),
    Command("accounts", "account.accounts.accounts", "[export NAME]", "list the accounts, or export one"),
    Command("remove", "account.edit_account.remove", "NAME", "remove an account from the config file"),
    Command("enable", "account.edit_account.enable", "NAME", "let an account serve requests again"),
    Command("disable", "account.edit_account.disable", "NAME", "keep an account out of service"),
    Command("priority", "account.edit_account.priority", "NAME N", "prefer accounts with a smaller number"),
    Command("switch", "switch.switch", "[NAME]", "pin the work to one account, or unpin it"),
    Command("api", "api.api", "PATH", "one API call with the credential of an account"),
    Command("explain", "reports.explain", "[ID]", "why a request went to its account"),
    Command("demo", "demo.demo", "", "the proxy with a fake API and fake sessions, without an account"),
    Command("alerts", "alerts.alerts", "[test]", "list the alerts, or try them out"),
    Command("record", "record.record", "on|off|status", "record the shape of your traffic, for the lab"),
    Command("lab", "lab.lab", "run", "routing policies compared on weeks of virtual traffic"),
    Command("doctor", "doctor.doctor", "[--fix]", "what is wrong here, why it matters, and what mends it"),
    Command("completion", "completion.completion", "SHELL", "completion of commands and names in a shell"),
    Command("version", "version.version", "", "versions of this program and of the running server"),
    Command("help", "help.help_on", "[TOPIC]", "this list, a command, or a page of the manual"),
)


# Its texts are English.  To look for translations of them loads locale: 2 ms of each command, and 0.3 MB.
# No parameter or subclass leaves the look-up out: ArgumentParser.__init__ makes it, and the public ways of
# gettext choose a language only after they have loaded locale.  Without effect all works, more slowly.
argparse.__dict__["_"] = str


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong word in one line, without the usage text."""

    words: Sequence[str] = ()  # that are parsed

    def error(self, message: str) -> NoReturn:
        if "invalid choice" in message:  # maybe of a word that an unknown option was given
            names = [word.partition("=")[0] for word in self.words if word.startswith("--")]
            unknown = [name for name in names if name != "--" and name not in self._option_string_actions]
            message = f"unrecognized arguments: {' '.join(unknown)}" if unknown else message
        raise UsageError(f"{message} ({self.prog} --help)")

    def reject_empty(self, parsed: argparse.Namespace) -> None:
        """Raise UsageError for an empty value, as of an unset variable: it would count as none."""
        for action in self._actions:
            if getattr(parsed, action.dest, None) == "" and "" not in (action.default, action.const):
                option = action.option_strings[-1] if action.option_strings else action.metavar
                self.error(f"{option} is empty: leave it out, or give a value")


def run_guarded(words: Sequence[str]) -> int:
    """Run the command; every error becomes one line on stderr (TEAMCLAUDE_DEBUG=1: with a traceback)."""
    # A character that the terminal can't show becomes a question mark instead of an exception.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return _dispatch(list(words))
    except SystemExit as end:  # argparse after --help
        return end.code if isinstance(end.code, int) else OK
    except BrokenPipeError as error:
        return output_failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except TeamClaudeError as error:
        return _report(str(error), USAGE if isinstance(error, UsageError) else FAILED)
    except Exception as error:
        if isinstance(error, OSError) and is_output_error(error):
            return output_failed(error)
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return _report(f"internal error: {what} (TEAMCLAUDE_DEBUG=1 shows where)", FAILED)
    finally:
        gc.enable()


def find_command(name: str) -> Command:
    """Return the command called `name`; raise UsageError that suggests the nearest name or the list."""
    for command in COMMANDS:
        if command.name == name:
            return command
    near = did_you_mean(name, [command.name for command in COMMANDS])
    raise UsageError(f'no command "{name}"{near or " (teamclaude help lists them)"}')


def parser_for(command: Command) -> Parser:
    """Return the parser of one command; the description is the docstring of its function."""
    module, name = _resolve(command)
    parser = Parser(
        prog=f"teamclaude {command.name}",
        description=_help_text(getattr(module, name)),
        # Each argument makes a formatter, which would load shutil for its width: 4 ms.
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=width(80) - 2),
        allow_abbrev=False,
    )
    # From 3.14 on argparse colours its help, and would read the environment in a way of its own.
    parser.__dict__["color"] = has_color(sys.stdout)
    version = f"teamclaude {__version__}"
    parser.add_argument("--version", action="version", version=version, help=argparse.SUPPRESS)
    getattr(module, f"{name}_arguments")(parser)
    return parser


def _help_text(command: Callable[..., Any]) -> str:
    """Return the docstring without its indentation (inspect and textwrap do that too: 6 and 1.4 ms)."""
    summary, *rest = (command.__doc__ or "").split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([summary, *(line[margin:].rstrip() for line in rest)]).strip()


def _resolve(command: Command) -> tuple[ModuleType, str]:
    """Import the command's module; return it and the name of the command's function."""
    module, _, name = command.target.rpartition(".")
    return importlib.import_module(f".commands.{module}", __package__), name


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        words = ["help"]
    if words[0].startswith("-"):
        raise UsageError(f"a command comes before {words[0]} (teamclaude help)")
    command = find_command(words[0])
    module, name = _resolve(command)
    rest = words[1:]
    if hasattr(module, "own_words"):  # `run` passes words on to claude
        rest = module.own_words(rest)
    parser = parser_for(command)
    parser.words = rest
    parsed = parser.parse_args(rest)
    parser.reject_empty(parsed)
    run = getattr(module, name)
    gc.enable()  # and not before: nothing that was loaded can be collected
    status: int = run(parsed)
    return status


def _report(line: str, status: int) -> int:
    if os.environ.get("TEAMCLAUDE_DEBUG"):
        import traceback

        traceback.print_exc()
    note(f"teamclaude: {line}")
    return status
