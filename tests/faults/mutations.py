"""Does the suite bite?  Deliberate bugs, each of which some schedule must catch.

    python -m tests.faults.mutations            the table: bug, seed that catches it, invariant that broke
    python -m tests.faults.mutations --find N   look for a seed among N schedules where the known one fails

A mutation patches the running code; the files stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, Optional
from unittest import mock

from teamclaude.errors import ClientGone, UpstreamLost
from teamclaude.proxy import delivery, exchange, forward, front, journal, router
from teamclaude.proxy.book import AccountBook
from teamclaude.proxy.tap import UsageTap
from teamclaude.proxy.wire import client, forwarding, transport
from teamclaude.proxy.wire.framing import LAST_CHUNK, Kind
from teamclaude.proxy.wire.watch import Watch
from teamclaude.routing import fleet
from teamclaude.routing.answers import MEANING, AnswerKind, Effect, Meaning, Next
from tests.faults.invariants import violations
from tests.faults.schedule import make
from tests.faults.world import live

__all__ = ["MUTATIONS", "Mutation", "caught"]

Patches = Sequence[Any]
PATIENCE_SEC = 0.3  # what is stuck stays so
TRIES = 5  # threads do not always come in the order that shows a bug


class Mutation(NamedTuple):
    """A bug in words, how it is made, and a seed whose schedule shows it."""

    bug: str
    patches: Callable[[], Patches]
    seed: int


def caught(mutation: Mutation, seed: int, tries: int = TRIES) -> Optional[str]:
    """The first violation of a schedule under a mutation; None when it goes unseen."""
    for _ in range(tries):
        with ExitStack() as stack:
            stack.callback(forwarding._lower_if_forwarded.cache_clear)
            for patch in mutation.patches():
                stack.enter_context(patch)
            found = violations(live(make(seed), patience=PATIENCE_SEC))
        if found:
            return found[0]
    return None


# --- the bugs -------------------------------------------------------------------------------------


def _meaning(kind: AnswerKind, effect: Effect, following: Next) -> Patches:
    return [mock.patch.dict(MEANING, {kind: Meaning(effect, following)})]


def _retry_after_the_first_byte() -> Patches:
    never = property(lambda self: False, lambda self, value: None)
    return [mock.patch.object(forward.Forwarder, "_streaming", never, create=True)]


def _slot_leaked_when_the_client_leaves() -> Patches:
    settle = router.Router.settle

    def leaky(self: Any, *args: Any, **more: Any) -> None:
        if not isinstance(sys.exc_info()[1], ClientGone):
            settle(self, *args, **more)

    return [mock.patch.object(router.Router, "settle", leaky)]


def _truncated_body_looks_complete() -> Patches:
    relay = delivery.relay

    def tidy(answer: Any, to: Any, head: bytes, framing: Any, *args: Any) -> None:
        try:
            relay(answer, to, head, framing, *args)
        except UpstreamLost:
            if framing.kind is Kind.CHUNKED and to.started:
                to.send(LAST_CHUNK)
            raise

    return [mock.patch.object(delivery, "relay", tidy)]


def _departures_go_unnoticed() -> Patches:
    return [mock.patch.object(client, "Watch", lambda sock: Watch(None))]


def _two_attempts_at_once() -> Patches:
    once = transport.Transport._once

    def hedged(self: Any, connection: Any, method: str, head: bytes, body: Any) -> Any:
        other = self._pool.open(connection.origin, self._watch)
        other.send(head, body, self._watch)
        try:
            return (yield from once(self, connection, method, head, body))
        finally:
            other.close()

    return [mock.patch.object(transport.Transport, "_once", hedged)]


def _credential_of_another_account() -> Patches:
    way = AccountBook.way

    def wrong(self: AccountBook, key: str) -> Any:
        found, first = way(self, key), way(self, next(iter(self.names())))
        return found and first and found._replace(credential=first.credential)

    return [mock.patch.object(AccountBook, "way", wrong)]


def _refused_account_gets_no_rest() -> Patches:
    return [mock.patch.object(fleet, "refuse", lambda *args: None)]


def _hop_to_the_account_that_refused() -> Patches:
    return [mock.patch.object(forward.Forwarder, "_leave_out", lambda self, lease, why: None)]


def _never_recorded() -> Patches:
    end = journal.Journal.end

    def forgetful(self: Any, done: exchange.Exchange, record: Any) -> None:
        if done.outcome is not exchange.Outcome.CLIENT_GONE:
            end(self, done, record)

    return [mock.patch.object(journal.Journal, "end", forgetful)]


def _recorded_twice() -> Patches:
    end = journal.Journal.end

    def eager(self: Any, done: exchange.Exchange, record: Any) -> None:
        end(self, done, record)
        if done.outcome is exchange.Outcome.UPSTREAM_ERROR:
            end(self, done, None)

    return [mock.patch.object(journal.Journal, "end", eager)]


def _waiter_stays_in_line() -> Patches:
    return [mock.patch.object(router.Router, "_leave_line", lambda self, waiter: None)]


def _unbounded_body() -> Patches:
    read = client.Client.read_body

    def any_size(self: Any, framing: Any, limit: int, *args: Any) -> Any:
        return read(self, framing, 1 << 40, *args)

    return [mock.patch.object(client.Client, "read_body", any_size)]


def _unbounded_line() -> Patches:
    endless = property(lambda self: 1 << 20, lambda self, value: None)
    return [mock.patch.object(router.Router, "_max_held", endless, create=True)]


def _clamped_retry_after() -> Patches:
    refusal = forward.refusal

    def clamped(*args: Any) -> Any:
        error = refusal(*args)
        if hasattr(error, "retry_after"):
            error.retry_after = min(error.retry_after, 60)
        return error

    return [mock.patch.object(forward, "refusal", clamped)]


def _served_without_a_stop() -> Patches:
    always = property(lambda self: True, lambda self, value: None)
    return [mock.patch.object(UsageTap, "saw_stop", always, create=True)]


def _proxy_key_goes_up() -> Patches:
    forwarding._lower_if_forwarded.cache_clear()
    return [mock.patch.object(forwarding, "_NEVER_UP_PREFIXES", ("proxy-",))]


def _departure_benches() -> Patches:
    settle = router.Router.settle

    def blaming(self: Any, lease: Any, *args: Any, **more: Any) -> None:
        if isinstance(sys.exc_info()[1], ClientGone):
            self.condemn(lease)
        settle(self, lease, *args, **more)

    return [mock.patch.object(router.Router, "settle", blaming)]


def _no_hold() -> Patches:
    return [mock.patch.object(forward.Forwarder, "_patience", lambda self: router.NO_PATIENCE)]


def _no_second_connection() -> Patches:
    def only(self: Any, origin: Any, method: str, head: bytes, body: Any) -> Any:
        pooled = self._pool.take(origin) or self._pool.open(origin, self._watch)
        return self._once(pooled, method, head, body)

    return [mock.patch.object(transport.Transport, "steps", only)]


def _silent_shutdown() -> Patches:
    return [mock.patch.object(router.Router, "drain", lambda self: None)]


def _words_with_secrets() -> Patches:
    from teamclaude.proxy import words

    return [mock.patch.object(words, "redact_text", lambda text: text)]


def _malformed_is_forwarded() -> Patches:
    framing = front.request_body

    def lenient(head: Any) -> Any:
        lengths = [field for field in head.headers if field[0].lower() == "content-length"]
        return framing(head) if len(lengths) < 2 else forwarding.Framing(Kind.NONE)

    return [mock.patch.object(front, "request_body", lenient)]


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("a stream that broke off is begun again", _retry_after_the_first_byte, 7),
    Mutation("a slot is leaked when the client leaves", _slot_leaked_when_the_client_leaves, 9),
    Mutation("a 400 benches its account", lambda: _meaning(AnswerKind.REQUEST, Effect.REST, Next.RELAY), 3),
    Mutation("a truncated body gets its last chunk", _truncated_body_looks_complete, 7),
    Mutation("departed clients are not noticed", _departures_go_unnoticed, 15),
    Mutation("two attempts are open at once", _two_attempts_at_once, 0),
    Mutation("an account is sent another one's credential", _credential_of_another_account, 2),
    Mutation("a 403 is relayed", lambda: _meaning(AnswerKind.FORBIDDEN, Effect.REST, Next.RELAY), 5),
    Mutation("an account that refused gets no rest", _refused_account_gets_no_rest, 25),
    Mutation("the hop after a bare 429 goes to the same account", _hop_to_the_account_that_refused, 38),
    Mutation(
        "a bare 429 benches at once", lambda: _meaning(AnswerKind.BARE, Effect.BENCH, Next.HOP_ONCE), 17
    ),
    Mutation("a departed client is never recorded", _never_recorded, 9),
    Mutation("an upstream error is recorded twice", _recorded_twice, 2),
    Mutation("who leaves the line stays in it", _waiter_stays_in_line, 52),
    Mutation("a body may be of any size", _unbounded_body, 39),
    Mutation("the line may be of any length", _unbounded_line, 37),
    Mutation("the 429 says 60 s at most", _clamped_retry_after, 105),
    Mutation("a stream counts as served without message_stop", _served_without_a_stop, 162),
    Mutation("the proxy's key goes up", _proxy_key_goes_up, 0),
    Mutation("a departed client benches the account", _departure_benches, 9),
    Mutation("throttled requests are not held", _no_hold, 1),
    Mutation("a broken connection is not tried once more", _no_second_connection, 35),
    Mutation("who is held is not told of a shutdown", _silent_shutdown, 52),
    Mutation("an account's words are passed on with their secrets", _words_with_secrets, 45),
    Mutation("two lengths are no reason to refuse", _malformed_is_forwarded, 64),
)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutations")
    parser.add_argument("--find", type=int, default=0, help="look for another seed in that many", metavar="N")
    options = parser.parse_args(argv)
    missed = 0
    for mutation in MUTATIONS:
        seed, words = mutation.seed, caught(mutation, mutation.seed)
        for other in range(options.find if words is None else 0):
            words = caught(mutation, other, tries=1)
            if words is not None and all(caught(mutation, other, tries=1) for _ in range(TRIES)):
                seed = other
                break
        missed += words is None
        print(f"{mutation.bug:55} {seed if words else '-':>6}  {(words or 'NOT CAUGHT')[:90]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
