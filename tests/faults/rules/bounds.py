"""Rules of invariants 8 and 9, and obvious ones: limits hold, nothing hangs, nothing crashes."""

from __future__ import annotations

import json

from tests.faults.rules.evidence import Evidence

__all__ = [
    "answers_are_http",
    "every_request_ends",
    "held_requests_get_an_error_at_shutdown",
    "limits_hold",
    "no_internal_errors",
    "state_is_saved",
]

LARGEST_HEAD = 66_000
READ_SEC = 0.02  # a request has been read this long after it was sent, unless the machine is busy


def limits_hold(evidence: Evidence) -> list[str]:
    found = []
    most = evidence.schedule.config.get("proxy", {}).get("maxHeld", 256)
    if evidence.most_waiting > most:
        found.append(f"{evidence.most_waiting} requests were held, {most} may be")
    heard = {each.tag for each in evidence.heard}
    for seen in evidence.seen:
        if seen.request.kind == "huge":
            if seen.tag in heard:
                found.append(f"{seen.tag}: a body over the limit was forwarded")
            if seen.whole and seen.status not in (413, 429, 503):
                found.append(f"{seen.tag}: a body over the limit got {seen.status}")
        if seen.request.malformed and seen.whole and seen.status not in (400, 431):
            found.append(f"{seen.tag}: a malformed head ({seen.request.malformed}) got {seen.status}")
        head = bytes(seen.wire).partition(b"\r\n\r\n")[0]
        if seen.status and len(head) > LARGEST_HEAD:
            found.append(f"{seen.tag}: an answer's head of {len(head)} bytes was relayed")
    return found


def every_request_ends(evidence: Evidence) -> list[str]:
    """Every request has an end that its client can see."""
    found = [
        f"{s.tag}: neither an answer nor an end came" for s in evidence.seen if s.ended in ("silence", "")
    ]
    if not evidence.schedule.stops:
        found += [
            f"{seen.tag}: the proxy accepted no connection"
            for seen in evidence.seen
            if seen.ended == "refused"
        ]
    return found


def no_internal_errors(evidence: Evidence) -> list[str]:
    """No thread dies and no internal error occurs, also where the client got its answer."""
    found = [f"a thread died: {words}" for words in evidence.crashes]
    found += [line for line in evidence.warnings if "internal error" in line or "Traceback" in line]
    for seen in evidence.seen:
        if seen.status == 500 and not seen.relayed:
            found.append(f"{seen.tag}: the proxy answered 500")
    return found


def answers_are_http(evidence: Evidence) -> list[str]:
    return [f"{s.tag}: the client got no HTTP: {s.nonsense}" for s in evidence.seen if s.nonsense]


def held_requests_get_an_error_at_shutdown(evidence: Evidence) -> list[str]:
    """A request without an answer in progress when the proxy stops gets an error, also after a hold."""
    stopped_at = next((at for at, what, _ in evidence.happened if what == "stop"), None)
    found = []
    unsure = READ_SEC + evidence.lag
    for seen in evidence.seen:
        if stopped_at is None or seen.sent_at > stopped_at - unsure or not seen.request_sent:
            continue
        under_way = any(not h.over or h.over > stopped_at - unsure for h in evidence.attempts(seen.tag))
        told = seen.whole or (seen.reader.begun and not seen.held)
        if seen.stayed and not told and not under_way and seen.last > stopped_at:
            found.append(f"{seen.tag}: was waiting when the proxy stopped, and was told nothing")
    return found


def state_is_saved(evidence: Evidence) -> list[str]:
    """The state file is one JSON object after the end."""
    try:
        saved = json.loads(evidence.state)
    except ValueError:
        saved = None
    return [] if isinstance(saved, dict) and saved else [f"the state file holds {evidence.state[:60]!r}"]
