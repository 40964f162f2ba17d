"""Keep the client of a waiting stream connected until an account serves it or the request is refused.

Claude Code gives up on a response without headers after 300 to 360 s, but any byte resets its watchdog
(measured).  So a streaming request that waits longer than `holdCommitSec` gets its 200, and from then on
an SSE comment every 15 s.  What follows is sent as SSE: the upstream's stream, or an error event.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial

from ...errors import TeamClaudeError
from ..http.framing import LAST_CHUNK, BodyKind, Framing, encode_chunk
from ..http.header_rewrite import render_response
from ..net.client_connection import ClientConnection
from ..net.coroutine import RequestCoroutine, Sleep
from ..records.exchange import Exchange
from ..records.wait_texts import expectation_text

__all__ = ["Hold"]

COMMENT_SEC = 15.0
TICK_SEC = 0.2  # of a pause: within this time a server that stops is noticed
_CLAUDE_CODE = re.compile(r"claude-cli/(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
REPEATS_SINCE = (2, 1, 330)
PAUSE_REASON = "pause before the next attempt"


class Hold:
    """The waiting of one request; `on_tick` is called every fraction of a second while it waits."""

    def __init__(
        self,
        exchange: Exchange,
        client: ClientConnection,
        stream: bool,
        commit_sec: float,
        check_draining: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = exchange
        self._client = client
        self._check_draining = check_draining
        self._monotonic = monotonic
        self._stream = stream
        self._commit_at = exchange.started + commit_sec if stream else float("inf")
        self._last_bytes = 0.0  # monotonic

    @property
    def framing(self) -> Framing:
        """Framing of a response that a hold has begun."""
        return Framing(BodyKind.CHUNKED if self._exchange.head.minor else BodyKind.UNTIL_CLOSE)

    @property
    def may_be_sent_away(self) -> bool:
        """Whether its client would ask again at once, if it were told to: its wait may last for hours.

        Other requests than streams get an account or their answer soon.
        """
        return self._stream and (not self._exchange.hold_committed or self.is_repeated_when_cut)

    @property
    def is_repeated_when_cut(self) -> bool:
        """Whether the client asks again, for a stream, when the one that has begun breaks off.

        After an error event it asks for a whole response instead, which can't be held for long; so do older
        versions in any case (measured: 2.1.112, 2.1.332).  SDKs give up.
        """
        found = _CLAUDE_CODE.match(self._exchange.head.get("user-agent") or "")
        return found is not None and tuple(map(int, found.groups())) >= REPEATS_SINCE

    def on_tick(self) -> RequestCoroutine[None]:
        """Check the client and send what keeps it waiting.

        Raises ClientGoneError, or DrainingError when the server stops.
        """
        self._client.watch.check()
        self._check_draining()
        self._exchange.update_wait()
        now = self._monotonic()
        if not self._exchange.hold_committed:
            if now >= self._commit_at:
                yield from self._send(self._begin_response(), now)
        elif now - self._last_bytes >= COMMENT_SEC:
            yield from self._send(b"", now)

    def pause(self, seconds: float) -> RequestCoroutine[None]:
        """Wait between two attempts; raises what `on_tick` raises."""
        end = self._monotonic() + seconds
        with self._exchange.pausing(PAUSE_REASON):
            while (left := end - self._monotonic()) > 0:
                yield Sleep(min(left, TICK_SEC), watch=self._client.watch)
                yield from self.on_tick()

    def refuse(self, error: TeamClaudeError) -> None:
        """End a committed response with an error event."""
        body = json.dumps({"type": "error", "error": {"type": error.kind, "message": str(error)}})
        self.end_with(body.encode())

    def end_with(self, body: bytes) -> None:
        """End a committed response with an error event that holds this JSON body of the API."""
        line = b" ".join(body.split(b"\n")) or b"{}"
        event = b"event: error\ndata: " + line.replace(b"\r", b" ") + b"\n\n"
        if self.framing.kind is BodyKind.CHUNKED:
            event = encode_chunk(event) + LAST_CHUNK
        self._client.send(event)

    def _begin_response(self) -> bytes:
        """Begin the response; return its head."""
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
        self._exchange.hold_committed = True
        return render_response(200, "OK", headers)

    def _comment(self) -> bytes:
        """Return an SSE comment, one line, that names the account it waits for and the time."""
        held = self._exchange.held()
        text = "waiting for an account"
        if held is not None and held.back_at is not None:
            text = expectation_text(held.account, held.back_at, held.reason, self._exchange.waits[-1].now)
        line = "".join(char if char.isprintable() else " " for char in f": held, {text}")
        return line.encode("utf-8", "replace") + b"\n\n"

    def _send(self, head: bytes, now: float) -> RequestCoroutine[None]:
        """Send a comment, after the head of the response where it begins."""
        comment = self._comment()
        data = head + (encode_chunk(comment) if self.framing.kind is BodyKind.CHUNKED else comment)
        self._client.response_started = True
        sent = self._client.send_nowait(data)
        if sent < len(data):
            yield partial(self._client.send, data[sent:])
        self._last_bytes = now
