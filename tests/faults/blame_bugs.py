"""Deliberate bugs in blame: whose fault a refusal is, where a request goes next, what counts as an end."""

from __future__ import annotations

from typing import Any
from unittest import mock

from teamclaude.errors import ClientGoneError, ProxyRefusedError
from teamclaude.proxy import connection
from teamclaude.proxy.forwarding import forwarder, refusals, response_writer, retry, router, routing_request
from teamclaude.proxy.http import header_rewrite
from teamclaude.proxy.net import socket_wait, transport
from teamclaude.routing import apply_response
from teamclaude.routing.response_kinds import MEANINGS, Effect, Meaning, NextStep, ResponseKind
from teamclaude.routing.state import account
from teamclaude.routing.state.decision import RoutingRequest
from tests.faults.bugs import Patches

_SUSPECT = Effect.SUSPECT


def _meaning(kind: ResponseKind, effect: Effect, following: NextStep) -> Patches:
    return [mock.patch.dict(MEANINGS, {kind: Meaning(effect, following)})]


def refusal_of_one_account_is_relayed() -> Patches:
    return _meaning(ResponseKind.CREDENTIAL, _SUSPECT, NextStep.RELAY)


def guilty_account_is_not_sidelined() -> Patches:
    return [mock.patch.object(router.Router, "record_account_refusal", return_value=None)]


def page_counts_as_api_answer() -> Patches:
    return [mock.patch.object(forwarder, "is_api_error", return_value=True)]


def overage_benches_the_account() -> Patches:
    return _meaning(ResponseKind.OVERAGE, Effect.BENCH, NextStep.OTHER_ACCOUNT)


def extra_usage_is_never_asked() -> Patches:
    return [mock.patch.object(account.Account, "_quota_block_unless_billed", account.Account.quota_block)]


def one_hop_after_a_bare_429() -> Patches:
    return [mock.patch.object(retry, "MAX_ACCOUNTS", 2)]


def busy_accounts_are_not_waited_for() -> Patches:
    return [mock.patch.object(router.WaitLimits, "for_slot_only", return_value=router.NO_WAIT)]


def overload_moves_permanently() -> Patches:
    replace = RoutingRequest._replace

    def without_detour(self: RoutingRequest, **changes: Any) -> RoutingRequest:
        return replace(self, **{**changes, "detour": False})

    return [
        mock.patch.object(retry, "LARGE_PREFIX_TOKENS", 1 << 60),
        mock.patch.object(RoutingRequest, "_replace", without_detour),
    ]


def slow_refusals_are_read_to_their_end() -> Patches:
    read_kept_body = transport.Transport.read_kept_body

    def patient(self: Any, watch: Any, answer: Any) -> bytes:
        with mock.patch.object(transport, "KEPT_BODY_SEC", 60.0):
            return read_kept_body(self, watch, answer)

    return [mock.patch.object(transport.Transport, "read_kept_body", patient)]


def silence_counts_as_a_lost_connection() -> Patches:
    return [mock.patch.object(transport, "_FINAL", (ClientGoneError, ProxyRefusedError))]


def endless_benches_are_accepted() -> Patches:
    return [mock.patch.object(apply_response, "MAX_WINDOW_SEC", 1e12)]


def cut_answers_end_with_their_connection() -> Patches:
    return [mock.patch.object(response_writer.ResponseWriter, "_is_cut", return_value=False)]


def half_closed_clients_count_as_gone() -> Patches:
    return [mock.patch.object(socket_wait, "is_peer_socket_open", return_value=False)]


def ids_are_forgotten() -> Patches:
    return [mock.patch.object(routing_request, "_owner", return_value=None)]


def requests_without_session_are_one_conversation() -> Patches:
    def lumped(*args: Any) -> Any:
        request = routing_request.routing_request_of(*args)
        return request if request.session else request._replace(session="nobody")

    return [mock.patch.object(connection, "routing_request_of", lumped)]


def codings_go_up_as_they_came() -> Patches:
    return [
        mock.patch.object(header_rewrite, "_with_readable_accept_encoding", lambda headers, head: headers)
    ]


def threads_are_not_seen() -> Patches:
    return [mock.patch.object(routing_request, "THREADS_BETA", "no such beta")]


def unknown_threads_are_any_refusal() -> Patches:
    return [mock.patch.object(forwarder, "is_thread_error", return_value=False)]


def overloads_move_threads() -> Patches:
    return [mock.patch.object(refusals, "_stays", return_value=False)]
