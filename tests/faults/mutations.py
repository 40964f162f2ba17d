"""The table of mutations: deliberate bugs, each with a schedule that must catch it.

    python -m tests.faults.mutations            the table: bug, seed that catches it, invariant that broke
    python -m tests.faults.mutations --find N   look for a seed among N schedules where the known one fails

A mutation patches the running code; the bugs are in bugs.py and blame_bugs.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple, Optional

from teamclaude.proxy.http import header_rewrite
from teamclaude.routing.response_kinds import Effect, NextStep, ResponseKind
from tests.faults import blame_bugs as blame
from tests.faults import bugs
from tests.faults.rules.invariants import violations
from tests.faults.schedules.make_schedule import make
from tests.faults.world.run_schedule import run_schedule

__all__ = ["MUTATIONS", "Mutation", "caught"]

PATIENCE_SEC = 0.3  # enough: what is stuck stays stuck
TRIES = 20  # beside other load threads seldom come in the order that shows a bug


class Mutation(NamedTuple):
    """A bug, its patches, and the seed (with a `kind`: of that kind) of a schedule that shows it."""

    bug: str
    patches: Callable[[], bugs.Patches]
    seed: int
    kind: str = ""


def caught(mutation: Mutation, seed: int, tries: int = TRIES) -> Optional[str]:
    """Return the first violation of a schedule under a mutation; None: it was not caught."""
    for _ in range(tries):
        with ExitStack() as stack:
            stack.callback(header_rewrite._lower_if_forwarded.cache_clear)
            for patch in mutation.patches():
                stack.enter_context(patch)
            found = violations(run_schedule(make(seed, mutation.kind), patience=PATIENCE_SEC))
        if found:
            return found[0]
    return None


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("a stream that broke off is begun again", bugs.retry_after_the_first_byte, 7),
    Mutation("a slot is leaked when the client leaves", bugs.slot_leaked_when_the_client_leaves, 49),
    Mutation(
        "a 400 benches its account",
        lambda: bugs.meaning(ResponseKind.REQUEST, Effect.BENCH_AFTER_403, NextStep.RELAY),
        10,
    ),
    Mutation("a truncated body gets its last chunk", bugs.truncated_body_looks_complete, 7),
    Mutation("departed clients are not noticed", bugs.disconnects_go_unnoticed, 15),
    Mutation("two attempts are open at once", bugs.two_attempts_at_once, 0),
    Mutation("an account is sent another one's credential", bugs.credential_of_another_account, 2),
    Mutation(
        "a 403 is relayed",
        lambda: bugs.meaning(ResponseKind.FORBIDDEN, Effect.BENCH_AFTER_403, NextStep.RELAY),
        5,
    ),
    Mutation(
        "an account that refused gets no rest", bugs.refused_account_gets_no_rest, 0, "refusal with a time"
    ),
    Mutation("the hop after a bare 429 goes to the same account", bugs.hop_to_the_account_that_refused, 41),
    Mutation(
        "a bare 429 benches at once",
        lambda: bugs.meaning(ResponseKind.BARE, Effect.BENCH, NextStep.HOP_ONCE),
        38,
    ),
    Mutation("a departed client is never recorded", bugs.never_recorded, 15),
    Mutation("an upstream error is recorded twice", bugs.recorded_twice, 2),
    Mutation("a waiter that leaves the queue stays in it", bugs.waiter_stays_in_queue, 52),
    Mutation("a body may be of any size", bugs.unbounded_body, 39),
    Mutation("the queue may be of any length", bugs.unbounded_queue, 37),
    Mutation("the 429 says 60 s at most", bugs.clamped_retry_after, 117),
    Mutation("a stream counts as served without message_stop", bugs.served_without_a_stop, 162),
    Mutation("the proxy's key goes up", bugs.proxy_key_goes_up, 0),
    Mutation("a departed client benches the account", bugs.disconnect_benches, 15),
    Mutation("throttled requests are not held", bugs.no_hold, 37),
    Mutation("a broken connection is not tried once more", bugs.no_second_connection, 35),
    Mutation("a held request gets no error at shutdown", bugs.silent_shutdown, 52),
    Mutation("an account's message is passed on with its secrets", bugs.messages_with_secrets, 45),
    Mutation("two lengths are no reason to refuse", bugs.malformed_is_forwarded, 64),
    Mutation("a connection taken off the loop stays registered", bugs.connection_stays_registered, 9),
    Mutation("an unexpected error follows a whole answer", bugs.unexpected_error_after_a_whole_answer, 0),
    Mutation("gzip is not looked into", bugs.gzip_is_not_looked_into, 1, "gzip errors"),
    Mutation("a stream that flows is cut", bugs.flowing_streams_are_cut, 20),
    Mutation(
        "a 4xx of one account is relayed", blame.refusal_of_one_account_is_relayed, 1, "400 of the account"
    ),
    Mutation(
        "an account that another one proved guilty is not sidelined",
        blame.guilty_account_is_not_sidelined,
        33,
        "402 of the account",
    ),
    Mutation(
        "an edge's page counts as the API's answer", blame.page_counts_as_api_answer, 1, "page of an edge"
    ),
    Mutation(
        "a 429 about overage benches the account", blame.overage_benches_the_account, 1, "overage claim"
    ),
    Mutation(
        "extra usage is never asked, whatever is set", blame.extra_usage_is_never_asked, 1, "extra usage"
    ),
    Mutation("a bare 429 leads to one other account only", blame.one_hop_after_a_bare_429, 4, "bare 429s"),
    Mutation(
        "after a bare 429 a busy account is not waited for",
        blame.busy_accounts_are_not_waited_for,
        1,
        "bare 429 and busy slots",
    ),
    Mutation(
        "an overload moves a warm conversation for good",
        blame.overload_moves_permanently,
        1,
        "overloads of a warm conversation",
    ),
    Mutation(
        "a refusal that trickles is read to its end",
        blame.slow_refusals_are_read_to_their_end,
        1,
        "refusal that trickles",
    ),
    Mutation("a silent API is asked once more", blame.silence_counts_as_a_lost_connection, 1, "silent API"),
    Mutation("a bench may be of any length", blame.endless_benches_are_accepted, 1, "endless retry-after"),
    Mutation(
        "an answer that breaks off with its connection looks whole",
        blame.cut_answers_end_with_their_connection,
        1,
        "until close",
    ),
    Mutation(
        "a client that closes its sending half is gone",
        blame.half_closed_clients_count_as_gone,
        6,
        "half-closed",
    ),
    Mutation("the maker of an id is forgotten", blame.ids_are_forgotten, 55, "ids of an account"),
    Mutation("a thread is continued anywhere", blame.threads_are_not_seen, 3, "message threads"),
    Mutation(
        "an unknown thread is looked for at each account",
        blame.unknown_threads_are_any_refusal,
        22,
        "message threads",
    ),
    Mutation(
        "an overload moves what continues a thread",
        blame.overloads_move_threads,
        3,
        "message threads",
    ),
    Mutation(
        "requests without a session are one conversation",
        blame.requests_without_session_are_one_conversation,
        1,
        "burst without a session",
    ),
    Mutation("codings go up that cannot be read", blame.codings_go_up_as_they_came, 1, "codings"),
    Mutation(
        "an upload that breaks off keeps its slot",
        bugs.uploads_that_end_early_keep_their_slot,
        0,
        "early uploads",
    ),
    Mutation(
        "half an upload leaves its connection to others",
        bugs.uploads_that_end_early_keep_their_connection,
        11,
        "early uploads",
    ),
)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.mutations")
    parser.add_argument("--find", type=int, default=0, help="look for another seed in that many", metavar="N")
    options = parser.parse_args(argv)
    missed = 0
    for mutation in MUTATIONS:
        seed, violation = mutation.seed, caught(mutation, mutation.seed)
        for other in range(options.find if violation is None else 0):
            violation = caught(mutation, other, tries=1)
            if violation is not None and all(caught(mutation, other, tries=1) for _ in range(TRIES)):
                seed = other
                break
        missed += violation is None
        shown = (violation or "NOT CAUGHT")[:90]
        print(f"{mutation.bug:55} {seed if violation else '-':>6}  {shown}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
