"""What survives a restart: one JSON object in one file.

Windows, benches, bindings, burn and learned caps are observations: losing the last seconds of
them costs accuracy, never a token.  So nothing here raises into a request: an error is one warning.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

from ...accounts.config.atomic_write import make_private_directory, write_private
from ...accounts.config.file_lock import FileLock
from ...routing.persistence import STATE_VERSION, LazyRows
from ...routing.quota.lenient_json import LenientObject, as_number
from ...routing.state_merge import LateChanges, late_changes, merge_states, plain_state

__all__ = ["StateFile"]

T = TypeVar("T")

OWNER_SEC = 5.0  # that the lock is waited for
SLICE_ROWS = 50  # encoded in one go: 0.5 ms
PAUSE_SEC = 0.0002  # enough for another thread to run


class StateFile:
    """The state file at `path`.

    `warn` gets one line a person can act on; `clock` returns epoch seconds, for the name of a corrupt file.
    """

    def __init__(
        self, path: str, warn: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._warn = warn
        self._clock = clock
        self._failing = False

    def load(self) -> dict[str, Any]:
        """Return the saved state; empty when there is none or it can't be used.

        A file that isn't a JSON object is renamed to `<name>.corrupt-<time>`.  Unknown fields are kept: the
        state of a newer version is used as far as possible.
        """
        try:
            with open(self.path, "rb") as file:
                state = json.loads(file.read())
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._warn(
                f"can't read the state file {self.path} ({error.strerror}); starting with an empty state"
            )
            return {}
        except (ValueError, RecursionError):
            state = None
        if isinstance(state, dict):
            return state
        self._rename_corrupt()
        return {}

    def claim(self, name: str, known: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Return the state with which the server `name` begins, whose it is from now on.

        It is the `known` one, or the saved one with what was left for whoever comes next.
        """
        with self._owned():
            with suppress(OSError), open(self._owner_path, "w", encoding="ascii") as file:
                file.write(name)
            if known is not None:
                return known
            state = self.load()
            if _version(state) > STATE_VERSION:
                self._keep_newer(state["version"])
        left = self.take_left()
        for changes in left:
            try:
                state = merge_states(changes.base, state, changes.late)
            except (TypeError, ValueError, AttributeError, LookupError):
                self._warn("what an earlier server learned late is not counted: it can't be read")
        if left:
            self.save(state)
        return state

    def finish(self, name: str, base: Mapping[str, Any], state: dict[str, Any]) -> None:
        """Save a last time; where another server has claimed the state since `base`, leave it the changes."""
        with self._owned():
            owner = None
            with suppress(OSError), open(self._owner_path, encoding="ascii", errors="replace") as file:
                owner = file.read(100)
            if owner in (None, "", name):
                self.save(state)
                return
        changes = late_changes(base, plain_state(state))
        if not changes.is_empty:
            self.leave(changes)

    @contextmanager
    def _owned(self) -> Iterator[None]:
        """Hold the lock of the file that names the owner; go on without where there is none."""
        with ExitStack() as stack:
            with suppress(OSError):  # TimeoutError, too
                os.close(os.open(self._owner_path, os.O_CREAT | os.O_RDWR, 0o600))
                stack.enter_context(FileLock(self._owner_path, OWNER_SEC))
            yield

    @property
    def _owner_path(self) -> str:
        return f"{self.path.removesuffix('.json')}.owner"

    def leave(self, changes: LateChanges) -> None:
        """Leave what was learned late for the server that has the state now, or for the next one."""
        name = os.path.join(self._late_directory, f"{os.getpid()}-{os.urandom(4).hex()}.json")
        try:
            make_private_directory(self._late_directory)
            write_private(name, _json(changes._asdict()).encode())
        except (OSError, ValueError, TypeError) as error:
            self._warn(f"what the last answers told is lost: can't write {name} ({error})")

    def take_left(self) -> list[LateChanges]:
        """Return what others have left, and remove it; each is returned to one server only."""
        try:
            names = sorted(os.listdir(self._late_directory))
        except OSError:  # nearly always: there is none
            return []
        found = []
        for name in names:
            path = os.path.join(self._late_directory, name)
            with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
                if name.endswith(".json"):
                    os.rename(path, f"{path}.taken")
                    with open(f"{path}.taken", "rb") as file:
                        told = json.loads(file.read())
                    found.append(LateChanges(dict(told["base"]), dict(told["late"])))
            with suppress(OSError):
                os.unlink(f"{path}.taken")
        with suppress(OSError):
            os.rmdir(self._late_directory)
        return found

    @property
    def _late_directory(self) -> str:
        return f"{self.path.removesuffix('.json')}.late"

    def save(self, state: dict[str, Any]) -> bool:
        """Replace the file by `state`; return False on failure, with one warning until it works again."""
        try:
            write_private(self.path, b"".join(_pieces(state)))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            if not self._failing:
                reason = (error.strerror if isinstance(error, OSError) else None) or error
                self._warn(f"can't save the state to {self.path} ({reason}); trying again later")
            self._failing = True
            return False
        self._failing = False
        return True

    def _keep_newer(self, version: Any) -> None:
        """Copy a file that a newer version wrote: this one will replace it, without what it doesn't know."""
        newer = f"the state file {self.path} is of a newer version ({version})"
        aside = self._name_aside("newer")
        try:
            write_private(aside, Path(self.path).read_bytes())
        except OSError as error:
            self._warn(
                f"{newer}; what this version knows of it is used, and no copy is kept ({error.strerror})"
            )
        else:
            self._warn(f"{newer}; what this version knows of it is used, and it is kept as {aside}")

    def _name_aside(self, why: str) -> str:
        stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(self._clock()))
        aside = f"{self.path}.{why}-{stamp}"
        number = 1
        while os.path.lexists(aside):
            number += 1
            aside = f"{self.path}.{why}-{stamp}-{number}"
        return aside

    def _rename_corrupt(self) -> None:
        aside = self._name_aside("corrupt")
        try:
            os.rename(self.path, aside)
        except OSError as error:
            self._warn(
                f"the state file {self.path} is corrupt and can't be set aside ({error.strerror}); "
                "starting with an empty state"
            )
        else:
            self._warn(f"the state file was corrupt; it is now {aside}; starting with an empty state")


def _version(state: Mapping[str, Any]) -> float:
    """Return the version of a state; 0 for one that names none."""
    return LenientObject(state, "", []).get("version", as_number, 0.0)


def _pieces(state: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the JSON of a state, with a pause after every SLICE_ROWS rows.

    In one piece that of 2,000 sessions would hold the interpreter for 30 ms.
    """
    for place, (key, value) in enumerate(state.items()):
        yield f"{',' if place else '{'}{_json(key)}:".encode()
        if isinstance(value, Mapping):
            yield from _slices("{", value.items(), dict, "}")
        elif isinstance(value, (list, LazyRows)):
            yield from _slices("[", value, list, "]")
        else:
            yield _json(value).encode()
    yield b"}" if state else b"{}"


def _slices(begin: str, items: Iterable[T], of: Callable[[list[T]], Any], end: str) -> Iterator[bytes]:
    waiting, between = iter(items), begin
    while some := list(islice(waiting, SLICE_ROWS)):
        yield (between + _json(of(some))[1:-1]).encode()
        between = ","
        time.sleep(PAUSE_SEC)
    yield (begin + end if between == begin else end).encode()


_json = json.JSONEncoder(separators=(",", ":")).encode
