"""The table of commands: what `teamclaude help` lists, and the module loaded for each name."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "Command", "find_command"]


class Command(NamedTuple):
    """`module` is a file of this package; `words` follow the name in a usage line."""

    name: str
    module: str
    words: str
    help: str


COMMANDS = (
    Command("server", "server", "[--port N]", "start the proxy"),
    Command("run", "run", "[ARGS...]", "run claude through the proxy"),
    Command("env", "env", "", "print the environment that leads a client to the proxy"),
    Command("status", "status", "", "what the running proxy is doing"),
    Command("watch", "watch", "[--url U]", "the Deck of a running server, also of another machine's"),
    Command("capacity", "capacity", "", "can the pool take more work? (exit 0, 10 or 20)"),
    Command("login", "login", "", "add an account, or renew its login"),
    Command("import", "import_", "", "take over the login of Claude Code"),
    Command("accounts", "accounts", "", "list the accounts of the config file"),
    Command("remove", "remove", "NAME", "remove an account from the config file"),
    Command("enable", "enable", "NAME", "let an account serve requests again"),
    Command("disable", "disable", "NAME", "keep an account out of service"),
    Command("priority", "priority", "NAME N", "prefer accounts with a smaller number"),
    Command("switch", "switch", "[NAME]", "pin the work to one account, or let it go again"),
    Command("api", "api", "PATH", "one API call with the credential of an account"),
    Command("explain", "explain", "[ID]", "why a request went where it went"),
    Command("demo", "demo", "", "the whole thing with a fake API and no account"),
    Command("record", "record", "on|off|status", "write down your traffic's shape, for the lab"),
    Command("lab", "lab", "run", "routing policies compared on weeks of virtual traffic"),
    Command("help", "help", "[TOPIC]", "this list, a command, or a page of the manual"),
)


def find_command(name: str) -> Command:
    """Return the command called `name`; raise UsageError that suggests the nearest name."""
    for command in COMMANDS:
        if command.name == name:
            return command
    from ..errors import UsageError
    from .words import did_you_mean

    raise UsageError(f'no command "{name}"{did_you_mean(name, [command.name for command in COMMANDS])}')
