"""Rules of invariants 4 and 6: one true record per request; every counter returns to zero."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.faults.rules.evidence import Evidence, Seen
from tests.faults.rules.fairness import own_error
from tests.faults.rules.oracle import DELAY_SEC

__all__ = [
    "disconnects_cancel_the_attempt",
    "every_request_is_recorded_once",
    "everything_returns_to_zero",
    "nothing_is_left_behind",
    "outcomes_are_true",
    "streams_count_as_served_only_when_they_stopped",
]

OUTCOMES = {"served", "upstream error", "client gone", "held out", "refused"}
NOTICED_SEC = 1.0


def every_request_is_recorded_once(evidence: Evidence) -> list[str]:
    found = []
    ids = Counter(record["id"] for record in evidence.records)
    found += [f"{record} is recorded {count} times" for record, count in ids.items() if count > 1]
    for record in evidence.records:
        if record["outcome"] not in OUTCOMES:
            found.append(f"{record['id']}: ended in {record['outcome']!r}")
    for seen in evidence.seen:
        count = len(evidence.records_of(seen))
        if count > 1:
            found.append(f"{seen.tag}: {count} records")
        elif not count and _must_be_recorded(evidence, seen):
            found.append(f"{seen.tag}: ended with {seen.ended} ({seen.status}) and was never recorded")
    if evidence.logging and evidence.logged != len(evidence.records):
        found.append(f"{evidence.logged} files of the request log for {len(evidence.records)} records")
    return found


def outcomes_are_true(evidence: Evidence) -> list[str]:
    """The record says what the client saw."""
    found = []
    for seen in evidence.seen:
        for record in evidence.records_of(seen):
            allowed = _true_outcomes(evidence, seen)
            if record["outcome"] not in allowed:
                found.append(
                    f"{seen.tag}: recorded as {record['outcome']!r} ({record['reason']}), "
                    f"the client saw {_sight(seen)}: expected {' or '.join(sorted(allowed))}"
                )
            if seen.status and record["status"] not in (seen.status, None):
                found.append(f"{seen.tag}: recorded with status {record['status']}, answered {seen.status}")
    return found


def streams_count_as_served_only_when_they_stopped(evidence: Evidence) -> list[str]:
    found = []
    for seen in evidence.seen:
        for record in evidence.records_of(seen):
            sources = [h for h in evidence.attempts(seen.tag) if b"event: message_stop" in _sent(h)]
            streamed = seen.request.stream and seen.request.kind == "messages" and seen.is_stream
            if record["outcome"] == "served" and streamed and not sources:
                found.append(f"{seen.tag}: counted as served without message_stop")
    return found


def everything_returns_to_zero(evidence: Evidence) -> list[str]:
    """Slots, holds, waiters and connections are zero once the traffic has stopped."""
    status, found = evidence.deck, []
    for account in status["accounts"]:
        if account["inflight"]:
            found.append(f"{account['name']} has {account['inflight']} slots taken and nobody uses them")
    for binding in status["sessionBindings"]:
        if binding["inflight"]:
            found.append(f"the conversation {binding['sid8']} counts {binding['inflight']} in flight")
    for client in status["clients"]:
        if client["inflight"]:
            found.append(f"client key {client['name']} counts {client['inflight']} in flight")
    for what in ("waiting", "connections"):
        own = 1 if what == "connections" and not evidence.schedule.stops else 0  # the one that asks
        if status["system"][what] > own:
            found.append(f"{status['system'][what]} {what} and no client is left")
    if evidence.deck["inflight"]:
        found.append(f"{len(evidence.deck['inflight'])} requests under way and no client is left")
    if not evidence.quiet and not found:
        found.append("the proxy did not come to rest in time")
    return found


def nothing_is_left_behind(evidence: Evidence) -> list[str]:
    found = [f"thread {name} goes on after the end" for name in evidence.leftover_threads]
    return found + [f"descriptor {what} is open after the end" for what in evidence.leftover_files]


def disconnects_cancel_the_attempt(evidence: Evidence) -> list[str]:
    """A client's disconnect is noticed within a second, in every phase."""
    found = []
    for seen in evidence.seen:
        if seen.left_at is None:
            continue
        for heard in evidence.attempts(seen.tag):
            if heard.at > seen.left_at + NOTICED_SEC + DELAY_SEC:
                found.append(
                    f"{seen.tag}: an attempt began {heard.at - seen.left_at:.2f} s after its client left"
                )
            elif not heard.over or heard.over > seen.left_at + NOTICED_SEC + DELAY_SEC:
                found.append(f"{seen.tag}: its attempt on {heard.account} went on after its client had left")
    return found


# --- what must and what may be recorded -------------------------------------------------------------


def _must_be_recorded(evidence: Evidence, seen: Seen) -> bool:
    if seen.request.kind == "profile" or seen.request.malformed or seen.request.kind == "huge":
        return False  # such a record has no field that shows the tag
    if seen.request.expects and not seen.request_sent:
        return False
    if evidence.attempts(seen.tag) or seen.status:
        return bool(seen.status != 503 or not evidence.schedule.stops) and not _refused_unread(seen)
    # A request that was sent whole on a fresh connection is read even when its client has left by FIN.
    left_in_order = (
        seen.left_at is not None and seen.request.leave is not None and seen.request.leave.how == "fin"
    )
    return left_in_order and seen.request_sent and not seen.reused and not evidence.schedule.stops


def _refused_unread(seen: Seen) -> bool:
    """Return whether it was refused before its body was read: the record cannot show the tag."""
    return not seen.relayed and not seen.held and seen.status in (413, 417, 431, 404)


def _true_outcomes(evidence: Evidence, seen: Seen) -> set[str]:
    if seen.left_at is not None:
        return _after_departure(evidence, seen)
    if not seen.whole:
        broken = {"upstream error"}
        # A client that reads too slowly, or is cut off by a shutdown, counts as gone.
        gone = seen.request.reads != "all" or evidence.schedule.stops
        return broken | ({"client gone", "held out", "refused"} if gone else set())
    if seen.held:
        ours = seen.last_event == "error"
        if ours:
            return {"held out", "upstream error", "refused"}
    elif not seen.relayed:
        return _own_outcome(seen)
    if seen.status >= 300 or "error" in seen.events:
        return {"upstream error"}
    if seen.is_stream and seen.request.kind == "messages":
        stopped = "message_stop" in seen.events
        return {"served"} if stopped else {"upstream error"}
    if seen.reader.payload and own_error(seen) is not None:
        return {"upstream error"}
    return {"served"}


def _own_outcome(seen: Seen) -> set[str]:
    message = str((own_error(seen) or {}).get("message", ""))
    if "limit of client" in message:
        return {"refused"}
    if seen.status == 429 or "already waiting" in message:
        return {"held out"}
    if seen.status == 503 and "shutting down" not in message:
        return {"upstream error"}
    return {"refused"}


def _after_departure(evidence: Evidence, seen: Seen) -> set[str]:
    """The proxy may have finished before it noticed, but not while the API was silent."""
    assert seen.left_at is not None
    patient = evidence.schedule.config["headTimeoutSec"] > NOTICED_SEC
    for heard in evidence.attempts(seen.tag):
        waiting = heard.at < seen.left_at - DELAY_SEC and heard.over > seen.left_at and heard.cancelled
        if patient and waiting and not evidence.schedule.stops:
            return {"client gone"}
    return OUTCOMES


def _sight(seen: Seen) -> str:
    how = "a whole answer" if seen.whole else f"an end by {seen.ended}"
    last = f", last event {seen.last_event}" if seen.is_stream else ""
    return f"{how} with status {seen.status}{last}"


def _sent(heard: Any) -> bytes:
    from tests.faults.rules.answer_reader import plain

    reader = heard.read()
    return b"" if reader is None else plain(reader.arrived, reader.field("content-encoding"))
