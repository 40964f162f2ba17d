"""Write an upstream response, or a refusal, to the client; also where a hold has begun the response.

Rules that hold in this file:

1. Nothing is sent before it is certain that this is the response: the first event of a stream is read while
   the client has no byte of it yet.
2. Once a hold has committed, the client reads SSE: errors become error events, never a second head.
3. A response that is framed by the end of its connection is complete when its form says so (`_is_cut`).  An
   uncompressed file, and a body that can't be read, has no such form: its end is taken for complete.
4. A refusal (status 400 and above) is relayed without the secrets of ours that it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Optional

from ...errors import UpstreamLostError, UpstreamOutageError, UpstreamTimeoutError
from ...routing.pool.pool_limits import PoolLimits
from ...routing.response_kinds import needs_body
from ...values import dataclass
from ..http.content_coding import is_identity
from ..http.framing import BodyKind, Buffer, Framing
from ..http.header_rewrite import (
    OWN_FIELDS,
    client_response_headers,
    framing_for_client,
    header_value,
    render_client_head,
    render_named_head,
    render_response,
)
from ..http.path_kinds import PathKind
from ..messages.pool_headers import with_pool_limits
from ..messages.redact import KNOWN_SECRETS, redact_text
from ..messages.response_facts import (
    error_document,
    error_message,
    is_api_error,
    partial_error,
    without_secrets,
)
from ..messages.usage_tap import UsageTap
from ..net.client_connection import ClientConnection
from ..net.coroutine import RequestCoroutine
from ..net.relay import UPSTREAM_CUT_OFF, Observer, reading, relaying
from ..net.upstream_connection import UpstreamResponse
from ..records.exchange import Exchange, Outcome
from ..records.request_record import RequestRecord
from .context import RequestContext
from .hold import Hold

__all__ = ["KeptResponse", "ResponseWriter", "StreamRefusedError", "make_tap"]

# How long the head of a stream waits for the first event: long enough for an error event that follows at
# once, short enough to go unnoticed.
FIRST_EVENT_WAIT_SEC = 1.0
MAX_PROBE_BYTES = 1 << 20  # up to the first event
MAX_EVENT_BYTES = 1 << 20  # of a response that is no stream but must be sent as one event


@dataclass
class KeptResponse:
    """A refusal kept while other accounts are asked; its body is complete or broke off."""

    response: UpstreamResponse
    body: bytes
    account: str  # name

    @property
    def is_whole(self) -> bool:
        """Whether all of it has arrived, as far as its framing and its content tell."""
        return self.response.complete and not _is_cut_short(self)

    @property
    def client_body(self) -> bytes:
        """The body for the client: the API's own, or one of ours where that did not arrive whole."""
        return self.body if self.is_whole else partial_error(self.response.head, self.body)


class StreamRefusedError(Exception):
    """A 200 whose stream begins with an error event, before anything of it was sent to the client."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(redact_text(f"{kind}: {message}"))
        self.kind = kind


class ResponseWriter:
    """Write one response to one client."""

    # The request's hold, once it has waited.  A reference, not a function of the forwarder: a cycle would
    # leave every request to the garbage collector (16 objects each; 5 MB more at 64 connections).
    hold: Optional[Hold] = None
    sent_as_event = False  # the response could only be sent as an error event
    # With limitsFromPool: returns the limits to show in place of the account's.
    pool_limits: Optional[Callable[[], PoolLimits]] = None

    def __init__(
        self,
        exchange: Exchange,
        client: ClientConnection,
        log: Optional[RequestRecord],
        context: RequestContext,
    ) -> None:
        self._exchange = exchange
        self._client = client
        self._log = log
        self._context = context

    @property
    def _idle_sec(self) -> float:
        return self._context.config.body_idle_timeout_sec

    @property
    def _committed_hold(self) -> Hold:
        assert self.hold is not None, "only a hold commits a response"
        return self.hold

    def relay(
        self,
        response: UpstreamResponse,
        account: str,
        tap: UsageTap,
        probe: bool,
        on_start: Callable[[], None],
    ) -> RequestCoroutine[None]:
        """Relay a response to its end.

        `on_start` is called once it is certain that this is the response, before its first byte.
        Raises StreamRefusedError (only with `probe`), UpstreamLostError or ClientGoneError.
        """
        if self._exchange.hold_committed and not _fits_held_stream(response, tap):
            yield partial(self._write_as_event, response, tap)
            self.sent_as_event = True
            return
        first = (yield from self._read_first_event(response)) if probe and tap.is_stream else None
        on_start()
        if self._exchange.hold_committed:
            head, framing = b"", self._committed_hold.framing
        else:
            framing = framing_for_client(response.framing, self._exchange.head)
            head = self.head(response, account, framing)
            self._exchange.response_started(response.head.status)
        observers: list[Observer] = [tap.feed]
        if self._log is not None:
            observers.append(self._log.response.add)
        event_loop = self._context.event_loop if tap.is_stream else None  # any other body ends soon
        is_cut = partial(self._is_cut, tap)
        yield from relaying(
            response, self._client, head, framing, observers, self._idle_sec, first, event_loop, is_cut
        )

    def relay_kept(self, kept: KeptResponse) -> None:
        """Relay a kept refusal byte for byte, after all accounts have been tried.

        Raises UpstreamOutageError for one that is not the API's: an edge's 401 would cost a client its login.
        """
        head, body = kept.response.head, kept.client_body
        if needs_body(head.status) and not is_api_error(head, kept.body):
            raise UpstreamOutageError(
                f"Something on the way to the API answered {head.status} in its place (an edge, a filter or "
                "a proxy); no account is at fault. Try again in a moment."
            )
        if self._log is not None:
            self._log.response.add(body)
        if self._exchange.hold_committed:
            self._committed_hold.end_with(error_document(head, body))
        else:
            refusal_head, body = self._kept_response(kept)
            self._exchange.response_started(head.status)
            self._client.send(refusal_head + body)
        self._exchange.end(Outcome.UPSTREAM_ERROR, error_message(head, kept.body) or f"{head.status}")

    def _kept_response(self, kept: KeptResponse) -> tuple[bytes, bytes]:
        """Return head and body of a refusal, by rule 4; a decompressed body, or ours, has no coding."""
        response, body, recoded = kept.response, kept.client_body, not kept.is_whole
        if not recoded:
            body, recoded = without_secrets(response.head, body)
        bodiless = self._exchange.head.method == "HEAD" or response.head.status in (204, 304)
        framing = Framing(BodyKind.NONE) if bodiless else Framing(BodyKind.LENGTH, len(body))
        head = self.head(response, kept.account, framing, own=not kept.is_whole)
        if recoded:
            head = re.sub(rb"(?im)^content-encoding:[^\r\n]*\r\n", b"", head)
        return KNOWN_SECRETS.mask(head), b"" if bodiless else body

    def _read_first_event(self, response: UpstreamResponse) -> RequestCoroutine[Optional[list[Buffer]]]:
        """Return the beginning of a stream up to its first whole event, as far as that comes soon.

        It may come in many pieces, and the first ones of a compressed stream may hold no event yet.  Raises
        StreamRefusedError for an error event, UpstreamLostError where the stream has ended before.
        """
        probe = make_tap(response)
        pieces: list[Buffer] = []
        until = self._context.monotonic() + FIRST_EVENT_WAIT_SEC
        while (
            probe.first_event in (None, "ping")
            and not probe.gave_up
            and response.body_bytes < MAX_PROBE_BYTES
            and not response.complete
        ):
            left = max(0.0, until - self._context.monotonic())
            try:
                read = yield from reading(response, self._client.watch, left)
            except UpstreamTimeoutError:
                break
            for piece in read:
                probe.feed(piece)
                pieces.append(piece)
        if probe.error_type and not probe.model:
            raise StreamRefusedError(probe.error_type, probe.error_message or "")
        if response.complete and response.framing.kind is BodyKind.UNTIL_CLOSE and self._is_cut(probe):
            raise UpstreamLostError(UPSTREAM_CUT_OFF)
        return pieces or None

    def _is_cut(self, tap: UsageTap) -> bool:
        """Return whether a response that has ended with its connection broke off."""
        if tap.is_stream and self._exchange.route.kind is not PathKind.INFERENCE:
            return tap.first_event == "message_start" and tap.is_cut  # others end in their own way
        return tap.is_cut

    def _write_as_event(self, response: UpstreamResponse, tap: UsageTap) -> None:
        """Send a response that is no stream to a client that was promised one."""
        body = bytearray()
        while not response.complete and len(body) < MAX_EVENT_BYTES:
            for piece in response.read(self._client.watch, self._idle_sec):
                tap.feed(piece)
                body += piece
        self._committed_hold.end_with(error_document(response.head, bytes(body)))

    def head(self, response: UpstreamResponse, account: str, framing: Framing, own: bool = False) -> bytes:
        """Return the response's head for the client; `own`: its body is replaced by one of ours."""
        exchange, named = self._exchange, header_value(account)
        is_plain = self._log is None and self.pool_limits is None
        if is_plain and not own and exchange.keeps_open:
            return render_named_head(response.head, framing, named, exchange.id)
        extra = [*zip(OWN_FIELDS, (named, exchange.id)), *exchange.closing_fields]
        if own:
            extra.append(("Content-Type", "application/json"))
        if is_plain:
            return render_client_head(response.head, framing, extra)
        status, reason = response.head.status, response.head.reason
        headers = client_response_headers(response.head, framing, extra)
        if self.pool_limits is not None:
            headers = with_pool_limits(headers, self.pool_limits(), status)
        if self._log is not None:
            self._log.answered(status, reason, headers)
        if self.pool_limits is None:
            return render_client_head(response.head, framing, extra)
        return render_response(status, reason, headers)


def make_tap(response: UpstreamResponse) -> UsageTap:
    """Return the tap that reads this response as it passes."""
    form = response.head.form
    return UsageTap(form.media, form.coding, response.framing.kind is BodyKind.UNTIL_CLOSE)


def _fits_held_stream(response: UpstreamResponse, tap: UsageTap) -> bool:
    """Return whether it is an uncompressed stream: the head of a hold names no content-encoding."""
    plain = is_identity(response.head.get("content-encoding"))
    return response.head.status < 300 and tap.is_stream and plain


def _is_cut_short(kept: KeptResponse) -> bool:
    head = kept.response.head
    if kept.response.framing.kind is not BodyKind.UNTIL_CLOSE:
        return False
    tap = UsageTap(head.get("content-type"), head.get("content-encoding"), until_close=True)
    tap.feed(kept.body)
    return tap.is_cut
