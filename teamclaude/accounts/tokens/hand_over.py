"""Hand a login to another machine: it leaves this config file before anything else can have it.

A refresh token works once, so a copy would log one of the two machines out.  The order:

1. take the account's lock, shared with the server's refreshes: none is under way, and the next one finds
   the account gone from the file;
2. write the login durably into a record beside the config, X.tokens/<hash>.moving (mode 0600);
3. remove the account from the config file;
4. have the running server read the file again: it sends no more requests with it;
5. deliver the login: write the file that travels, or stdout;
6. remove the record; not after stdout, since nobody knows whether the other side has read it.

After a crash before 3 the login is in the config file, and the record is removed when it is seen.  After a
crash behind 3 the record has it, which `unfinished` tells of: the same command finishes it, and an import of
the record takes it back.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

from ... import __version__
from ...errors import ConfigError, TeamClaudeError
from ...values import NamedTuple
from ..config.atomic_write import replace_keeping_owner
from ..config.config import AccountConfig, Config
from ..config.config_file import ConfigFile
from ..config.edits import account_json, remove_account
from ..config.file_lock import FileLock
from ..config.identity import index_of
from ..config.json_file import encode, json_object
from .refresh_journal import RefreshJournal, token_directory, token_side_path

__all__ = [
    "STDOUT",
    "Unfinished",
    "copy_problem",
    "export_bytes",
    "finish",
    "hand_over",
    "is_delivered",
    "unfinished",
]

# Longer than one call to the token endpoint.
LOCK_TIMEOUT_SEC = 45.0
ENDING = ".moving"
REMEDIES = "teamclaude accounts export --move finishes it, teamclaude import --from takes it back"
STDOUT = "-"  # as the place that a login was delivered to


class Unfinished(NamedTuple):
    """A record of a login that left the config file; `to`: where it was to be delivered."""

    name: str
    to: str
    path: str
    data: bytes

    def __str__(self) -> str:
        if self.to == STDOUT:
            return (
                f"{self.name} was handed over on stdout, and {self.path} still has its login: delete that "
                f"when the other machine has it; teamclaude import --from takes it back"
            )
        return (
            f"the hand-over of {self.name} was interrupted, and its login is in {self.path} (perhaps in "
            f"{self.to}, too): {REMEDIES}"
        )


def copy_problem(account: AccountConfig) -> str:
    """Return why a copy of the account's credentials must not be made; an empty text: it may."""
    if account.import_from:
        return (
            f"{account.name} follows {account.import_from}, a login of Claude Code: there is nothing to hand "
            "over; on the other machine: teamclaude login"
        )
    if account.refresh_token:
        return (
            f"{account.name} is a login whose refresh token works once: a copy would log one of the two "
            "machines out. --move hands it over; to use both: teamclaude login on the other machine"
        )
    return ""


def export_bytes(account: AccountConfig, moved: bool, to: str = "") -> bytes:
    """Return the account as a config file that `import --from` takes."""
    about: dict[str, Any] = {"by": f"teamclaude {__version__}", "moved": moved}
    if to:
        about["to"] = to
    return encode({"exported": about, "accounts": [account_json(account)]})


def hand_over(
    file: ConfigFile,
    key: str,
    to: str,
    deliver: Callable[[bytes], None],
    on_removed: Callable[[], None],
) -> str:
    """Hand over the account with this key by the steps above; return the record's path if it stays.

    `deliver` writes the login to its place, `to`; `on_removed` tells the server.  Raise TeamClaudeError; its
    text says where the login is if that is no longer the config file.
    """
    found = _find(file.load(), key)
    side = token_side_path(file.path, found.account_uuid or found.name)
    with _locked(side):
        account = _find(file.load(), key)
        _check_journal(account, side)
        record = side + ENDING
        data = export_bytes(account, True, to)
        try:
            replace_keeping_owner(record, data)
        except OSError as error:
            raise ConfigError(f"{record}: can't write it: {error.strerror}") from None
        try:
            file.update(lambda raw: _remove(raw, account))
        except TeamClaudeError:
            _unlink(record)
            raise
        on_removed()
        return _deliver(Unfinished(account.name, to, record, data), deliver)


def finish(move: Unfinished, to: str, deliver: Callable[[bytes], None]) -> str:
    """Deliver a login that has left the config file already; return and raise as hand_over does."""
    raw = json_object(move.data) or {}
    raw["exported"] = {**raw.get("exported", {}), "to": to}
    try:
        replace_keeping_owner(move.path, encode(raw))
    except OSError as error:
        raise ConfigError(f"{move.path}: can't write it: {error.strerror}") from None
    return _deliver(move._replace(to=to, data=encode(raw)), deliver)


def is_delivered(move: Unfinished, to: str) -> bool:
    """Return whether the file `to` has the whole login; then remove the record, which is all that is left."""
    try:
        done = to == move.to and Path(to).read_bytes() == move.data
    except OSError:
        return False
    if done:
        _unlink(move.path)
    return done


def _deliver(move: Unfinished, deliver: Callable[[bytes], None]) -> str:
    try:
        deliver(move.data)
    except OSError as error:
        where = "stdout" if move.to == STDOUT else move.to
        raise TeamClaudeError(
            f"can't write to {where}: {error.strerror or error}; the login of {move.name} is in {move.path}: "
            f"{REMEDIES}"
        ) from None
    if move.to == STDOUT:
        return move.path
    _unlink(move.path)
    return ""


def unfinished(file: ConfigFile, config: Config) -> list[Unfinished]:
    """Return the logins that have left the config file and may not have arrived.

    Remove records of logins that the file still has.
    """
    directory = token_directory(file.path)
    found = []
    with contextlib.suppress(OSError):  # mostly there is no directory
        for name in sorted(os.listdir(directory)):
            if name.endswith(ENDING):
                found.append(_read(os.path.join(directory, name)))
    result = []
    for move in found:
        if move is not None and _is_here(move, config):
            _unlink(move.path)
        elif move is not None:
            result.append(move)
    return result


def _read(path: str) -> Optional[Unfinished]:
    try:
        data = Path(path).read_bytes()
    except OSError:
        return None
    raw = json_object(data) or {}
    about, accounts = raw.get("exported"), raw.get("accounts")
    entry = accounts[0] if isinstance(accounts, list) and accounts else None
    if not isinstance(about, dict) or not isinstance(entry, dict):
        return None
    return Unfinished(str(entry.get("name")), str(about.get("to")), path, data)


def _is_here(move: Unfinished, config: Config) -> bool:
    entry = json.loads(move.data)["accounts"][0]
    theirs = {entry.get(key) for key in ("accessToken", "refreshToken", "apiKey")} - {None}
    ours = ({each.access_token, each.refresh_token, each.api_key} for each in config.accounts)
    return any(theirs & secrets for secrets in ours)


# --- the steps ----------------------------------------------------------------------------------


def _find(config: Config, key: str) -> AccountConfig:
    place = index_of(config.accounts, key)
    if place is None:
        raise ConfigError("the account is not in the config file any more")
    return config.accounts[place]


@contextlib.contextmanager
def _locked(side: str) -> Iterator[None]:
    lock = FileLock(f"{side}.lock", LOCK_TIMEOUT_SEC)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock)
        except TimeoutError:
            raise ConfigError(
                "its login is being renewed, or the server has new tokens of it that it can't store "
                "(teamclaude accounts -v); nothing has changed"
            ) from None
        except OSError as error:
            raise ConfigError(f"{side}.lock: can't lock it: {error.strerror or error}") from None
        yield


def _check_journal(account: AccountConfig, side: str) -> None:
    """Raise ConfigError if the refresh token may be spent: the login to hand over is another one then."""
    if account.refresh_token is None:
        return
    journal = RefreshJournal(os.path.dirname(side), account.refresh_token)
    if journal.refused_at is not None:
        raise ConfigError(f"the login of {account.name} has ended: log in anew, there or here")
    if journal.started_at is not None:
        raise ConfigError(
            f"a renewal of {account.name} was interrupted: start teamclaude server, which finishes it, "
            "then hand it over"
        )


def _remove(raw: dict[str, Any], account: AccountConfig) -> None:
    removed = remove_account(raw, account.key)
    if (removed.access_token, removed.refresh_token) != (account.access_token, account.refresh_token):
        raise ConfigError(f"{account.name} has got another login just now: do it again")


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
