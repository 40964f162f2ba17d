"""What survives a restart: one JSON object in one file, and the thread that saves it.

Windows, benches, bindings, burn, learned caps and the ledger are observations: losing the last seconds of
them costs accuracy, never a token.  So nothing here raises into a request: an error is one warning.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Callable, TypeVar

from ..accounts.config.atomic_write import write_private
from ..routing.persistence import LazyRows

__all__ = ["StateFile", "StateSaver"]

T = TypeVar("T")

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

    def _rename_corrupt(self) -> None:
        stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(self._clock()))
        aside = f"{self.path}.corrupt-{stamp}"
        number = 1
        while os.path.lexists(aside):
            number += 1
            aside = f"{self.path}.corrupt-{stamp}-{number}"
        try:
            os.rename(self.path, aside)
        except OSError as error:
            self._warn(
                f"the state file {self.path} is corrupt and can't be set aside ({error.strerror}); "
                "starting with an empty state"
            )
        else:
            self._warn(f"the state file was corrupt; it is now {aside}; starting with an empty state")


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


class StateSaver:
    """Save what `collect` returns at most every `interval` seconds, only when something changed.

    No polling: the thread sleeps until `changed` is set, then lets further changes gather for `interval`.
    A crash loses the changes of that interval.
    """

    def __init__(
        self,
        file: StateFile,
        collect: Callable[[], dict[str, Any]],
        warn: Callable[[str], None],
        interval: float = 10.0,
    ) -> None:
        self._file = file
        self._collect = collect
        self._warn = warn
        self._interval = interval
        self.changed = threading.Event()
        self._stopping = threading.Event()
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="state-saver", daemon=True)

    def start(self) -> None:
        """Save in a background thread from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and save a last time; return when that is done."""
        self._stopping.set()
        self.changed.set()
        if self._thread.is_alive():
            self._thread.join()
        self._save()

    def _run(self) -> None:
        while True:
            self.changed.wait()
            if self._stopping.wait(self._interval):
                return
            self.changed.clear()  # before `collect`, which therefore sees every change made before it
            if self._stopping.is_set():  # `stop` may have set `changed` just before it was cleared
                return
            if not self._save():
                self.changed.set()  # still unsaved: try again after the interval

    def _save(self) -> bool:
        try:
            state = self._collect()
        except Exception as error:  # a defect there must not end the saving
            if not self._broken:
                self._warn(f"can't collect the state to save ({type(error).__name__}: {error})")
            self._broken = True
            return False
        self._broken = False
        return self._file.save(state)
