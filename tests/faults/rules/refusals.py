"""Rules of invariants 1 and 5 about refusals: the cause decides which account is next, and which rests.

Each rule belongs to one of `kinds.KINDS` and reports nothing while that kind is in `awaited.AWAITED`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.rules.awaited import is_awaited
from tests.faults.rules.evidence import Evidence, Seen
from tests.faults.rules.oracle import (
    DELAY_SEC,
    MARGIN,
    MAYBE_THE_ACCOUNT,
    Oracle,
    is_bare,
    is_extra_usage,
    is_of_the_account,
    is_outage,
    is_silent,
    model_of,
)

__all__ = [
    "a_refusal_of_one_account_tries_another",
    "asked_again_with_the_same_model",
    "bare_429s_try_other_accounts",
    "outages_are_retried",
    "sidelined_accounts_get_no_requests",
    "silent_attempts_are_not_repeated",
    "slow_refusal_bodies_are_not_awaited",
    "the_refusal_names_the_setting",
]

MOST_HOPS = 4  # accounts that one request asks after bare 429s
LONGEST_PAUSE_SEC = 0.03  # MAX_BACKOFF_SEC of the schedules
REFUSAL_SEC = 0.8  # KEPT_BODY_SEC of the schedules, and what a busy machine adds


def a_refusal_of_one_account_tries_another(evidence: Evidence) -> list[str]:
    """A 4xx about the account is relayed only when a second account repeats it, or none could serve."""
    oracle, found = Oracle(evidence), []
    for seen in _turns(evidence):
        attempts = evidence.attempts(seen.tag)
        if not seen.relayed or seen.status not in MAYBE_THE_ACCOUNT or is_awaited(_kind(seen.status)):
            continue
        alike = {each.account for each in attempts if each.status in MAYBE_THE_ACCOUNT}
        if len(alike) > 1 or not any(is_of_the_account(each) for each in attempts):
            continue
        left = _usable(evidence, oracle, seen, {each.account for each in attempts})
        if left:
            found.append(f"{seen.tag}: got the {seen.status} of {seen.account} although {left} could serve")
    return found


def sidelined_accounts_get_no_requests(evidence: Evidence) -> list[str]:
    """After a refusal that another account did not repeat, new requests go elsewhere for 5 minutes."""
    oracle, found = Oracle(evidence), []
    for seen in _turns(evidence):
        attempts = evidence.attempts(seen.tag)
        guilty = [h for h in attempts if is_of_the_account(h) and not is_awaited(_kind(h.status))]
        if not guilty or not seen.stayed or not any(h.served for h in attempts):
            continue
        for other in _turns(evidence):
            first = next(iter(evidence.attempts(other.tag)), None)
            if other.began < seen.last + DELAY_SEC or first is None or first.account != guilty[0].account:
                continue
            scoped = guilty[0].status == 404 and model_of(first) != model_of(guilty[0])
            if not scoped and _usable(evidence, oracle, other, {first.account}, first.at):
                found.append(f"{other.tag}: went to {first.account}, which refused {seen.tag} for itself")
    return found


def outages_are_retried(evidence: Evidence) -> list[str]:
    """A request that meets an outage is retried until the budget is spent.

    The spec allows: one that may wait no longer finds the slots of all accounts taken.
    """
    found = []
    budget = evidence.schedule.config["upstreamRetryBudgetSec"]
    for seen in _turns(evidence):
        attempts = evidence.attempts(seen.tag)
        if not seen.whole or (seen.status < 500 and seen.status not in (401, 403, 407)):
            continue
        pages = any(h.status in (401, 403, 407, 511) for h in attempts)
        if not attempts or not all(map(is_outage, attempts)) or (pages and is_awaited("page of an edge")):
            continue
        if _may_wait_no_longer(evidence, seen) and _has_company(evidence, seen):
            continue
        if seen.last - seen.began + LONGEST_PAUSE_SEC + DELAY_SEC < budget:
            spent = seen.last - seen.began
            found.append(f"{seen.tag}: gave up after {spent:.2f} s of {budget} with {seen.status}")
    return found


def silent_attempts_are_not_repeated(evidence: Evidence) -> list[str]:
    """A request is not sent again after silence: the first one may be running, and billed."""
    if is_awaited("silent API"):
        return []
    found = []
    for seen in evidence.seen:
        attempts = evidence.attempts(seen.tag)
        for silent in attempts[:-1]:
            if is_silent(silent, evidence.schedule.config["headTimeoutSec"]):
                found.append(f"{seen.tag}: sent again after {silent.account} had been silent")
    return found


def slow_refusal_bodies_are_not_awaited(evidence: Evidence) -> list[str]:
    """A refusal is acted on by its status, without waiting for the end of a slow body."""
    if is_awaited("refusal that trickles"):
        return []
    return [
        f"{heard.tag}: the {heard.status} of {heard.account} was read for {heard.over - heard.at:.1f} s"
        for heard in evidence.heard
        if heard.status >= 400 and heard.over - heard.at > REFUSAL_SEC
    ]


def bare_429s_try_other_accounts(evidence: Evidence) -> list[str]:
    """A bare 429 is relayed when all accounts refused; a busy account is waited for as after any refusal."""
    oracle, found = Oracle(evidence), []
    if is_awaited("bare 429 and busy slots") or evidence.schedule.happens("jump", "stop", "switch"):
        return []
    for seen in _turns(evidence):
        attempts = evidence.attempts(seen.tag)
        if not (seen.relayed and seen.status == 429) or asked_again_with_the_same_model(evidence, seen):
            continue
        asked = {each.account for each in attempts if is_bare(each)}
        if len(asked) >= MOST_HOPS or _may_wait_no_longer(evidence, seen):
            continue
        moment = seen.first or seen.last
        for account in evidence.schedule.accounts:
            free = not (account.is_paid or not account.reachable or oracle.uncertain(account.name))
            rests = oracle.back_at(account.name, moment) > evidence.clock(moment) - MARGIN
            if account.name not in {each.account for each in attempts} and free and not rests:
                found.append(f"{seen.tag}: got the bare 429 of {seen.account}; {account.name} was not asked")
    return found


def the_refusal_names_the_setting(evidence: Evidence) -> list[str]:
    """The proxy's 429 names the setting that excludes an account which could serve as extra usage."""
    if is_awaited("extra usage") or evidence.schedule.config.get("allowExtraUsage"):
        return []
    found = []
    for seen in _turns(evidence):
        ours = seen.status == 429 and not seen.relayed and seen.whole and b"throttled" in seen.payload
        able = any(is_extra_usage(h) and h.over and h.over < seen.began for h in evidence.heard)
        if ours and able and b"allowExtraUsage" not in seen.payload:
            found.append(f"{seen.tag}: the 429 does not name allowExtraUsage: {seen.payload[-200:]!r}")
    return found


def asked_again_with_the_same_model(evidence: Evidence, seen: Seen) -> bool:
    """Return whether all accounts refused this model within a minute: then only one is asked again."""
    return any(
        other is not seen
        and (other.status == 429 or (other.held and other.last_event == "error"))
        and other.request.model == seen.request.model
        and 0 <= evidence.clock(seen.last) - evidence.clock(_refused_at(evidence, other)) < 60 + MARGIN
        for other in evidence.seen
    )


def _may_wait_no_longer(evidence: Evidence, seen: Seen) -> bool:
    """Return whether its time to wait for an account may have been spent when its answer began."""
    patience = evidence.schedule.config["allThrottledHoldBudgetSec"]
    if not seen.request.stream or seen.request.bad_json:
        patience = min(patience, evidence.schedule.config["holdCommitSec"])
    waited = evidence.clock(seen.first or seen.last) - evidence.clock(seen.began)
    return bool(waited > patience - MARGIN / 5)


def _has_company(evidence: Evidence, seen: Seen) -> bool:
    """Return whether another request may have occupied a slot when its answer began."""
    at = seen.first or seen.last
    others = (heard for heard in evidence.heard if heard.tag != seen.tag and heard.at <= at + DELAY_SEC)
    return any(not heard.over or heard.over >= at - DELAY_SEC for heard in others)


def _refused_at(evidence: Evidence, seen: Seen) -> float:
    """Return when the last account refused it; a slow reader sees that later."""
    return max((heard.over for heard in evidence.attempts(seen.tag)), default=seen.last or seen.began)


def _kind(status: int) -> str:
    return f"{status} of the account"


def _turns(evidence: Evidence) -> Iterator[Seen]:
    """Yield the requests that the router may place on any account."""
    for seen in evidence.seen:
        if seen.request.kind == "messages" and not seen.request.pin and not seen.request.malformed:
            yield seen


def _usable(evidence: Evidence, oracle: Oracle, seen: Seen, beside: set[object], moment: float = 0.0) -> str:
    """Return the accounts that could certainly have served it, without those in `beside`."""
    at = moment or seen.first or seen.last
    names = [m.name for m in evidence.schedule.accounts if m.name not in beside]
    return " and ".join(name for name in names if oracle.surely_usable(name, seen, at))
