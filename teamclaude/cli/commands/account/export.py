"""`accounts export`: an account as a file that `import --from` takes on another machine."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import stat
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Callable, Optional

from ....accounts.config.identity import find_name
from ....accounts.tokens.hand_over import (
    STDOUT,
    Unfinished,
    copy_problem,
    export_bytes,
    finish,
    hand_over,
    is_delivered,
    unfinished,
)
from ....errors import TeamClaudeError, UsageError
from ...proxy_client import ProxyClient, ProxyDownError
from ...terminal import note
from ...user_config import read_config

if TYPE_CHECKING:
    from ....accounts.config.config import AccountConfig, Config
    from ....accounts.config.config_file import ConfigFile

__all__ = ["export"]

Deliver = Callable[[bytes], None]


def export(args: argparse.Namespace) -> int:
    """Write the account NAME to --to; with --move, remove it here before."""
    if not args.name:
        raise UsageError("which account? teamclaude accounts export NAME")
    to = _destination(args.to)
    file, config = read_config()
    moves = unfinished(file, config)
    names = [account.name for account in config.accounts]
    if args.move:
        names += [move.name for move in moves if move.name not in names]
    name = find_name(names, args.name)
    account = next((account for account in config.accounts if account.name == name), None)
    move = next((move for move in moves if move.name == name), None) if account is None else None
    if move is not None and is_delivered(move, to):
        note(f"{to} has the login of {name} already: it is handed over")
        return 0
    with _opened(to) as deliver:
        if account is not None and not args.move:
            _copy(account, to, deliver)
        else:
            _move(file, config, account, move, to, deliver, args)
    return 0


def _destination(named: Optional[str]) -> str:
    """Return the absolute path, or STDOUT; a terminal is one only if it was named."""
    if named is None and sys.stdout.isatty():
        raise UsageError(
            "this prints a credential: give it a file with --to FILE, or a program with a pipe "
            "(--to - prints it here all the same)"
        )
    if named in (None, STDOUT):
        return STDOUT
    return os.path.abspath(os.path.expanduser(str(named)))


@contextlib.contextmanager
def _opened(to: str) -> Iterator[Deliver]:
    """Yield what writes to the destination; a new file (mode 0600) is made before anything is changed.

    It is removed if nothing was written to it.
    """
    if to == STDOUT:
        _restrict_redirected()
        yield _print
        return
    with contextlib.suppress(OSError, ValueError):
        if not os.path.islink(to) and os.path.isfile(to) and not os.path.getsize(to):
            os.unlink(to)  # of an attempt that was killed
    try:
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        raise UsageError(f"{to} is there already: name another file, or delete it") from None
    except (OSError, ValueError) as error:
        raise TeamClaudeError(f"{to}: can't make it: {getattr(error, 'strerror', None) or error}") from None
    written = False

    def write(data: bytes) -> None:
        nonlocal written
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
        written = True

    try:
        yield write
    finally:
        os.close(handle)
        if not written:
            with contextlib.suppress(OSError):
                os.unlink(to)


def _restrict_redirected() -> None:
    """Have the file that a shell made for stdout (`> FILE`) readable by us alone; its umask decided."""
    try:
        handle = sys.stdout.fileno()
        found = os.fstat(handle)
        if os.name != "nt" and stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
            os.fchmod(handle, 0o600)
    except ValueError:  # a stdout without a descriptor
        return
    except OSError as error:
        raise TeamClaudeError(
            f"others could read the file that stdout goes to, and it can't be closed to them: "
            f"{error.strerror or error}; use --to FILE"
        ) from None


def _print(data: bytes) -> None:
    sys.stdout.write(data.decode())
    sys.stdout.flush()


def _copy(account: AccountConfig, to: str, deliver: Deliver) -> None:
    problem = copy_problem(account)
    if problem:
        raise TeamClaudeError(problem)
    try:
        deliver(export_bytes(account, False))
    except OSError as error:
        raise TeamClaudeError(f"can't write to {to}: {error.strerror or error}") from None
    note(f"{account.name} is copied; it serves here as before")
    _tell_what_next(to)


def _move(
    file: ConfigFile,
    config: Config,
    account: Optional[AccountConfig],
    move: Optional[Unfinished],
    to: str,
    deliver: Deliver,
    args: argparse.Namespace,
) -> None:
    if account is not None:
        if account.import_from:
            raise TeamClaudeError(copy_problem(account))
        left = hand_over(file, account.key, to, deliver, lambda: _tell_servers(file, config, args.port))
        name = account.name
    else:
        assert move is not None
        left, name = finish(move, to, deliver), move.name
    note(f"{name} is handed over: it is no longer in {file.path}")
    _tell_what_next(to)
    if left:
        note(f"nobody can tell whether it was read: {left} has it until you delete that")


def _tell_what_next(to: str) -> None:
    if to != STDOUT:
        name = shlex.quote(os.path.basename(to))
        note(f"on the other machine: teamclaude import --from {name}, then delete the file")


def _tell_servers(file: ConfigFile, config: Config, port: Optional[int]) -> None:
    """Have the running servers read the file again; one that does not answer does so within seconds."""
    told = False
    for each in _ports(file, config, port):
        try:
            ProxyClient(config, file.path, each).post("/teamclaude/accounts/reload")
            told = True
        except ProxyDownError:
            pass
        except TeamClaudeError as error:
            note(f"teamclaude: the server on port {each} was not told, it sees it in some seconds: {error}")
    if told:
        note("the running proxy does not use it any more")


def _ports(file: ConfigFile, config: Config, port: Optional[int]) -> list[int]:
    """Return the port that was named, or the config file's, and those of other servers with the file here."""
    from ....proxy.lifecycle.server_presence import machine_id, other_servers, presence_directory

    running = other_servers(presence_directory(file.path), tidy=False)
    ports = [each.port for each in running if each.machine == machine_id() and not each.ending]
    return [each for each in dict.fromkeys([port or config.proxy.port, *ports]) if each]
