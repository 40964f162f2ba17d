"""Findings about the config file.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from ....brief import MOST_LINES, brief_list
from ...terminal import plural
from ..finding import Action, Finding, Fix, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.config_facts import ConfigFacts

__all__ = ["check_config"]

MISSING = Kind("config.missing", Level.WARNING, "It holds the accounts and the key of the proxy.")
GONE = Kind("config.gone", Level.ERROR, "The accounts and the key of the proxy were in it.")
UNREADABLE = Kind("config.unreadable", Level.ERROR, "No command works without it.")
INVALID = Kind(
    "config.invalid", Level.ERROR, "No command works with it; a running server keeps its old settings."
)
MODE = Kind("config.mode", Level.WARNING, "It holds credentials, which others can read now.")
OWNER = Kind("config.owner", Level.WARNING, "Its owner can read and change your logins.")
DIRECTORY = Kind("config.directory", Level.WARNING, "Who can replace the file decides where your logins go.")
COMMAND = Kind("config.command", Level.ERROR, "Nothing works, because what others write there would be run.")
UNKNOWN = Kind("config.unknown-key", Level.NOTE, "It has no effect: another version or program reads it.")
MISSPELT = Kind("config.misspelt-key", Level.WARNING, "It has no effect where it stands.")
ORIGINAL = Kind("config.original-key", Level.NOTE, "The file may be shared with the program that it is of.")
RULE = Kind("config.rule", Level.WARNING, "It does not do what it was written for.")
DUPLICATE = Kind(
    "config.duplicate-account", Level.NOTE, "Entries of one account count as one, with the newest login."
)
NO_ACCOUNT = Kind("config.no-account", Level.WARNING, "A server has nothing to serve requests with.")
ALL_DISABLED = Kind("config.all-disabled", Level.WARNING, "A server has nothing to serve requests with.")
NO_KEY = Kind(
    "config.no-key", Level.ERROR, "A server that other machines reach refuses to start without one."
)


def check_config(facts: ConfigFacts, shown: str, is_local: bool = True) -> Group:
    """Return what is wrong with the file; `shown` is its path for a person.

    `is_local`: only this machine can reach the server.
    """
    return Group("config", _summary(facts, shown), [*_file(facts), *_content(facts, is_local)])


def _summary(facts: ConfigFacts, shown: str) -> str:
    if facts.config is None:
        return shown
    return f"{shown}, {plural(len(facts.config.accounts), 'account')}"


def _file(facts: ConfigFacts) -> Iterator[Finding]:
    path = facts.path
    if not facts.exists and facts.has_state:
        yield GONE.found(
            f"{path} is gone, what was observed beside it is there",
            "a running server writes it again in seconds; else: teamclaude login (or import)",
        )
    elif not facts.exists:
        yield MISSING.found(f"there is no config file: {path}", "teamclaude login (or import) makes it")
    if facts.problem:
        yield UNREADABLE.found(f"{path} {facts.problem}", "put it right, or name another: TEAMCLAUDE_CONFIG")
    if facts.mode is not None and facts.mode & 0o077 and facts.owner is None:
        command = f"chmod 600 {quote(str(path))}"
        fix = Fix(command, Action("chmod", str(path), 0o600))
        # What others wrote may be a program that would be run then: its owner looks at it first.
        by_hand = _runs_what_others_write(facts)
        yield MODE.found(f"others can read {path} (mode {facts.mode:o})", command, None if by_hand else fix)
    if facts.owner is not None:
        yield OWNER.found(f"{path} belongs to another user (uid {facts.owner})", "use a file of your own")
    if _runs_what_others_write(facts):
        yield COMMAND.found(
            "a credentialCommand is refused in a file that others can change",
            "look whether it is as you left it, then let nobody but you write to the file and its directory",
        )
    for danger in facts.dangers:
        text, _, command = danger.partition("; run: ")
        yield DIRECTORY.found(text, command or "use a directory of your own")


def _runs_what_others_write(facts: ConfigFacts) -> bool:
    if facts.config is None or not any(account.credential_command for account in facts.config.accounts):
        return False
    return bool(facts.dangers) or facts.owner is not None or bool((facts.mode or 0) & 0o022)


def _content(facts: ConfigFacts, is_local: bool) -> Iterator[Finding]:
    if facts.invalid:
        yield INVALID.found(
            f"{facts.path}: {facts.invalid}", "mend that place in an editor (teamclaude help config)"
        )
    yield from _unknown(facts)
    for line in facts.original:
        yield ORIGINAL.found(line, "teamclaude help migrate")
    for line in facts.rules:
        yield RULE.found(line, "teamclaude help rules")
    for line in facts.duplicates:
        yield DUPLICATE.found(line, "teamclaude remove takes one out")
    if facts.config is None:
        return
    if not facts.config.accounts:
        yield NO_ACCOUNT.found("the config file has no accounts", "teamclaude login, or: teamclaude import")
    elif all(account.disabled for account in facts.config.accounts):
        yield ALL_DISABLED.found("all accounts are disabled", "teamclaude enable NAME")
    if not is_local and not facts.config.proxy.api_key:
        yield NO_KEY.found(
            "proxy.host lets other machines in, and there is no proxy.apiKey",
            "set proxy.apiKey, or proxy.host to localhost and start a server once, which makes one",
        )


def _unknown(facts: ConfigFacts) -> Iterator[Finding]:
    misspelt = [key for key in facts.unknown if key.meant]
    for key in misspelt[:MOST_LINES]:
        yield MISSPELT.found(f'the key "{key.path}" is no setting', f"perhaps {key.meant} was meant")
    others = [*(key for key in facts.unknown if not key.meant), *misspelt[MOST_LINES:]]
    if others:
        names = brief_list((key.path for key in others), MOST_LINES)
        yield UNKNOWN.found(f"no setting: {names}", "teamclaude help config lists the settings")
