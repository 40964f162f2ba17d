"""Rules of invariants 2 and 3: one attempt at a time; one upstream answer, complete or visibly cut."""

from __future__ import annotations

from typing import Optional

from tests.faults.rules.answer_reader import AnswerReader
from tests.faults.rules.awaited import is_awaited
from tests.faults.rules.evidence import Evidence, Heard, Seen
from tests.faults.rules.oracle import is_silent
from tests.faults.world.environment import TOKEN_PATH

__all__ = [
    "answerless_ends_have_a_cause",
    "bodies_go_up_untouched",
    "broken_answers_look_broken",
    "flowing_answers_are_not_cut",
    "never_two_attempts_at_once",
    "nothing_follows_the_answer",
    "whole_answers_arrive_whole",
]

MOST_HEAD = 65_000  # about what the proxy takes
_OUR_ERROR = b"event: error\ndata: "


def never_two_attempts_at_once(evidence: Evidence) -> list[str]:
    return [
        f"{pair.first.tag}: an attempt on {pair.second.account} arrived while the one on "
        f"{pair.first.account} was still open"
        for pair in evidence.overlaps
    ]


def nothing_follows_the_answer(evidence: Evidence) -> list[str]:
    """All the client's bytes are of one answer, and that attempt was the last one.

    The spec allows: an error answer is kept while others are asked, and relayed in the end; one whose body
    broke off is replaced by an error of the proxy.
    """
    found = []
    for seen in evidence.seen:
        if not _has_upstream_bytes(seen):
            continue
        # An attempt that was read after its connection closed may have been sent, and given up, long before.
        attempts = [h for h in evidence.attempts(seen.tag) if not (h.hung_up or h.stale)]
        source = source_of(evidence, seen)
        if source is None and _told_by_us(evidence, seen):
            continue
        if source is None:
            found.append(f"{seen.tag}: its bytes are of no single answer of the API: {seen.content[:80]!r}")
        elif source in attempts and source is not attempts[-1] and not _was_kept(seen, source, attempts[-1]):
            found.append(
                f"{seen.tag}: asked {attempts[-1].account} after the answer of {source.account} had begun"
            )
    return found


def broken_answers_look_broken(evidence: Evidence) -> list[str]:
    """A body the API did not finish never looks complete to the client."""
    found = []
    for seen in evidence.seen:
        source = source_of(evidence, seen) if _has_upstream_bytes(seen) and seen.whole else None
        reader = source.read() if source is not None else None
        if reader is not None and (not reader.whole or _is_unfinished(reader)):
            found.append(
                f"{seen.tag}: looks complete after {len(seen.payload)} bytes, but the API's answer broke off"
            )
        elif reader is not None and not seen.held and seen.payload != reader.payload:
            found.append(
                f"{seen.tag}: {len(seen.payload)} bytes arrived of {len(reader.payload)}, as if complete"
            )
    return found


def whole_answers_arrive_whole(evidence: Evidence) -> list[str]:
    """A complete API answer reaches a client that stays and reads, byte for byte and with its status."""
    found = []
    for seen in evidence.seen:
        source = source_of(evidence, seen) if seen.relayed else None
        reader = source.read() if source is not None else None
        if source is None or reader is None:
            continue
        if seen.status != reader.status:
            found.append(f"{seen.tag}: the API's {reader.status} became {seen.status}")
        for name in ("content-type", "content-encoding"):
            if seen.reader.field(name) != reader.field(name):
                found.append(f"{seen.tag}: {name} {reader.field(name)} became {seen.reader.field(name)}")
        read = (
            not source.hung_up and seen.stayed and seen.request.reads == "all" and not evidence.schedule.stops
        )
        if read and reader.whole and not reader.unfinished and not source.cancelled and not seen.whole:
            found.append(f"{seen.tag}: the API's answer was complete, the client's ended with {seen.ended}")
    return found


def flowing_answers_are_not_cut(evidence: Evidence) -> list[str]:
    """Only the API ends an answer that flows to a client that reads it.

    The spec allows: a shutdown, an API that is silent for too long, and bytes that are not HTTP.
    """
    silence, found = evidence.schedule.config["bodyIdleTimeoutSec"] * 0.8, []
    for seen in evidence.seen:
        reads = seen.stayed and seen.request.reads == "all" and not evidence.schedule.stops
        source = source_of(evidence, seen) if reads and seen.relayed and not seen.whole else None
        if source is None or not source.cancelled or source.hung_up or source.read() is None:
            continue
        if source.over - source.last_sent < silence:
            found.append(
                f"{seen.tag}: cut after {len(seen.payload)} bytes while {source.account}'s answer flowed"
            )
    return found


def answerless_ends_have_a_cause(evidence: Evidence) -> list[str]:
    """A client gets no answer only if the upstream broke off; without a head it was asked once more."""
    schedule, found = evidence.schedule, []
    hidden = any(trouble.fault.on_accept for trouble in schedule.troubles) or schedule.happens(
        "close_connections", "stop_listening"
    )
    if schedule.stops:
        return []
    for seen in evidence.seen:
        if not seen.stayed or seen.reader.begun:
            continue
        attempts = evidence.attempts(seen.tag)
        if not attempts and seen.ended in ("fin", "rst") and not hidden:
            found.append(f"{seen.tag}: its connection was closed without an answer, and nobody was asked")
        elif attempts and not hidden and not _explained(attempts, schedule.config["headTimeoutSec"]):
            found.append(
                f"{seen.tag}: no answer after {len(attempts)} attempts, the last one {attempts[-1].status}"
            )
    return found


def bodies_go_up_untouched(evidence: Evidence) -> list[str]:
    """A forwarded body has the client's bytes, and none of another request."""
    sent = {seen.tag: seen for seen in evidence.seen}
    found = []
    for heard in evidence.heard:
        if heard.path == TOKEN_PATH:
            continue
        seen = sent.get(heard.tag)
        if seen is None:
            found.append(f"the API got a request nobody sent: {heard.method} {heard.path} {heard.tag!r}")
        elif heard.body != seen.body:
            found.append(f"{heard.tag}: {len(seen.body)} bytes became {len(heard.body)}")
        elif seen.request.malformed:
            found.append(f"{heard.tag}: a malformed request ({seen.request.malformed}) was forwarded")
    return found


def source_of(evidence: Evidence, seen: Seen) -> Optional[Heard]:
    """Return the answer whose bytes the client got, found by id, after a hold by its bytes."""
    payload = seen.payload if seen.relayed else seen.content
    for heard in reversed(evidence.attempts(seen.tag)):
        if seen.upstream_id in (None, heard.id) and _is_prefix(payload, heard):
            return heard
    return None


def _has_upstream_bytes(seen: Seen) -> bool:
    if seen.held:
        return bool(seen.content) and not seen.content.startswith(_OUR_ERROR)
    return seen.relayed


def _was_kept(seen: Seen, source: Heard, last: Heard) -> bool:
    """Return whether it is an error answer of which nothing was sent before the last attempt."""
    return source.status >= 400 and seen.first is not None and seen.first >= last.at


def _told_by_us(evidence: Evidence, seen: Seen) -> bool:
    """Return whether it is the proxy's error in place of a refusal whose body broke off."""
    told = seen.whole and b'{"type": "error"' in seen.payload
    return told and any(
        # The status of an answer that was cut right after its head is not recorded.
        h.id == seen.upstream_id and h.status in (0, seen.status) and seen.status >= 400 and _broke(h)
        for h in evidence.attempts(seen.tag)
    )


def _is_prefix(payload: bytes, heard: Heard) -> bool:
    reader = heard.read()
    return reader is not None and reader.arrived.startswith(payload)


def _explained(attempts: list[Heard], patience: float) -> bool:
    """Return whether the last attempt broke off, after a head, silence or a retry; or a kept one did."""
    silent = is_silent(attempts[-1], patience)
    asked_enough = len(attempts) > 1 or silent or b"\r\n\r\n" in attempts[-1].wire
    return (_broke(attempts[-1]) and asked_enough) or any(h.status >= 400 and _broke(h) for h in attempts)


def _broke(heard: Heard) -> bool:
    """Return whether the answer was incomplete, unreadable, too large, or given up by the proxy."""
    reader = heard.read()
    head = len(heard.wire.partition(b"\r\n\r\n")[0])
    broken = reader is None or not reader.whole or reader.unfinished
    return heard.cancelled or bool(heard.how) or head > MOST_HEAD or broken


def _is_unfinished(reader: AnswerReader) -> bool:
    return reader.unfinished and not is_awaited("until close")
