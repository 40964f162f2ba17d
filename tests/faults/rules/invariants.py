"""The table of all rules: the invariants of errors.md §1, checked from outside the proxy.

Every rule is a function that takes the Evidence of one run and returns its violations as sentences; the
table gives the number of its invariant (0: not in the spec, but obvious).  An exception that the spec allows
is named in the rule's docstring and defined by its code.
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
    (1, refusals.a_refusal_of_one_account_tries_another),
    (1, refusals.bare_429s_try_other_accounts),
    (1, refusals.outages_are_retried),
    (1, refusals.slow_refusal_bodies_are_not_awaited),
    (1, refusals.the_refusal_names_the_setting),
    (1, placement.ids_stay_with_their_maker),
    (1, placement.no_request_waits_while_a_slot_is_free),
    (1, fairness.our_errors_are_readable_and_true),
    (2, refusals.silent_attempts_are_not_repeated),
    (2, fidelity.never_two_attempts_at_once),
    (3, fidelity.nothing_follows_the_answer),
    (3, fidelity.broken_answers_look_broken),
    (3, fidelity.whole_answers_arrive_whole),
    (3, fidelity.flowing_answers_are_not_cut),
    (3, fidelity.answerless_ends_have_a_cause),
    (3, fidelity.bodies_go_up_untouched),
    (3, placement.only_readable_codings_are_asked_for),
    (4, records.every_request_is_recorded_once),
    (4, records.outcomes_are_true),
    (4, records.streams_count_as_served_only_when_they_stopped),
    (5, account_effects.accounts_are_touched_for_a_reason),
    (5, refusals.sidelined_accounts_get_no_requests),
    (5, placement.conversations_return_to_their_account),
    (5, placement.threads_stay_with_their_account),
    (6, records.everything_returns_to_zero),
    (6, records.nothing_is_left_behind),
    (6, records.disconnects_cancel_the_attempt),
    (7, account_effects.credentials_go_to_their_own_api),
    (7, account_effects.refresh_tokens_are_spent_once),
    (7, account_effects.answers_name_the_account_that_gave_them),
    (7, account_effects.secrets_stay_inside),
    (8, bounds.limits_hold),
    (9, bounds.no_internal_errors),
    (0, bounds.every_request_ends),
    (0, bounds.answers_are_http),
    (0, bounds.held_requests_get_an_error_at_shutdown),
    (0, bounds.state_is_saved),
)


def violations(evidence: Evidence) -> list[str]:
    """Return all violations, each with the number of its invariant and the name of its rule."""
    return [
        f"{number} {check.__name__}: {words}" for number, check in INVARIANTS for words in check(evidence)
    ]
