"""Deliberate bugs, one per function, as patches of the running code; the table is in `mutations`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

from teamclaude.errors import ClientGoneError, UpstreamLostError
from teamclaude.proxy import connection
from teamclaude.proxy.forwarding import (
    acquire,
    context,
    early_upload,
    forwarder,
    response_writer,
    retry,
    router,
)
from teamclaude.proxy.forwarding.account_targets import AccountTargets
from teamclaude.proxy.forwarding.acquire import no_account_error
from teamclaude.proxy.http import header_rewrite
from teamclaude.proxy.http.content_coding import Inflater
from teamclaude.proxy.http.framing import LAST_CHUNK, BodyKind, Framing, request_framing
from teamclaude.proxy.messages import response_facts
from teamclaude.proxy.messages.usage_tap import UsageTap
from teamclaude.proxy.net import client_connection, connections, transport
from teamclaude.proxy.net.event_loop import LoopState
from teamclaude.proxy.net.relay import CLIENT_END, EPOLL_READ, EPOLL_WRITE, StreamTask, relaying
from teamclaude.proxy.net.socket_wait import ClientWatch
from teamclaude.proxy.records import exchange, journal
from teamclaude.routing import apply_response
from teamclaude.routing.response_kinds import MEANINGS, Effect, Meaning, NextStep, ResponseKind

Patches = Sequence[Any]


def meaning(kind: ResponseKind, effect: Effect, following: NextStep) -> Patches:
    return [mock.patch.dict(MEANINGS, {kind: Meaning(effect, following)})]


def retry_after_the_first_byte() -> Patches:
    never = property(lambda self: False, lambda self, value: None)
    return [mock.patch.object(forwarder.Forwarder, "_streaming", never, create=True)]


def slot_leaked_when_the_client_leaves() -> Patches:
    release = router.Router.release

    def leaky(self: Any, *args: Any, **more: Any) -> None:
        if not isinstance(sys.exc_info()[1], ClientGoneError):
            release(self, *args, **more)

    return [mock.patch.object(router.Router, "release", leaky)]


def truncated_body_looks_complete() -> Patches:
    def completing(answer: Any, to: Any, head: bytes, framing: Any, *args: Any) -> Iterator[Any]:
        try:
            yield from relaying(answer, to, head, framing, *args)
        except UpstreamLostError:
            if framing.kind is BodyKind.CHUNKED and to.response_started:
                to.send(LAST_CHUNK)
            raise

    return [mock.patch.object(response_writer, "relaying", completing)]


def disconnects_go_unnoticed() -> Patches:
    def blind(sock: Any) -> ClientWatch:
        return ClientWatch(None)

    return [mock.patch.object(client_connection, "ClientWatch", blind)]


def two_attempts_at_once() -> Patches:
    exchange = transport.Transport.exchange

    def hedged(self: Any, watch: Any, origin: Any, method: str, head: bytes, body: Any, **more: Any) -> Any:
        other = self._pool.open(origin, watch)
        other.send(head, body, watch)
        try:
            return (yield from exchange(self, watch, origin, method, head, body, **more))
        finally:
            other.close()

    return [mock.patch.object(transport.Transport, "exchange", hedged)]


def credential_of_another_account() -> Patches:
    fresh_target = AccountTargets.fresh_target

    def wrong(self: AccountTargets, key: str, now: float) -> Any:
        found, is_fresh = fresh_target(self, key, now)
        first, _ = fresh_target(self, next(iter(self.names())), now)
        return found and first and found._replace(credential=first.credential), is_fresh

    return [mock.patch.object(AccountTargets, "fresh_target", wrong)]


def refused_account_gets_no_rest() -> Patches:
    return [mock.patch.object(apply_response, "record_429", return_value=None)]


def hop_to_the_account_that_refused() -> Patches:
    return [mock.patch.object(retry.RetryState, "excluding", lambda self, account: self)]


def never_recorded() -> Patches:
    end = journal.Journal.request_ended

    def forgetful(self: Any, done: exchange.Exchange, record: Any) -> None:
        if done.outcome is not exchange.Outcome.CLIENT_GONE:
            end(self, done, record)

    return [mock.patch.object(journal.Journal, "request_ended", forgetful)]


def recorded_twice() -> Patches:
    end = journal.Journal.request_ended

    def eager(self: Any, done: exchange.Exchange, record: Any) -> None:
        end(self, done, record)
        if done.outcome is exchange.Outcome.UPSTREAM_ERROR:
            end(self, done, None)

    return [mock.patch.object(journal.Journal, "request_ended", eager)]


def waiter_stays_in_queue() -> Patches:
    return [mock.patch.object(router.Router, "leave", return_value=None)]


def unbounded_body() -> Patches:
    read = client_connection.ClientConnection.read_body

    def any_size(self: Any, framing: Any, limit: int, *args: Any) -> Any:
        return read(self, framing, 1 << 40, *args)

    return [mock.patch.object(client_connection.ClientConnection, "read_body", any_size)]


def unbounded_queue() -> Patches:
    endless = property(lambda self: 1 << 20, lambda self, value: None)
    return [mock.patch.object(router.Router, "_max_held", endless, create=True)]


def clamped_retry_after() -> Patches:
    def clamped(*args: Any) -> Any:
        error = no_account_error(*args)
        if error.retry_after is not None:
            error.retry_after = min(error.retry_after, 60)
        return error

    return [mock.patch.object(acquire, "no_account_error", clamped)]


def served_without_a_stop() -> Patches:
    always = property(lambda self: True, lambda self, value: None)
    return [mock.patch.object(UsageTap, "saw_stop", always, create=True)]


def proxy_key_goes_up() -> Patches:
    header_rewrite._lower_if_forwarded.cache_clear()
    return [mock.patch.object(header_rewrite, "_NOT_FORWARDED_PREFIXES", ("proxy-",))]


def disconnect_benches() -> Patches:
    release = router.Router.release

    def blaming(self: Any, lease: Any, *args: Any, **more: Any) -> None:
        if isinstance(sys.exc_info()[1], ClientGoneError):
            self.confirm_account_429(lease)
        release(self, lease, *args, **more)

    return [mock.patch.object(router.Router, "release", blaming)]


def no_hold() -> Patches:
    return [mock.patch.object(context.RequestContext, "wait_limits_of", return_value=router.NO_WAIT)]


def no_second_connection() -> Patches:
    def only(self: Any, origin: Any, method: str, head: bytes, body: Any, repeatable: bool = True) -> Any:
        pooled = self._pool.take_idle(origin) or self._pool.open(origin, self._watch)
        return self._send_once(pooled, method, head, body)

    return [mock.patch.object(transport.Transport, "exchange", only)]


def silent_shutdown() -> Patches:
    # Without the time for new connections, in which an account of the schedule comes back.
    return [
        mock.patch.object(router.Router, "drain", return_value=None),
        mock.patch.object(connections, "NEW_SEC", 0.0),
    ]


def messages_with_secrets() -> Patches:
    return [mock.patch.object(response_facts, "redact_text", lambda text: text)]


def malformed_is_forwarded() -> Patches:
    def lenient(head: Any) -> Any:
        lengths = [field for field in head.headers if field[0].lower() == "content-length"]
        return request_framing(head) if len(lengths) < 2 else Framing(BodyKind.NONE)

    return [mock.patch.object(connection, "request_framing", lenient)]


def connection_stays_registered() -> Patches:
    """A stream notices it in the middle, not when it is registered with the loop."""

    def register(self: Any, loop_state: LoopState, now: float) -> None:
        self.loop_state = loop_state
        self.last_progress = now
        loop_state.epoll.register(self.client_fd, EPOLL_WRITE)

    def switch_direction(self: Any) -> None:
        self._reading = not self._reading
        epoll = self.loop_state.epoll
        epoll.modify(self.client_fd, CLIENT_END if self._reading else EPOLL_WRITE)
        if self._reading:
            epoll.register(self.upstream_fd, EPOLL_READ)
        else:
            epoll.unregister(self.upstream_fd)

    return [
        mock.patch.object(LoopState, "unwatch", return_value=None),
        mock.patch.object(StreamTask, "register", register),
        mock.patch.object(StreamTask, "_switch_direction", switch_direction),
    ]


def unexpected_error_after_a_whole_answer() -> Patches:
    record_outcome = forwarder.Forwarder._record_outcome

    def failing(self: Any, *args: Any) -> bool:
        record_outcome(self, *args)
        raise KeyError("nobody foresaw this")

    return [mock.patch.object(forwarder.Forwarder, "_record_outcome", failing)]


def gzip_is_not_looked_into() -> Patches:
    return [mock.patch.object(Inflater, "inflate", return_value=b"")]


def flowing_streams_are_cut() -> Patches:
    forward_some = StreamTask._forward

    def impatient(self: Any, now: float) -> bool:
        if self._response.body_bytes > 900:
            raise UpstreamLostError("more than 900 bytes")
        return forward_some(self, now)

    return [mock.patch.object(StreamTask, "_forward", impatient)]


def uploads_that_end_early_keep_their_slot() -> Patches:
    def only_close(early: Any, _context: Any) -> None:
        early.connection.close()

    return [mock.patch.object(early_upload, "_take_back", only_close)]


def uploads_that_end_early_keep_their_connection() -> Patches:
    def only_release(early: Any, context: Any) -> None:
        context.pool.release(early.connection)
        context.router.release(early.lease)

    return [mock.patch.object(early_upload, "_take_back", only_release)]
