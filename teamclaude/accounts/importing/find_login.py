"""Find the login of Claude Code on this machine: its credentials file, and on macOS the Keychain too.

On macOS both are looked at, since Claude Code asks the Keychain first and leaves old files behind: the one
that can be used wins, then the one that ends later, then the Keychain.  The choice is pure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Optional

from ...errors import TeamClaudeError
from ...values import NamedTuple
from ..config.config import AccountConfig
from ..config.value_types import UNPRINTABLE
from .claude_files import FILE_NAME, credentials_file
from .claude_login import CURE, MAX_BYTES, LoginSource, is_live, parse_login, unusable_reason
from .keychain import read_keychain

__all__ = ["FoundLogin", "find_login", "login_in", "named_source"]

KEYCHAIN = "the Keychain item of Claude Code"
TOKEN_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"


class FoundLogin(NamedTuple):
    """The login that was taken, and a line about the one that was not (empty: there was no other)."""

    source: LoginSource
    account: AccountConfig
    note: str = ""


class Candidate(NamedTuple):
    """A place where a login may be; without an account, `problem` says why."""

    label: str
    source: Optional[LoginSource] = None
    account: Optional[AccountConfig] = None
    problem: str = ""


def find_login(env: Mapping[str, str], named: Optional[str], platform: str, now: float) -> FoundLogin:
    """Return the login in the file `named` (or in the directory `named`), else Claude Code's own.

    Raise TeamClaudeError when there is none that can be used or renewed at `now` (epoch seconds).
    """
    if named:
        return login_in(named_source(named), now)
    found = _read_file(os.path.abspath(credentials_file(env)))
    places = [_read_keychain(env), found] if platform == "darwin" else [found]
    return choose_login(places, now, _not_logged_in(found.label, env))


def login_in(source: LoginSource, now: float) -> FoundLogin:
    """Return the login in a source; raise TeamClaudeError when it can't be used or renewed at `now`."""
    return choose_login([_parsed(source)], now, f"{source.label}: there is no login")


def choose_login(candidates: Sequence[Candidate], now: float, nothing: str) -> FoundLogin:
    """Return the best candidate, the first of equal ones; raise TeamClaudeError when none can be used.

    `nothing`: the error's text when every place is empty.
    """
    usable = [place for place in candidates if place.account and not unusable_reason(place.account, now)]
    if not usable:
        problems = [problem for problem in (_problem(place, now) for place in candidates) if problem]
        raise TeamClaudeError("; ".join(problems) or nothing)
    best = max(usable, key=lambda place: _rank(place, now))
    others = [_why_not(place, best, now) for place in candidates if place is not best]
    note = f"the login is taken from {best.label} ({'; '.join(filter(None, others))})" if any(others) else ""
    assert best.source is not None
    assert best.account is not None
    return FoundLogin(best.source, best.account, note)


def _rank(place: Candidate, now: float) -> tuple[bool, float]:
    assert place.account is not None
    return is_live(place.account, now), place.account.expires_at or 0.0


def _problem(place: Candidate, now: float) -> str:
    """Return why the place has no login that can be used, with its label; empty: there is nothing."""
    reason = unusable_reason(place.account, now) if place.account else ""
    return f"{place.label}: {reason}" if reason else place.problem


def _why_not(place: Candidate, best: Candidate, now: float) -> str:
    """Return why `best` is better, with the label; empty: there is nothing, or the same login."""
    if place.account is None or place.account == best.account:
        return _bare(place.problem)
    earlier = "its login ends no later" if is_live(place.account, now) else "its login has lapsed"
    return f"{place.label}: {_bare(unusable_reason(place.account, now)) or earlier}"


def _bare(problem: str) -> str:
    """Return why, without what to do about it: another login was found."""
    return problem.removesuffix(f"; {CURE}")


# --- the places ---------------------------------------------------------------------------------


def named_source(named: str) -> LoginSource:
    """Return the content of the file `named`, or of the credentials file in the directory `named`."""
    path = os.path.abspath(os.path.expanduser(named))
    for inside in (FILE_NAME, os.path.join(".claude", FILE_NAME)):
        if os.path.isdir(path) and os.path.exists(os.path.join(path, inside)):
            path = os.path.join(path, inside)
    if os.path.isdir(path):
        raise TeamClaudeError(f"{_label(path)}: this directory has no {FILE_NAME}")
    try:
        return _file_source(path)
    except FileNotFoundError:
        hint = "; in WSL drive C: is at /mnt/c" if named[1:3] in (":\\", ":/") and os.name == "posix" else ""
        raise TeamClaudeError(f"{_label(path)}: there is no such file{hint}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, error) from None


def _file_source(path: str) -> LoginSource:
    with open(path, "rb") as file:
        return LoginSource(file.read(MAX_BYTES + 1), _label(path), path)


def _label(path: str) -> str:
    """Return the path for a line of text: without line breaks and other control characters."""
    return UNPRINTABLE.sub("?", path)


def _unreadable(path: str, error: Exception) -> TeamClaudeError:
    return TeamClaudeError(f"{_label(path)}: can't read it: {getattr(error, 'strerror', None) or error}")


def _read_file(path: str) -> Candidate:
    try:
        return _parsed(_file_source(path))
    except FileNotFoundError:
        return Candidate(_label(path))
    except (OSError, ValueError) as error:
        return Candidate(_label(path), problem=str(_unreadable(path, error)))


def _read_keychain(env: Mapping[str, str]) -> Candidate:
    try:
        content = read_keychain(env)
    except TeamClaudeError as error:
        return Candidate(KEYCHAIN, problem=str(error))
    return Candidate(KEYCHAIN) if content is None else _parsed(LoginSource(content, KEYCHAIN))


def _parsed(source: LoginSource) -> Candidate:
    try:
        return Candidate(source.label, source, parse_login(source))
    except TeamClaudeError as error:
        return Candidate(source.label, source, problem=str(error))


def _not_logged_in(path: str, env: Mapping[str, str]) -> str:
    text = f"{path}: Claude Code is not logged in here; run teamclaude login instead"
    if env.get(TOKEN_VARIABLE):
        return f"{text}, or teamclaude login --token {TOKEN_VARIABLE}"
    if env.get("WSL_DISTRO_NAME"):
        return f"{text} (a login made on Windows: import --from /mnt/c/Users/YOU/.claude)"
    return text
