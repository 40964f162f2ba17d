"""The last leg: an upstream answer, or its refusal, to the client; also where a hold has begun one.

Rules that hold in this file:

1. Nothing is sent before it is known that it is the answer: the first event of a stream is looked at
   while the client has no byte of it yet.
2. Once a hold was committed the client reads SSE: errors become error events, never a second head.
3. An answer that ends with the upstream's connection is complete when its form says so (`_is_cut`); a file
   that is not compressed or what can't be read has no such form, and its end is taken for one.
4. A refusal (status >= 400) is relayed without the secrets of ours that it repeats.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Optional

from ...errors import TeamClaudeError, UpstreamLostError, UpstreamOutageError
from ...routing.response_kinds import needs_body
from ..http.content_coding import is_identity
from ..http.framing import BodyKind, Buffer, Framing
from ..http.header_rewrite import (
    client_response_headers,
    framing_for_client,
    header_value,
    render_client_head,
)
from ..http.path_kinds import PathKind
from ..messages.redact import KNOWN_SECRETS, redact_text
from ..messages.response_facts import error_document, is_api_error, partial_error, without_secrets
from ..messages.usage_tap import UsageTap
from ..net.client_connection import ClientConnection
from ..net.event_loop import EventLoop
from ..net.relay import UPSTREAM_CUT_OFF, Observer, relay
from ..net.upstream_connection import UpstreamResponse
from ..records.exchange import Exchange, Outcome
from ..records.request_record import RequestRecord
from .hold import Hold

__all__ = ["KeptResponse", "ResponseWriter", "StreamRefusedError", "make_tap"]

# How long a stream's head waits for its first event: long enough for an error event that follows at
# once, short enough that nobody feels it.
FIRST_EVENT_WAIT_SEC = 1.0
MAX_PROBE_BYTES = 1 << 20  # bytes of it
MAX_EVENT_BYTES = 1 << 20  # of an answer that is no stream but must be told as one event


@dataclass
class KeptResponse:
    """An answer held back while something better is looked for; its body is complete or broke off."""

    answer: UpstreamResponse
    body: bytes
    account: str  # name

    @property
    def is_whole(self) -> bool:
        """All of it has come, as far as its framing and its content tell."""
        return self.answer.complete and not _is_cut_short(self)

    @property
    def client_body(self) -> bytes:
        """What the client gets as its body: the API's own, or ours where that did not come whole."""
        return self.body if self.is_whole else partial_error(self.answer.head, self.body)


class StreamRefusedError(Exception):
    """A 200 whose stream begins with an error event, while nothing of it has reached the client."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(redact_text(f"{kind}: {message}"))
        self.kind = kind


class ResponseWriter:
    """Writes to one client, once."""

    def __init__(
        self,
        exchange: Exchange,
        client: ClientConnection,
        log: Optional[RequestRecord],
        hold: Hold,
        idle_sec: float,
        event_loop: EventLoop,
    ) -> None:
        self._exchange = exchange
        self._client = client
        self._log = log
        self._hold = hold
        self._idle_sec = idle_sec
        self._event_loop = event_loop

    def is_immediate(self, answer: UpstreamResponse, tap: UsageTap) -> bool:
        """All of the answer is here, and it is one that is sent as it is: `tell` will do."""
        return answer.has_whole_body and not self._hold.committed and not tap.is_stream

    def write_whole(
        self, answer: UpstreamResponse, account: str, tap: UsageTap, on_start: Callable[[], None]
    ) -> Buffer:
        """As `relay`, for an answer that `goes_at_once`; returns what the client did not take at once.

        In one write and without waiting.  Raises ClientGone.
        """
        on_start()
        head = self._head(answer, account, answer.framing)
        body = answer.take_whole_body()
        self._exchange.response_started(answer.head.status)
        data = head + body
        try:
            sent = self._client.send_nowait(data)
        finally:  # the client first; what it does not take was answered all the same
            tap.feed(body)
            if self._log is not None:
                self._log.response.add(body)
        return b"" if sent == len(data) else memoryview(data)[sent:]

    def relay(
        self, answer: UpstreamResponse, account: str, tap: UsageTap, probe: bool, on_start: Callable[[], None]
    ) -> bool:
        """Relay an answer to its end; False when it could only be told as an error event.

        `begun` is called when it is certain that this is the answer, before its first byte is sent.
        Raises StreamRefused (only with `probe`), UpstreamLost or ClientGone.
        """
        if self._hold.committed and not _fits_held_stream(answer, tap):
            self._write_as_event(answer, tap)
            return False
        first = self._read_first_event(answer) if probe and tap.is_stream else None
        on_start()
        head, framing = b"", self._hold.framing
        if not self._hold.committed:
            framing = framing_for_client(answer.framing, self._exchange.head)
            head = self._head(answer, account, framing)
            self._exchange.response_started(answer.head.status)
        observers: list[Observer] = [tap.feed]
        if self._log is not None:
            observers.append(self._log.response.add)
        ferry = self._event_loop if tap.is_stream else None  # another body has its end in sight
        is_cut = partial(self._is_cut, tap)
        relay(answer, self._client, head, framing, observers, self._idle_sec, first, ferry, is_cut)
        return True

    def relay_kept(self, kept: KeptResponse) -> None:
        """The upstream's own words, byte for byte, after all else has been tried.

        Raises UpstreamOutage where they are not the API's: an edge's 401 would cost a client its login.
        """
        head, body = kept.answer.head, kept.client_body
        if needs_body(head.status) and not is_api_error(head, kept.body):
            raise UpstreamOutageError(
                f"Something on the way to the API answered {head.status} in its place (an edge, a filter or "
                "a proxy); no account is at fault. Try again in a moment."
            )
        if self._log is not None:
            self._log.response.add(body)
        if self._hold.committed:
            self._hold.end_with(error_document(head, body))
        else:
            refusal_head, body = self._kept_response(kept)
            self._exchange.response_started(head.status)
            self._client.send(refusal_head + body)
        self._exchange.end(Outcome.UPSTREAM_ERROR, f"{kept.answer.head.status}")

    def _kept_response(self, kept: KeptResponse) -> tuple[bytes, bytes]:
        """Head and body of a refusal, by rule 4; what had to be decompressed or is ours is not coded."""
        answer, body, recoded = kept.answer, kept.client_body, not kept.is_whole
        if not recoded:
            body, recoded = without_secrets(answer.head, body)
        bodiless = self._exchange.head.method == "HEAD" or answer.head.status in (204, 304)
        framing = Framing(BodyKind.NONE) if bodiless else Framing(BodyKind.LENGTH, len(body))
        head = self._head(answer, kept.account, framing, own=not kept.is_whole)
        if recoded:
            head = re.sub(rb"(?im)^content-encoding:[^\r\n]*\r\n", b"", head)
        return KNOWN_SECRETS.mask(head), b"" if bodiless else body

    def send_error_event(self, error: TeamClaudeError) -> bool:
        """Tell a client whose answer a hold has begun; False when it has not."""
        if self._hold.committed:
            self._hold.refuse(error)
        return self._hold.committed

    def _read_first_event(self, answer: UpstreamResponse) -> Optional[list[Buffer]]:
        """The beginning of a stream up to its first whole event, as far as that comes soon.

        It may come in many pieces, and the first ones of a compressed stream may hold no event yet.  Raises
        StreamRefused for an error event, UpstreamLost where the stream has ended before.
        """
        probe = make_tap(answer)
        pieces: list[Buffer] = []
        until = time.monotonic() + FIRST_EVENT_WAIT_SEC
        while (
            probe.first_event in (None, "ping") and not probe.gave_up and answer.body_bytes < MAX_PROBE_BYTES
        ):
            if not answer.wait_body(self._client.watch, max(0.0, until - time.monotonic())):
                break
            for piece in answer.read(self._client.watch, self._idle_sec):
                probe.feed(piece)
                pieces.append(piece)
        if probe.error_type and not probe.model:
            raise StreamRefusedError(probe.error_type, probe.error_message or "")
        if answer.complete and answer.framing.kind is BodyKind.UNTIL_CLOSE and self._is_cut(probe):
            raise UpstreamLostError(UPSTREAM_CUT_OFF)
        return pieces or None

    def _is_cut(self, tap: UsageTap) -> bool:
        """Whether an answer that has ended with its connection broke off."""
        if tap.is_stream and self._exchange.route.kind is not PathKind.INFERENCE:
            return tap.first_event == "message_start" and tap.is_cut  # others end in their own way
        return tap.is_cut

    def _write_as_event(self, answer: UpstreamResponse, tap: UsageTap) -> None:
        """An answer that is no stream, for a client that was promised one."""
        body = bytearray()
        while not answer.complete and len(body) < MAX_EVENT_BYTES:
            for piece in answer.read(self._client.watch, self._idle_sec):
                tap.feed(piece)
                body += piece
        self._hold.end_with(error_document(answer.head, bytes(body)))

    def _head(self, answer: UpstreamResponse, account: str, framing: Framing, own: bool = False) -> bytes:
        """The answer's head for the client; `own`: its body is replaced by one of ours."""
        extra = [
            ("x-teamclaude-account", header_value(account)),
            ("x-teamclaude-request", self._exchange.id),
            *self._exchange.closing_fields,
        ]
        if own:
            extra.append(("Content-Type", "application/json"))
        if self._log is not None:
            headers = client_response_headers(answer.head, framing, extra)
            self._log.answered(answer.head.status, answer.head.reason, headers)
        return render_client_head(answer.head, framing, extra)


def make_tap(answer: UpstreamResponse) -> UsageTap:
    """What reads this answer as it passes."""
    head, until_close = answer.head, answer.framing.kind is BodyKind.UNTIL_CLOSE
    return UsageTap(head.get("content-type"), head.get("content-encoding"), until_close)


def _fits_held_stream(answer: UpstreamResponse, tap: UsageTap) -> bool:
    """A stream as it is: the head that a hold has sent names no content-encoding."""
    plain = is_identity(answer.head.get("content-encoding"))
    return answer.head.status < 300 and tap.is_stream and plain


def _is_cut_short(kept: KeptResponse) -> bool:
    head = kept.answer.head
    if kept.answer.framing.kind is not BodyKind.UNTIL_CLOSE:
        return False
    tap = UsageTap(head.get("content-type"), head.get("content-encoding"), until_close=True)
    tap.feed(kept.body)
    return tap.is_cut
