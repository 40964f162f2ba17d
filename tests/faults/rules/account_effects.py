"""Rules of invariants 5 and 7: what changes an account's state, and where its credential goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.faults.rules.evidence import Evidence, Heard
from tests.faults.rules.oracle import (
    MARGIN,
    MAYBE_THE_ACCOUNT,
    Oracle,
    is_bare,
    is_of_the_account,
    is_outage,
    is_overage,
)
from tests.faults.world.environment import TOKEN_PATH

__all__ = [
    "accounts_are_touched_for_a_reason",
    "answers_name_the_account_that_gave_them",
    "credentials_go_to_their_own_api",
    "refresh_tokens_are_spent_once",
    "secrets_stay_inside",
]

# On a busy machine the proxy may read an answer late: 60 s of the fast clock.
READING = 4 * MARGIN


def accounts_are_touched_for_a_reason(evidence: Evidence) -> list[str]:
    """A 4xx about the request, a 5xx, an outage or a client's disconnect does not change an account."""
    oracle, found = Oracle(evidence), []
    expiring = {m.name for m in evidence.schedule.accounts if m.expires}
    disabled = {e.args[0] for e in evidence.schedule.events if e.what in ("disable", "enable")}
    for row in evidence.deck["accounts"]:
        name = row["name"]
        if name in expiring:
            continue  # a token that can't be renewed is a reason too
        causes = list(_causes(evidence, name))
        allowed = {"active", "benched", "auth_failed", "sidelined"} if causes else {"active"}
        if not any(cause.status == 401 for cause in causes):
            allowed.discard("auth_failed")
        if name in disabled or next(m for m in evidence.schedule.accounts if m.name == name).disabled:
            allowed.add("disabled")
        if row["status"] not in allowed:
            found.append(f"{name} is {row['status']} ({row['statusReason']}) without a reason")
        if row["streak"] and not any(cause.status == 429 for cause in causes):
            found.append(f"{name} has a streak of {row['streak']} without a 429")
        found += _too_long(oracle, evidence, row)
    return found


def _too_long(oracle: Oracle, evidence: Evidence, row: Any) -> Iterator[str]:
    until = (row["rateLimitedUntil"] or 0) / 1000
    if not row["benchSec"] or evidence.schedule.happens("jump"):
        return  # an answer may be read after a jump that came after it
    ends = oracle.back_at(row["name"], float("inf"))
    if until > ends + READING:
        yield f"{row['name']} is benched for {until - ends:.0f} s longer than anything it answered"


def _causes(evidence: Evidence, name: str) -> Iterator[Heard]:
    """Yield the answers that may change the state of their account."""
    for heard in evidence.heard:
        if heard.account != name or is_outage(heard) or is_overage(heard):
            continue
        told = heard.inference and (heard.status == 403 or (heard.status == 429 and not is_bare(heard)))
        if told or heard.status == 401:
            yield heard
        elif heard.inference and (heard.status == 429 or heard.status in MAYBE_THE_ACCOUNT):
            # About the account only if another one served the same request.
            others = [h for h in evidence.attempts(heard.tag) if h.account != name]
            if any(h.served for h in others) or (others and is_of_the_account(heard)):
                yield heard
        elif b'"rate_limit_error"' in heard.wire and heard.status == 200:
            yield heard


def credentials_go_to_their_own_api(evidence: Evidence) -> list[str]:
    """Every attempt has one credential, of an account of this API (of the client on login paths)."""
    homes = {m.name: "own" if m.upstream == "own" else "main" for m in evidence.schedule.accounts}
    found = []
    for heard in evidence.heard:
        if heard.path == TOKEN_PATH:
            continue
        values = [
            value.partition(" ")[2] if name.lower() == "authorization" else value
            for name, value in heard.headers
            if name.lower() in ("authorization", "x-api-key", "cookie", "proxy-authorization")
        ]
        owners = [evidence.secrets.get(value, "nobody known") for value in values]
        wanted = "the client" if heard.path.startswith("/api/oauth/") else heard.account
        if owners != [wanted] or (wanted != "the client" and homes[str(wanted)] != heard.api):
            found.append(
                f"{heard.tag}: the API '{heard.api}' got the credentials of {owners}, expected {wanted}"
            )
        for name, value in heard.headers:
            if name.lower().startswith("x-teamclaude") or evidence.secrets.get(value) == "the proxy":
                found.append(f"{heard.tag}: {name} went up")
    return found


def answers_name_the_account_that_gave_them(evidence: Evidence) -> list[str]:
    found = []
    for seen in evidence.seen:
        attempts = evidence.attempts(seen.tag)
        source = next((h for h in attempts if h.id == seen.upstream_id), None)
        if seen.upstream_id and seen.request.kind != "profile":
            if source is None:
                found.append(f"{seen.tag}: got the answer {seen.upstream_id} to another request")
            elif source.account != seen.account:
                found.append(f"{seen.tag}: said to come from {seen.account}, came from {source.account}")
        for record in evidence.records_of(seen):
            told, real = list(record["accounts"]), [h.account for h in attempts if h.account]
            in_order = [h.account for h in attempts if h.account and not h.stale]
            if not _within(in_order, told) or not set(real) <= set(told):
                found.append(f"{seen.tag}: recorded accounts {told}, asked were {real}")
    return found


def secrets_stay_inside(evidence: Evidence) -> list[str]:
    """No credential in what a client gets, what is shown, logged or saved."""
    found = []
    for secret, whose in evidence.secrets.items():
        for where, text in evidence.texts.items():
            if secret in text:
                found.append(f"the credential of {whose} stands in {where.split(' ')[0]}")
        for seen in evidence.seen:
            # A client may see its own credential in the API's answer about its own login.
            if seen.request.kind != "profile" and secret.encode() in seen.wire:
                found.append(f"{seen.tag}: the credential of {whose} reached the client")
    return found


def _within(real: list[Any], told: list[Any]) -> bool:
    """`real` in order within `told`; one attempt may take several connections."""
    at = 0
    for name in real:
        if at and told[at - 1] == name and (at >= len(told) or told[at] != name):
            continue
        while at < len(told) and told[at] != name:
            at += 1
        if at == len(told):
            return False
        at += 1
    return True


def refresh_tokens_are_spent_once(evidence: Evidence) -> list[str]:
    """A refresh token is used for one answered request only."""
    good = {
        f"sk-ant-ort01-FAKE-{m.name}-v1" for m in evidence.schedule.accounts if m.refresh in ("works", "slow")
    }
    found = []
    for secret in good:
        spent = [h for h in evidence.heard if h.path == TOKEN_PATH and secret.encode() in h.body]
        answered = [h for h in spent if not h.cancelled]
        if len(answered) > 1 or any(h.api != "main" for h in spent):
            found.append(f"the refresh token of {evidence.secrets[secret]} was spent {len(answered)} times")
    return found
