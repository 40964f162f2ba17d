"""A request in a thread of its own, to observe it while it waits."""

from __future__ import annotations

import threading
from typing import Any, Optional

from teamclaude.fakeapi.fault import Fault


class RequestThread(threading.Thread):
    """One request in its own thread."""

    def __init__(self, stage: Any, **body: Any) -> None:
        super().__init__(daemon=True)
        self._stage, self._body = stage, body
        self.reply: Optional[Any] = None
        self.failure: Optional[Exception] = None
        self.start()

    def run(self) -> None:
        try:
            self.reply = self._stage.ask(**self._body)
        except Exception as failure:
            self.failure = failure

    def done(self) -> Any:
        self.join(30)
        assert self.reply is not None, f"no answer came: {self.failure}"
        return self.reply


def hold_request(s: Any, seconds: float, **body: Any) -> RequestThread:
    """Send a request that the only account refuses for `seconds`; return while it waits."""
    s.api.script.once(Fault.quota("5h", reset_in=seconds))
    waiting_request = RequestThread(s, **{"session": "s1", **body})
    s.until(lambda: s.service.runtime.router.waiting == 1 and s.service.runtime.journal.waiting_exchanges())
    return waiting_request


def advance_clock(s: Any, clock: Any, seconds: float) -> None:
    """Move the clock and have the router serve its queue."""
    clock.now += seconds
    s.service.runtime.router.credentials_changed([])  # serves the queue
