"""A held stream: bytes for the client while it waits for an account, then the answer or the refusal.

Claude Code gives up on an answer without headers after 300 to 360 s, but any byte resets its watchdog
(measured).  So a streaming request that waits longer than `holdCommitSec` gets its 200 and from then on
an SSE comment now and then.  What follows is delivered as SSE: the upstream's stream, or an error event.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Hashable

from ...accounts.config.config import Config
from ...errors import TeamClaudeError
from ...routing.wait_queue import WaitLimits
from ..http.framing import LAST_CHUNK, BodyKind, Framing, encode_chunk
from ..http.header_rewrite import render_response
from ..net.client_connection import ClientConnection
from ..records.exchange import Exchange
from ..records.request_wait import expectation_text

__all__ = ["Hold", "RecentlyRefused", "wait_limit_of"]

COMMENT_SEC = 15.0
# A client that was just told "no" by an error event asks again at once: the plain 429 stops it.
REFUSED_FOR_SEC = 60.0
TICK_SEC = 0.2  # of a pause: a server that stops is noticed within it
PAUSE_REASON = "pause before the next attempt"


class Hold:
    """The waiting of one request; `beat` is called every fraction of a second while it waits."""

    def __init__(
        self,
        exchange: Exchange,
        client: ClientConnection,
        stream: bool,
        commit_sec: float,
        check_draining: Callable[[], None] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._check_draining = check_draining
        self._client = client
        self._commit_at = exchange.started + commit_sec if stream else float("inf")
        self._last_bytes = 0.0  # monotonic
        self.committed = False  # the client has its 200

    @property
    def framing(self) -> Framing:
        """Of an answer that a hold has begun."""
        return Framing(BodyKind.CHUNKED if self._exchange.head.minor else BodyKind.UNTIL_CLOSE)

    def on_tick(self) -> None:
        """Look after the client; raises ClientGone, or Draining when the server stops."""
        self._client.watch.check()
        self._check_draining()
        self._exchange.update_wait()
        now = time.monotonic()
        if not self.committed:
            if now >= self._commit_at:
                self._commit(now)
        elif now - self._last_bytes >= COMMENT_SEC:
            self._send(self._comment(), now)

    def pause(self, seconds: float) -> None:
        """A pause between attempts, with the same care."""
        end = time.monotonic() + seconds
        with self._exchange.pausing(PAUSE_REASON):
            while (left := end - time.monotonic()) > 0:
                self._client.watch.sleep(min(left, TICK_SEC))
                self.on_tick()

    def refuse(self, error: TeamClaudeError) -> None:
        """End a committed answer with an error event."""
        body = json.dumps({"type": "error", "error": {"type": error.kind, "message": str(error)}})
        self.end_with(body.encode())

    def end_with(self, body: bytes) -> None:
        """End a committed answer with an error event that holds this JSON body of the API."""
        line = b" ".join(body.split(b"\n")) or b"{}"
        event = b"event: error\ndata: " + line.replace(b"\r", b" ") + b"\n\n"
        if self.framing.kind is BodyKind.CHUNKED:
            event = encode_chunk(event) + LAST_CHUNK
        self._client.send(event)

    def _commit(self, now: float) -> None:
        headers = [
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("Cache-Control", "no-cache"),
            ("x-teamclaude-request", self._exchange.id),
            ("request-id", self._exchange.id),
            *self._exchange.closing_fields,
        ]
        if self.framing.kind is BodyKind.CHUNKED:
            headers.append(("Transfer-Encoding", "chunked"))
        self._exchange.response_started(200, final=False)
        self._client.send(render_response(200, "OK", headers))
        self.committed = True
        self._send(self._comment(), now)

    def _comment(self) -> bytes:
        """An SSE comment that says for whom it waits and until when; a comment is one line."""
        held = self._exchange.held()
        words = "waiting for an account"
        if held is not None and held.back_at is not None:
            words = expectation_text(held.account, held.back_at, held.reason, self._exchange.waits[-1].now)
        line = "".join(char if char.isprintable() else " " for char in f": held, {words}")
        return line.encode("utf-8", "replace") + b"\n\n"

    def _send(self, data: bytes, now: float) -> None:
        self._client.send(encode_chunk(data) if self.framing.kind is BodyKind.CHUNKED else data)
        self._last_bytes = now


def wait_limit_of(config: Config, streams: bool) -> WaitLimits:
    """How long a request may wait for an account."""
    budget, paid_after = config.all_throttled_hold_budget_sec, config.apikey_fallback_deadline_sec
    if not streams:
        # Nothing can be sent to keep this client waiting: it gets its answer before it gives up.
        budget = min(budget, config.hold_commit_sec)
        paid_after = min(paid_after, 0.9 * budget)
    return WaitLimits(budget, paid_after)


class RecentlyRefused:
    """Whom or what it would be no use to try again so soon, for a minute each.

    Conversations whose hold has just ended in an error event: their next request is not held again.
    Requests that several accounts have just refused alike: the next one alike is tried on one account only.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[Hashable, float] = {}
        self._lock = threading.Lock()  # guards _until

    def add(self, key: Hashable) -> None:
        with self._lock:
            now = self._monotonic()
            self._until = {key: until for key, until in self._until.items() if until > now}
            self._until[key] = now + REFUSED_FOR_SEC

    def discard(self, key: Hashable) -> None:
        """It was served after all."""
        if self._until:
            with self._lock:
                self._until.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        return self._until.get(key, 0.0) > self._monotonic()
