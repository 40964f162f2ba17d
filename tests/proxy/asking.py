"""A request in a thread of its own, for what is seen while it waits."""

from __future__ import annotations

import threading
from typing import Any, Optional

from teamclaude.fakeapi.fault import Fault


class Asker(threading.Thread):
    """One request in its own thread."""

    def __init__(self, stage: Any, **body: Any) -> None:
        super().__init__(daemon=True)
        self._stage, self._body = stage, body
        self.reply: Optional[Any] = None
        self.start()

    def run(self) -> None:
        self.reply = self._stage.ask(**self._body)

    def done(self) -> Any:
        self.join(10)
        assert self.reply is not None, "no answer came"
        return self.reply


def held_on(s: Any, seconds: float, **body: Any) -> Asker:
    """A request that the only account refuses for so long, and that waits for it."""
    s.api.script.once(Fault.quota("5h", reset_in=seconds))
    asker = Asker(s, **{"session": "s1", **body})
    s.until(lambda: s.service.runtime.router.waiting == 1 and s.service.runtime.journal.waiting_exchanges())
    return asker


def free(s: Any, clock: Any, seconds: float) -> None:
    """That many seconds later, all who wait look again."""
    clock.now += seconds
    s.service.runtime.router.clock_moved()
