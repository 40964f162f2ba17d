"""What the forwarder of one request works with.

Most of it is made when it is needed first: a request that is served at once by its first account does not.
"""

from __future__ import annotations

from functools import partial
from typing import Optional

from ..http.path_kinds import PathKind
from ..net.client_connection import ClientConnection
from ..records.exchange import Exchange
from ..records.request_record import RequestRecord
from .acquire import AccountAcquirer
from .context import RequestContext
from .early_upload import EarlyRequest
from .hold import Hold
from .refusals import Refusals
from .response_writer import ResponseWriter

__all__ = ["RequestParts"]

_INFERENCE = PathKind.INFERENCE


class RequestParts:
    """The base of the forwarder."""

    _known_hold: Optional[Hold] = None
    _known_refusals: Optional[Refusals] = None
    _known_acquirer: Optional[AccountAcquirer] = None
    _known_writer: Optional[ResponseWriter] = None

    def __init__(
        self,
        context: RequestContext,
        exchange: Exchange,
        client: ClientConnection,
        log: Optional[RequestRecord],
        early: Optional[EarlyRequest] = None,
    ) -> None:
        self._context = context
        self._exchange = exchange
        self._client = client
        self._log = log
        self._early = early  # sent while its body arrived, for the first attempt
        self._inference = exchange.route.kind is _INFERENCE
        self._shows_pool = self._inference and context.config.limits_from_pool

    # Until Python 3.12 a cached_property takes a lock: 2 % of the time of a request that waits for a slot.

    @property
    def _hold(self) -> Hold:
        if self._known_hold is None:
            context, exchange = self._context, self._exchange
            stream, commit_sec = exchange.facts.stream is True, context.config.hold_commit_sec
            draining = context.router.check_draining
            self._known_hold = Hold(exchange, self._client, stream, commit_sec, draining, context.monotonic)
        return self._known_hold

    @property
    def _writer(self) -> ResponseWriter:
        if self._known_writer is None:
            context, exchange = self._context, self._exchange
            writer = self._known_writer = ResponseWriter(exchange, self._client, self._log, context)
            if self._shows_pool:
                writer.pool_limits = partial(context.pool_limits, exchange.routing_request.model)
        self._known_writer.hold = self._known_hold
        return self._known_writer

    @property
    def _refusals(self) -> Refusals:
        if self._known_refusals is None:
            self._known_refusals = Refusals(self._context, self._exchange)
        return self._known_refusals

    @property
    def _acquirer(self) -> AccountAcquirer:
        if self._known_acquirer is None:
            known = self._context, self._exchange, self._hold, self._refusals
            self._known_acquirer = AccountAcquirer(*known)
        return self._known_acquirer
