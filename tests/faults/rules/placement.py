"""Rules of placement: back to one's account after an outage, to the maker of an id, to a free slot."""

from __future__ import annotations

from typing import Optional

from tests.faults.rules.awaited import is_awaited
from tests.faults.rules.evidence import Evidence, Heard, Seen
from tests.faults.rules.oracle import DELAY_SEC, Oracle, is_outage
from tests.faults.world.owned_ids import maker_of

__all__ = [
    "conversations_return_to_their_account",
    "ids_stay_with_their_maker",
    "no_request_waits_while_a_slot_is_free",
    "only_readable_codings_are_asked_for",
    "threads_stay_with_their_account",
]

LARGE_PREFIX = 100_000  # tokens: moving such a conversation costs more than waiting does
LONG_WAIT_SEC = 0.25
STEP_SEC = 0.02
# The codings that the usage tap reads.
READABLE = {"gzip", "x-gzip", "deflate", "identity"}


def conversations_return_to_their_account(evidence: Evidence) -> list[str]:
    """A warm conversation with a large prefix returns to its account after overloads, which do not count."""
    if is_awaited("overloads of a warm conversation"):
        return []
    oracle, found = Oracle(evidence), []
    for conversation in _conversations(evidence):
        home: Optional[str] = None
        hurt = False
        for seen in conversation:
            attempts = evidence.attempts(seen.tag)
            if not attempts or seen.request.prefix < LARGE_PREFIX or seen.request.pin:
                home = None
                continue
            first = attempts[0]
            away = hurt and home is not None and first.account != home
            if away and oracle.surely_usable(str(home), seen, first.at):
                found.append(f"{seen.tag}: begins on {first.account}, its prefix is warm on {home}")
            hurt = home is not None and any(h.account == home and is_outage(h) for h in attempts)
            if home is None or not hurt:
                home = attempts[-1].account if attempts[-1].served else None
    return found


def ids_stay_with_their_maker(evidence: Evidence) -> list[str]:
    """Requests for an id go only to the account that made it."""
    if is_awaited("ids of an account"):
        return []
    oracle = Oracle(evidence)
    names = {account.name for account in evidence.schedule.accounts}
    found = []
    for heard in evidence.heard:
        maker = maker_of(heard.path)
        if maker in names and heard.account != maker and not oracle.uncertain(str(maker)):
            found.append(f"{heard.tag}: {heard.account} was asked for an id of {maker}")
    return found


def threads_stay_with_their_account(evidence: Evidence) -> list[str]:
    """What continues a thread goes to the account that keeps it while that can serve; elsewhere only once."""
    if is_awaited("message threads"):
        return []
    oracle, found = Oracle(evidence), []
    for conversation in _conversations(evidence):
        home: Optional[str] = None
        for seen in (turn for turn in conversation if turn.request.thread):
            attempts = evidence.attempts(seen.tag)
            away = [each for each in attempts if home is not None and each.account != home]
            if b'"continue"' in seen.body:
                found += [
                    f"{seen.tag}: asked {each.account}, its thread is at {home}"
                    for each in away
                    if oracle.surely_usable(str(home), seen, each.at)
                ]
                if any(b"thread_not_found" in each.wire for each in attempts[:-1]):
                    found.append(f"{seen.tag}: an account did not know its thread, and another one was asked")
            home = next((each.account for each in reversed(attempts) if each.served), None)
    return found


def no_request_waits_while_a_slot_is_free(evidence: Evidence) -> list[str]:
    """A request without a conversation does not wait for one account while another is idle.

    The spec allows waiting for a preferred account.
    """
    if is_awaited("burst without a session"):
        return []
    slots, oracle, found = evidence.schedule.config["maxInflightPerAccount"], Oracle(evidence), []
    for seen in evidence.seen:
        first = next(iter(evidence.attempts(seen.tag)), None)
        if seen.client.session or first is None or first.at - seen.sent_at < LONG_WAIT_SEC:
            continue
        ranks = {
            account.name: account.priority for account in evidence.schedule.accounts if not account.is_paid
        }
        for account in evidence.schedule.accounts:
            if account.is_paid or not account.reachable or oracle.uncertain(account.name):
                continue
            if ranks[account.name] != min(ranks.values()):
                continue  # a preferred account may be waited for, and another one serves in the end
            if oracle.rests[account.name] or not _always_free(evidence, account.name, slots, seen, first):
                continue
            waited = first.at - seen.sent_at
            found.append(f"{seen.tag}: waited {waited:.2f} s although {account.name} had room all the time")
    return found


def only_readable_codings_are_asked_for(evidence: Evidence) -> list[str]:
    """Ask for the codings of the client that the usage tap reads; its own header if there are none."""
    if is_awaited("codings"):
        return []
    sent, found = {seen.tag: seen for seen in evidence.seen}, []
    for heard in evidence.heard:
        seen = sent.get(heard.tag)
        if seen is None or not heard.inference:
            continue
        offered, asked = _codings(seen.request.accepts), _codings(heard.header("accept-encoding"))
        readable = offered & (READABLE | {"*"})
        if readable and not asked <= READABLE:
            found.append(f"{seen.tag}: asks for {sorted(asked)}; the client takes {sorted(offered)}")
        if "*" not in offered and not asked <= offered | {"identity"}:
            found.append(f"{seen.tag}: asks for {sorted(asked)}, beyond the client's {sorted(offered)}")
    return found


def _codings(value: Optional[str]) -> set[str]:
    """Return the codings that a header accepts (RFC 9110 12.5.3): those with a weight above zero."""
    found = set()
    for part in (value or "").lower().split(","):
        name, _, weight = part.partition(";")
        zero = weight.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000")
        if name.strip() and not zero:
            found.add(name.strip())
    return found


def _conversations(evidence: Evidence) -> list[list[Seen]]:
    """Return the turns of each conversation that has one client, in order."""
    found: dict[str, list[Seen]] = {}
    for seen in evidence.seen:
        if seen.request.kind == "messages" and seen.client.session:
            found.setdefault(f"{seen.client.session}/{seen.client.agent}", []).append(seen)
    alone = [turns for turns in found.values() if len({id(turn.client) for turn in turns}) == 1]
    return [sorted(turns, key=lambda turn: turn.began) for turns in alone]


def _always_free(evidence: Evidence, name: str, slots: int, seen: Seen, first: Heard) -> bool:
    """Return whether the account had a free slot from the request's arrival until just before it was sent."""
    moment = seen.sent_at + DELAY_SEC
    while moment < first.at - DELAY_SEC / 2:
        open_now = (
            h.account == name and h.at <= moment + DELAY_SEC and (not h.over or h.over >= moment - DELAY_SEC)
            for h in evidence.heard
        )
        if sum(open_now) >= slots:
            return False
        moment += STEP_SEC
    return moment > seen.sent_at + DELAY_SEC
