"""The page's state for all who have it open: made once for all of them, at most once a second.

Rules that hold in this file:

1. Without viewers nothing is computed and no thread runs.
2. The state is made again when the revision has changed; else every REFRESH_SEC for what only time changes,
   and every BUSY_REFRESH_SEC while requests run, which may begin or end to wait without a new revision.
3. A viewer has no queue.  It knows which version it has seen; what came since is merged for it, and after
   KEPT changes it gets the whole state again.  So a slow one costs no memory, and holds up nobody.
4. `close` ends all of them at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Optional

from ..errors import DrainingError, OverloadedError
from ..threads import SHORT_TURNS
from .changes import Delta, State, changes, event, merged, with_role

__all__ = ["MAX_VIEWERS", "Publisher", "Viewer"]

MAX_VIEWERS = 16
MAX_OBSERVERS = 12  # of them: who may only look does not keep out who may act
PERIOD_SEC = 1.0
REFRESH_SEC, BUSY_REFRESH_SEC = 10.0, 2.0
CHECK_SEC = 5.0  # after which a viewer's thread looks whether its reader is still there
SILENCE_SEC = 15.0  # after which a comment is sent: proxies on the way close what is silent
KEPT = 16  # changes that can be merged
BUSY = "inflight"  # the section of the requests that run
_RETRY = b"retry: 2000\n\n"
_COMMENT = b": nothing new\n\n"


class Publisher:
    """Make the state and hand it to viewers.  Any thread.

    `new_maker` returns what makes the state; it is called whenever somebody begins to look.  All of it is
    called in one thread of this object; `warn` gets one line about a defect.
    """

    def __init__(
        self,
        new_maker: Callable[[], Callable[[], State]],
        revision: Callable[[], Hashable],
        warn: Callable[[str], None],
    ) -> None:
        self._new_maker = new_maker
        self._revision = revision
        self._warn = warn
        self._changed = threading.Condition()  # guards what is below
        self._viewers = 0
        self._running = False  # the thread
        self._closed = False
        self._version = 0
        self._state: Optional[State] = None  # None: nobody looks, or it is being made
        self._deltas: deque[Delta] = deque(maxlen=KEPT)  # the last one leads to `_state`
        self._encoded: dict[tuple[int, str], bytes] = {}  # by version seen and role, for `_version`
        self._end = threading.Event()
        # Of the thread alone:
        self._make_state: Optional[Callable[[], State]] = None
        self._seen: Optional[Hashable] = None
        self._age_sec = 0.0
        self._failed = False

    def open(self, role: str) -> Viewer:
        """Return a new viewer, to be closed; raises OverloadedError or DrainingError."""
        with self._changed:
            if self._closed:
                raise DrainingError("The proxy is shutting down; try again in a moment.")
            most = MAX_VIEWERS if role == "operator" else MAX_OBSERVERS
            if self._viewers >= most:
                raise OverloadedError(
                    f"the page is open {most} times already: close one of them", retry_after=5
                )
            if not self._running:
                self._start()
            self._viewers += 1
        return Viewer(self, role)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="page-publisher", daemon=True).start()
        except RuntimeError:  # the system has none left
            raise OverloadedError("no thread is free for the page: try again", retry_after=5) from None
        self._running = True

    @property
    def viewers(self) -> int:
        """How many there are."""
        return self._viewers

    def close(self) -> None:
        """End all viewers, now and from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._end.set()

    # --- for viewers --------------------------------------------------------------------------------

    def leave(self) -> None:
        """Count a viewer out."""
        with self._changed:
            self._viewers -= 1

    def next(self, seen: int, role: str, timeout: float) -> tuple[Optional[bytes], int]:
        """Return what came after version `seen`, and the version it leads to.

        Empty if nothing came within `timeout` seconds; None when all is over.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._state is not None and self._version > seen), timeout
            )
            if self._closed:
                return None, seen
            state, version = self._state, self._version
            if state is None or version <= seen:
                return b"", seen
            text = self._encoded.get((seen, role))
            if text is None:
                text = self._encoded[seen, role] = self._encode(state, seen, role)
            return text, version

    def _encode(self, state: State, seen: int, role: str) -> bytes:
        behind = self._version - seen
        with SHORT_TURNS:
            if not seen or behind > len(self._deltas):
                return event("full", self._version, with_role(state, role))
            last = list(self._deltas)[-behind:]
            return event("delta", self._version, with_role(last[0] if behind == 1 else merged(last), role))

    # --- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed or not self._viewers:
                    self._running = False
                    self._forget()
                    return
            with SHORT_TURNS:
                self._publish()
            self._end.wait(PERIOD_SEC)

    def _forget(self) -> None:
        self._state = self._seen = self._make_state = None
        self._deltas.clear()
        self._encoded.clear()

    def _publish(self) -> None:
        """Make the state again if it is due, and wake the viewers if it has changed."""
        last = self._state
        try:
            if not self._is_due(last):
                return
            self._make_state = self._make_state or self._new_maker()
            state = self._make_state()
            delta = changes(last or {}, state)
        except Exception as error:  # a defect: what was shown before stays
            if not self._failed:
                self._failed = True
                self._warn(f"the page can't be brought up to date: {type(error).__name__}: {error}")
            return
        if last is not None and not delta:
            return
        with self._changed:
            if last is not None:
                self._deltas.append(delta)
            self._state = state
            self._version += 1
            self._encoded.clear()
            self._changed.notify_all()

    def _is_due(self, last: Optional[State]) -> bool:
        """Return whether the state has to be made again, and count its age from now on if so (rule 2)."""
        revision = self._revision()
        self._age_sec += PERIOD_SEC
        if last is not None and revision == self._seen:
            due_sec = BUSY_REFRESH_SEC if last.get(BUSY) else REFRESH_SEC
            if self._age_sec < due_sec:
                return False
        self._seen, self._age_sec = revision, 0.0
        return True


class Viewer:
    """One open page: the bytes of its event stream.

    An empty piece means that nothing came: time to look whether the reader is still there.
    """

    def __init__(self, publisher: Publisher, role: str) -> None:
        self._publisher: Optional[Publisher] = publisher
        self._role = role

    def __iter__(self) -> Iterator[bytes]:
        seen, silent_sec = 0, 0.0
        yield _RETRY
        while self._publisher is not None:
            text, seen = self._publisher.next(seen, self._role, CHECK_SEC)
            if text is None:
                return
            silent_sec = 0.0 if text else silent_sec + CHECK_SEC
            if silent_sec >= SILENCE_SEC:
                text, silent_sec = _COMMENT, 0.0
            yield text

    def close(self) -> None:
        """Give its place back."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.leave()
