"""Edit settings files of other programs, and take every edit back.

Rules:
1. A file is replaced atomically; its mode and owner stay, and a symbolic link stays a link.  A missing file
   is made for its owner only (0600, directories 0700).
2. Before a file is replaced its record is written to our own directory (0700), beside the config file; the
   record goes when the last edit is taken back.  edit_record.py decides what is written.
3. The file is read again just before it is replaced.  If another program has changed it meanwhile, the edit
   starts anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Optional

from ...accounts.config.atomic_write import (
    make_private_directory,
    missing_directories,
    write_private,
    written_beside,
)
from ...accounts.config.config_file import path_beside
from ...accounts.config.file_lock import FileLock
from ...errors import TeamClaudeError
from ...values import NamedTuple
from .edit_record import Edit, Record, Step, add_edits, drop_edits
from .json_edit import JsonTextError
from .json_edit import Path as JsonPath

__all__ = ["Change", "EditedFiles", "undo_directory"]

ATTEMPTS = 5  # to write a file that another program writes, too


class Change(NamedTuple):
    """What a file was and is; None: no file.  `kept` are our paths that others have changed: they stay."""

    file: str
    before: Optional[bytes]
    after: Optional[bytes]
    kept: Sequence[JsonPath] = ()


def undo_directory(config: Path) -> Path:
    """Return the directory of the records: `X.json` -> `X.undo`, beside the config file."""
    return path_beside(config, "undo")


class EditedFiles:
    """The files that were edited for the config file `config`; an owner is the command that edits.

    Every method raises TeamClaudeError in one line when a file can't be read or written; it is then as it
    was.
    """

    def __init__(self, config: Path) -> None:
        self.directory = undo_directory(config)
        self._lock = f"{os.path.realpath(config)}.lock"

    def preview(self, file: Path, owner: str, edits: Sequence[Edit]) -> Change:
        """Return what `write` would do."""
        return self._edit(file, lambda record, now: add_edits(record, str(file), now, owner, edits), False)

    def write(self, file: Path, owner: str, edits: Sequence[Edit]) -> Change:
        """Make `edits` the edits of `owner` in `file`; earlier ones of the same owner are taken back."""
        with self._locked():
            return self._edit(file, lambda record, now: add_edits(record, str(file), now, owner, edits), True)

    def preview_undo(self, file: Path, owner: str) -> Change:
        """Return what `undo` would do."""
        return self._edit(file, lambda record, now: _dropped(record, now, owner), False)

    def undo(self, file: Path, owner: str) -> Change:
        """Take back the edits of `owner` in `file`; without any do nothing."""
        with self._locked():
            return self._edit(file, lambda record, now: _dropped(record, now, owner), True)

    def files_of(self, owner: str) -> list[Path]:
        """Return the files that `owner` has edited, sorted."""
        try:
            names = sorted(os.listdir(self.directory))
        except OSError:
            return []
        records = [self._record(self.directory / name) for name in names if name.endswith(".json")]
        return sorted(Path(record.file) for record in records if record and owner in record.edits)

    def _edit(
        self, file: Path, decide: Callable[[Optional[Record], Optional[bytes]], Step], write: bool
    ) -> Change:
        place = self._record_place(file)
        for _ in range(ATTEMPTS):
            with _one_line(file, "read it"):
                before = _read(file)
            record = self._record(place)
            try:
                step = decide(record, before)
            except JsonTextError as error:
                raise TeamClaudeError(f"{file}: {error}; mend it first (nothing was changed)") from None
            change = Change(str(file), before, step.data, step.kept)
            if not write or self._carry_out(file, place, record, step, before):
                return change
        raise TeamClaudeError(f"{file}: another program keeps changing it; try again (nothing was changed)")

    def _carry_out(
        self, file: Path, place: Path, old: Optional[Record], step: Step, before: Optional[bytes]
    ) -> bool:
        """Write record and file; return False, with the old record, if the file has changed meanwhile."""
        made = [] if step.data is None else missing_directories(os.path.dirname(os.path.realpath(file)))
        if step.record is not None:
            self._write_record(place, step.record, made)
        done = False
        try:
            with _one_line(file, "change it (its directory must be writable)"):
                done = step.data == before or _replace(file, step.data, before)
        finally:
            if not done:
                _remove_directories(made)
                self._restore_record(place, old)
        if done and step.record is None and old is not None:
            self._restore_record(place, None)
            _remove_directories(old.made if step.data is None else ())
        return done

    def _record_place(self, file: Path) -> Path:
        name = hashlib.sha256(os.path.realpath(file).encode("utf-8", "surrogateescape")).hexdigest()
        return self.directory / f"{name[:16]}.json"

    def _record(self, place: Path) -> Optional[Record]:
        try:
            return Record.from_json(json.loads(place.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise TeamClaudeError(f"{place}: can't read this record of an edited file; remove it") from None

    def _write_record(self, place: Path, record: Record, made: Sequence[str]) -> None:
        raw = {**record.to_json(), "made": [*record.made, *made]}
        with _one_line(place, "write it"):
            write_private(str(place), json.dumps(raw, indent=2).encode() + b"\n")

    def _restore_record(self, place: Path, old: Optional[Record]) -> None:
        if old is not None:
            self._write_record(place, old, ())
            return
        with contextlib.suppress(OSError):
            os.unlink(place)
        with contextlib.suppress(OSError):  # other records are in it
            os.rmdir(self.directory)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            with _one_line(self.directory, "write beside the config file"):
                held.enter_context(FileLock(self._lock))
            yield


def _dropped(record: Optional[Record], current: Optional[bytes], owner: str) -> Step:
    if record is None or owner not in record.edits:
        return Step(record, current)
    return drop_edits(record, current, owner)


def _read(file: Path) -> Optional[bytes]:
    """Return the content, None if there is no file; raise OSError, also for what is not a regular file."""
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is not a regular file")
    return file.read_bytes()


def _replace(file: Path, data: Optional[bytes], expected: Optional[bytes]) -> bool:
    """Replace the file, or remove it; return False if its content is not `expected` any more."""
    target = os.path.realpath(file)
    if data is None:
        if _read(file) != expected:
            return False
        os.unlink(target)
        return True
    make_private_directory(os.path.dirname(target))
    with written_beside(target, data) as temporary:
        if expected is not None:
            _copy_access(target, temporary)
        if _read(file) != expected:
            return False
        os.replace(temporary, target)
    return True


def _copy_access(target: str, copy: str) -> None:
    """Give `copy` the mode and owner of `target`; raise PermissionError if that one is read-only."""
    found = os.stat(target)
    if not found.st_mode & stat.S_IWUSR:
        raise PermissionError("it is read-only (chmod u+w)")
    if sys.platform != "win32":
        made = os.stat(copy)
        if (made.st_uid, made.st_gid) != (found.st_uid, found.st_gid):
            os.chown(copy, found.st_uid, found.st_gid)
        os.chmod(copy, stat.S_IMODE(found.st_mode))


def _remove_directories(made: Sequence[str]) -> None:
    for directory in reversed(made):
        with contextlib.suppress(OSError):  # something else is in it
            os.rmdir(directory)


@contextlib.contextmanager
def _one_line(file: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TeamClaudeError(f"{file}: can't {what}: {error.strerror or error}") from error
