"""The thread that saves what survives a restart."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any, Callable, Optional

from ...routing.state_merge import plain_state
from ...threads import Signal
from .state_file import StateFile

__all__ = ["StateSaver"]


class StateSaver:
    """Save what `collect` returns at most every `interval` seconds, only when something changed.

    No polling: the thread sleeps until `changed` is set, then lets further changes gather for `interval`.
    A crash loses the changes of that interval, but for what `save_soon` was called after.
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
        self.name = f"{os.getpid()}-{os.urandom(4).hex()}"  # of this server, in what it saves
        self.changed = Signal()
        self._saved: Optional[dict[str, Any]] = None  # when the end began
        self._stopping = False
        self._awake = threading.Event()  # the interval is over
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="state-saver", daemon=True)

    def start(self) -> None:
        """Save in a background thread from now on."""
        self._thread.start()

    def save_soon(self) -> None:
        """Save without waiting for more: what changed is the decision of a person."""
        self._awake.set()
        self.changed.set()

    def begin_end(self) -> None:
        """End the thread, and save what is known before what still runs has ended.

        A server that is started now, while this one drains, begins with it.
        """
        self.end()
        try:
            state = plain_state(self._collect())
        except Exception:  # `stop` tells of it
            return
        if self._file.save(state):
            self._saved = state

    def end(self) -> None:
        """End the thread without saving; `changed` is set, for whoever takes the changes from now on."""
        self._stopping = True
        self.save_soon()
        if self._thread.is_alive():
            self._thread.join()
        self.changed.set()

    def stop(self) -> None:
        """End the thread and save a last time; return when that is done.

        Where another server has saved its state meanwhile, that one is left what was learned since.
        """
        self.end()
        if self._saved is None:
            self._save()
            return
        with suppress(Exception):  # `begin_end` has saved most of it
            self._file.finish(self.name, self._saved, self._collect())

    def _run(self) -> None:
        while True:
            self.changed.wait()
            self._awake.wait(self._interval)
            self._awake.clear()
            self.changed.clear()  # before `collect`, which therefore sees every change made before it
            if self._stopping:  # set before the two that were cleared
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
