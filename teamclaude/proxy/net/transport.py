"""One attempt on the wire: send a request, read the answer's head, with the retries a wire needs.

A failure on a reused connection says only that the upstream had closed it: once more on a fresh one,
at once.  A failure on a fresh connection gets one more try after a pause; then it is an outage.  What was
sent and met silence is not sent again, on whatever connection: it may be running, and billed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from ...errors import ClientGoneError, ConnectFailedError, UpstreamLostError, UpstreamTimeoutError
from ..http.origin import Origin
from .coroutine import ReadUpstream, RequestCoroutine, WriteUpstream, run_coroutine
from .socket_wait import ClientWatch
from .upstream_connection import (
    Buffer,
    UpstreamConnection,
    UpstreamPool,
    UpstreamResponse,
    parse_whole_head,
    read_response,
)

__all__ = ["Transport"]

RETRY_PAUSE_SEC = 0.5
MAX_KEPT_BODY_BYTES = 262144  # of an answer that is kept back while another account is tried
KEPT_BODY_SEC = 2.0  # for all of it: what has come by then is enough


class Transport:
    """Sends one request as often as the wire makes necessary; never two at a time."""

    def __init__(
        self,
        pool: UpstreamPool,
        watch: ClientWatch,
        head_timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._watch = watch
        self._head_timeout = head_timeout

    def exchange_once(self, origin: Origin, method: str, head: bytes, body: Buffer) -> UpstreamResponse:
        """As exchange, but never sent twice: for requests that spend something."""
        return run_coroutine(self._send_once(self._pool.open(origin, self._watch), method, head, body))

    def exchange(self, origin: Origin, method: str, head: bytes, body: Buffer) -> UpstreamResponse:
        """The upstream's answer, its body unread; raises ConnectFailed, UpstreamLost or ClientGone."""
        return run_coroutine(self.steps(origin, method, head, body))

    def steps(
        self, origin: Origin, method: str, head: bytes, body: Buffer
    ) -> RequestCoroutine[UpstreamResponse]:
        """As `exchange`."""
        pooled = self._pool.take_idle(origin, self._watch.epoll)
        if pooled is not None:
            try:
                return (yield from self._send_once(pooled, method, head, body))
            except UpstreamTimeoutError:
                raise
            except UpstreamLostError:
                pass
        dial = partial(self._pool.open, origin, self._watch)
        try:
            return (yield from self._send_once((yield dial), method, head, body))
        except UpstreamTimeoutError:
            raise
        except (ConnectFailedError, UpstreamLostError):
            yield partial(self._watch.sleep, RETRY_PAUSE_SEC)
        return (yield from self._send_once((yield dial), method, head, body))

    def _send_once(
        self, connection: UpstreamConnection, method: str, head: bytes, body: Buffer
    ) -> RequestCoroutine[UpstreamResponse]:
        watch = self._watch
        try:
            rest = yield WriteUpstream(connection, head, body)
            if rest:
                yield partial(connection.send_rest, rest, watch)
            first = yield ReadUpstream(connection, watch, self._head_timeout, "answer")
            answer = parse_whole_head(connection, method, first)
            if answer is None:
                answer = yield partial(read_response, connection, method, watch, self._head_timeout, first)
            return answer
        except (UpstreamLostError, ClientGoneError):
            connection.close()
            raise

    def release(self, response: UpstreamResponse) -> None:
        """The answer has been used: keep its connection if it is clean, else close it."""
        if response.reusable:
            self._pool.release(response.connection)
        else:
            response.connection.close()

    def read_kept_body(self, response: UpstreamResponse) -> bytes:
        """Read the body of an answer that may be relayed later; an endless, slow or broken one is cut."""
        body = bytearray()
        ends = self._monotonic() + KEPT_BODY_SEC
        try:
            while not response.complete and len(body) <= MAX_KEPT_BODY_BYTES:
                left = ends - self._monotonic()
                if left <= 0:
                    break
                for piece in response.read(self._watch, left):
                    body += piece
        except UpstreamLostError:
            pass
        except ClientGoneError:
            response.connection.close()
            raise
        self.release(response)
        return bytes(body)
