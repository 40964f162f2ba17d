"""Rules of invariant 1: no request fails because of accounts while another one could have served it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Optional

from tests.faults.rules.awaited import is_awaited
from tests.faults.rules.evidence import Evidence, Heard, Seen
from tests.faults.rules.oracle import MARGIN, Oracle, Rest, is_bare, is_outage, model_of, retry_after
from tests.faults.rules.refusals import MOST_HOPS, asked_again_with_the_same_model

__all__ = [
    "held_out_only_when_hopeless",
    "no_failure_while_an_account_was_usable",
    "no_refusal_of_an_account_is_relayed",
    "our_errors_are_readable_and_true",
    "refused_accounts_rest",
]

_BY_ACCOUNT = ("messages", "count", "models")


def no_failure_while_an_account_was_usable(evidence: Evidence) -> list[str]:
    """No request fails because of accounts while a usable account was not tried.

    The spec allows: a client's pin, bare 429s of four accounts, a 429 on a side path after one other account.
    Under an operator's pin a request waits for a slot of that account only.
    """
    oracle, found = Oracle(evidence), []
    operators_pin = any(e.what == "switch" and e.args[0] for e in evidence.schedule.events)
    for seen in evidence.seen:
        if (
            seen.request.kind not in _BY_ACCOUNT
            or seen.request.pin
            or not failed_for_an_account(seen, evidence.attempts(seen.tag))
        ):
            continue
        if operators_pin and b"busy with other requests" in seen.payload:
            continue
        attempts = evidence.attempts(seen.tag)
        throttled = [each for each in attempts if each.status == 429]
        enough = throttled if seen.request.kind != "messages" else [h for h in throttled if is_bare(h)]
        most = MOST_HOPS if seen.request.kind == "messages" and not is_awaited("bare 429s") else 2
        if seen.relayed and len({each.account for each in enough}) >= most:
            continue
        again = not is_awaited("bare 429s") and asked_again_with_the_same_model(evidence, seen)
        if seen.relayed and seen.status == 429 and again:
            continue
        tried = {each.account for each in attempts}
        left = [
            account.name
            for account in evidence.schedule.accounts
            if account.name not in tried and oracle.surely_usable(account.name, seen, _end_of(seen))
        ]
        if left:
            found.append(f"{_said(seen)} although {' and '.join(left)} could have served it")
    return found


def no_refusal_of_an_account_is_relayed(evidence: Evidence) -> list[str]:
    """No 401 or 403 is relayed (the client would drop its own login), and no 429 that names a time."""
    found = []
    for seen in evidence.seen:
        if seen.request.kind not in _BY_ACCOUNT or not seen.relayed:
            continue
        if seen.status in (401, 403):
            found.append(f"{seen.tag}: the API's {seen.status} for {seen.account} was relayed")
        sources = [h for h in evidence.attempts(seen.tag) if h.id == seen.upstream_id]
        if seen.status == 429 and seen.request.kind == "messages" and not all(map(is_bare, sources)):
            found.append(f"{seen.tag}: a 429 that names a time or a window was relayed")
    return found


def refused_accounts_rest(evidence: Evidence) -> list[str]:
    """An account that refused is not asked again before its rest ends.

    The spec allows: requests that spend no quota, unless the account's login is refused; then too where they
    are pinned to that account.
    """
    oracle, found = Oracle(evidence), []
    if any(event.what == "jump" and event.args[0] < 0 for event in evidence.schedule.events):
        return []  # a clock that was set back shortens benches
    seen = {each.tag: each for each in evidence.seen}
    renewed = {account.name for account in evidence.schedule.accounts if account.refresh}
    for name, rests in oracle.rests.items():
        if oracle.uncertain(name) or name in renewed:
            continue
        asked = [
            heard
            for heard in evidence.heard
            if heard.account == name
            and heard.tag in seen
            and (heard.inference or not seen[heard.tag].request.pin)
        ]
        for rest in rests:
            for heard in asked:
                concerned = rest.model is None or (rest.model == model_of(heard) and heard.inference)
                concerned = concerned and (heard.inference or rest.after.status == 401)
                early = heard.clock < rest.least - MARGIN / 10
                if concerned and early and _knowing(seen[rest.after.tag], rest, seen[heard.tag], heard):
                    found.append(
                        f"{heard.tag}: {name} was asked {rest.least - heard.clock:.1f} s (fast clock) before "
                        f"its rest after a {rest.after.status} ({rest.after.tag}) was over"
                    )
    return found


def _knowing(refused: Seen, rest: Rest, again: Seen, heard: Heard) -> bool:
    """Return whether the proxy had read the refusal when this was sent: it had acted on it."""
    if again is refused:
        return heard.at > rest.after.over
    return refused.stayed and again.began > refused.last > rest.after.over


def held_out_only_when_hopeless(evidence: Evidence) -> list[str]:
    """The proxy's own 429 comes when the hold budget is spent, or when no account can be back within it.

    The spec allows it at once for a conversation whose hold has just ended without an account, and before
    the client's own timeout for a request that does not stream.
    """
    config, oracle, found = evidence.schedule.config, Oracle(evidence), []
    if evidence.schedule.happens("jump", "stop"):
        return []
    held_out = {_conversation(seen) for seen in evidence.seen if seen.held}
    for seen in evidence.seen:
        if not _held_out(seen) or seen.request.pin or _conversation(seen) in held_out:
            continue
        budget = config["allThrottledHoldBudgetSec"]
        if not seen.request.stream or seen.request.bad_json:
            budget = min(budget, config["holdCommitSec"])
        began, moment = evidence.clock(seen.began), _end_of(seen)
        if evidence.clock(moment) - began >= budget - MARGIN / 5:
            continue
        for account in evidence.schedule.accounts:
            name = account.name
            if account.is_paid or not account.reachable or oracle.uncertain(name):
                continue
            # A retry-after of 1 s on the fast clock is over before it is read.
            left_out = any(
                h.account == name and (retry_after(h) or 0) < 3 for h in evidence.attempts(seen.tag)
            )
            if not left_out and oracle.back_at(name, moment) < began + budget - MARGIN / 5:
                found.append(f"{_said(seen)} although {name} was to be back within the hold budget")
    return found


def our_errors_are_readable_and_true(evidence: Evidence) -> list[str]:
    """The proxy's own error is the API's JSON with an id; its 429 names the soonest real recovery."""
    found = []
    for seen in evidence.seen:
        if seen.held and seen.last_event == "error" and _error_of(_last_data(seen)) is None:
            found.append(f"{seen.tag}: the hold ended with an unreadable event: {_last_data(seen)[:100]!r}")
        if seen.status < 400 or seen.relayed or not seen.whole:
            continue
        error = own_error(seen)
        if error is None or not seen.id:
            found.append(f"{seen.tag}: our {seen.status} is not a readable error: {seen.payload[:100]!r}")
            continue
        if seen.status == 429:
            found += [f"{seen.tag}: {words}" for words in _untrue(evidence, seen, error)]
        if any(name.startswith("anthropic-ratelimit") for name, _ in seen.reader.fields):
            found.append(f"{seen.tag}: our {seen.status} carries rate-limit headers of an account")
    return found


def _untrue(evidence: Evidence, seen: Seen, error: dict[str, Any]) -> Iterator[str]:
    told = seen.reader.field("retry-after") or ""
    if not told.isdigit() or int(told) < 1:
        yield f"our 429 says retry-after {told!r}"
        return
    stop = seen.reader.field("x-should-retry") == "false"
    if stop != (int(told) > 60):
        yield f"our 429 with retry-after {told} has x-should-retry {stop}"
    if "throttled" not in str(error.get("message")) or evidence.schedule.happens("jump"):
        return  # busy, or a client key's own limit
    oracle, moment = Oracle(evidence), _end_of(seen)
    free = [m.name for m in evidence.schedule.accounts if not m.is_paid]
    if any(oracle.uncertain(name) for name in free) or len(free) < len(evidence.schedule.accounts):
        return
    soonest = min(oracle.not_before(name, moment) for name in free)
    if soonest and seen.request.kind == "messages" and not seen.request.pin:
        least = soonest - evidence.clock(moment) - MARGIN
        if int(told) < least:
            yield f"our 429 promises an account in {told} s; the first is back in {least:.0f} s"


# --- what a client was told -------------------------------------------------------------------------


def own_error(seen: Seen) -> Optional[dict[str, Any]]:
    """Return the error object of the proxy's own answer."""
    return _error_of(seen.payload)


def _last_data(seen: Seen) -> bytes:
    return seen.content.rpartition(b"data: ")[2]


def _error_of(text: bytes) -> Optional[dict[str, Any]]:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    error = document.get("error") if isinstance(document, dict) and document.get("type") == "error" else None
    whole = isinstance(error, dict) and error.get("type") and error.get("message")
    return error if whole else None


def failed_for_an_account(seen: Seen, attempts: list[Heard]) -> bool:
    """Return whether it was refused because of accounts, by the proxy or by the upstream."""
    if seen.held:
        return seen.events == ["error"] and b'"rate_limit_error"' in _last_data(seen)
    if not seen.whole:
        return False
    if seen.relayed:
        return seen.status == 429
    if seen.status == 429:
        return not _own_limit(seen)
    return seen.status == 502 and not (attempts and all(map(is_outage, attempts)))


def _own_limit(seen: Seen) -> bool:
    """Return whether a named client exceeded its own limit, which no account can change."""
    return bool(seen.client.key) and b"refused by the limit of client" in seen.payload


def _held_out(seen: Seen) -> bool:
    ours = seen.status == 429 and not seen.relayed and seen.whole and not _own_limit(seen)
    return ours and seen.request.kind == "messages"


def _conversation(seen: Seen) -> tuple[str, str]:
    return seen.client.session, seen.client.agent


def _end_of(seen: Seen) -> float:
    return seen.last if seen.held else seen.first or seen.last


def _said(seen: Seen) -> str:
    whose = "the API's" if seen.relayed else "our"
    return f"{seen.tag}: failed with {whose} {seen.status} ({seen.payload[-160:]!r})"
