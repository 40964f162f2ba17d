"""The invariants of errors.md §1, checked from outside: each names itself and says in words what broke it.

Every function takes the Evidence of one world and returns its violations; the table says which invariant
it belongs to (0: what goes without saying).  Where the spec allows an exception, the function's docstring
names it and its code is the exception's definition.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.rules import account_effects, bounds, fairness, fidelity, placement, records, refusals
from tests.faults.rules.evidence import Evidence

__all__ = ["INVARIANTS", "violations"]

Check = Callable[[Evidence], list[str]]

INVARIANTS: tuple[tuple[int, Check], ...] = (
    (1, fairness.no_failure_while_an_account_was_usable),
    (1, fairness.no_refusal_of_an_account_is_relayed),
    (1, fairness.refused_accounts_rest),
    (1, fairness.held_out_only_when_hopeless),
    (1, refusals.refusals_of_one_account_end_no_request),
    (1, refusals.bare_refusals_lead_on),
    (1, refusals.outages_are_ridden_out),
    (1, refusals.refusals_that_trickle_hold_nobody),
    (1, refusals.the_refusal_names_the_setting),
    (1, placement.ids_stay_with_their_maker),
    (1, placement.nobody_waits_beside_a_free_slot),
    (1, fairness.our_errors_are_readable_and_true),
    (2, refusals.silence_is_not_asked_again),
    (2, fidelity.never_two_attempts_at_once),
    (3, fidelity.nothing_follows_the_answer),
    (3, fidelity.broken_answers_look_broken),
    (3, fidelity.whole_answers_arrive_whole),
    (3, fidelity.healthy_answers_are_not_cut),
    (3, fidelity.answerless_ends_have_a_cause),
    (3, fidelity.bodies_go_up_untouched),
    (3, placement.only_readable_codings_are_asked_for),
    (4, records.every_request_is_recorded_once),
    (4, records.outcomes_are_true),
    (4, records.streams_count_as_served_only_when_they_stopped),
    (5, account_effects.accounts_are_touched_for_a_reason),
    (5, refusals.sidelined_accounts_attract_nothing),
    (5, placement.conversations_come_home),
    (6, records.everything_returns_to_zero),
    (6, records.nothing_is_left_behind),
    (6, records.departures_cancel_the_attempt),
    (7, account_effects.credentials_go_to_their_own_api),
    (7, account_effects.refresh_tokens_are_spent_once),
    (7, account_effects.answers_name_the_account_that_gave_them),
    (7, account_effects.secrets_stay_inside),
    (8, bounds.limits_hold),
    (9, bounds.no_internal_errors),
    (0, bounds.nobody_is_left_waiting),
    (0, bounds.answers_are_http),
    (0, bounds.who_waits_is_told_of_a_shutdown),
    (0, bounds.state_is_saved),
)


def violations(evidence: Evidence) -> list[str]:
    """All violations, each with the number and the name of its invariant."""
    return [
        f"{number} {check.__name__}: {words}" for number, check in INVARIANTS for words in check(evidence)
    ]
