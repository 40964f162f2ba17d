"""Rate-limit headers of any content: readings are in range, and routing stays consistent."""

from __future__ import annotations

import json
import math

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.persistence import dump_state, restore_state
from teamclaude.routing.policies.pace import PacePolicy
from teamclaude.routing.quota import windows
from teamclaude.routing.quota.rate_limit_headers import parse_retry_after, read_windows
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest
from teamclaude.routing.view import snapshot_of
from teamclaude.snapshot import Snapshot
from tests.fuzz.fuzz_random import FuzzRandom

__all__ = ["quota_headers", "retry_afters"]

NOW = 1_800_000_000.0
MONTH = 31 * 86400.0
NUMBERS = [
    *(
        "0",
        "0.35",
        "1.13",
        "113",
        "-1",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "1e400",
        "1e18",
        "NaN",
        "Infinity",
        "121320",
        "",
        " 5 ",
        "5_0",
        "0x10",
        "\u0665",
    ),
    *(
        "1800000600",
        "1800000600000",
        "1800600000.5",
        "99999999999999999999",
        "2027-01-15T08:10:00Z",
        "9" * 5000,
    ),
    *(
        "2027-01-15T08:10:00.123456789+00:00",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "2027-01-15",
    ),
]
DATES = [
    *("Fri, 15 Jan 2027 08:10:00 GMT", "Fri, 15 Jan 2027 08:10:00 -0000", "Mon, 99 Foo 2027 99:99:99 GMT"),
    *("Fri, 31 Dec 9999 23:59:59 GMT", "Friday, 15-Jan-27 08:10:00 GMT", "Fri Jan 15 08:10:00 2027"),
    *("Fri, 15 Jan 99999 08:10:00 GMT", "Thu, 01 Jan 1970 00:00:00 +9999", "15 Jan 2027", "GMT", ",,,"),
]
AXES = ["5h", "7d", "7d_oi", "7d_sonnet", "7d_", "0h", "99999999999d_x", "overage", "5h-5h", ""]
FIELDS = ["utilization", "reset", "status", "surpassed-threshold", "limit", "remaining", ""]
STATUSES = ["allowed", "allowed_warning", "rejected", "REJECTED", "", "\xe9"]
CLAIMS = ["five_hour", "seven_day", "seven_day_overage_included", "seven_day_x", "overage", ""]
WORDS = [b" ", b"-", b"+", b".", b"e", b"0", b"\t", b":", b"Z", b"GMT", b"\xff", b",", b"nan"]


def retry_afters(rng: FuzzRandom) -> None:
    text = rng.choice([*NUMBERS, *DATES])
    if rng.chance(0.6):
        text = rng.mutated(text.encode("utf-8"), WORDS).decode("latin-1")
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or 0.0 <= seconds <= MONTH
    if text.isascii() and text.isdigit() and len(text) < 15:
        assert seconds == min(float(text), windows.MAX_WAIT_SEC)


def quota_headers(rng: FuzzRandom) -> None:
    fleet = Fleet(Rules(), PacePolicy())
    fleet.configure([AccountSpec("a", "a"), AccountSpec("b", "b", kind="apikey")])
    now = NOW
    for _ in range(4):
        headers = _headers(rng)
        reading = read_windows(headers, now)
        _check(reading, now)
        ask = RoutingRequest(session="s", model=rng.choice(["claude-opus-4-8", "claude-fable-5", None]))
        lease = fleet.admit(ask._replace(needs_slot=rng.chance(0.8)), now)
        if isinstance(lease, Lease):
            fleet.record_response(
                lease, rng.choice([200, 200, 429, 429, 401, 403, 529, 400]), reading, now, rng.random()
            )
            fleet.settle_lease(lease, now)
        now += rng.choice([0.0, 1.0, 4000.0, -4000.0, 700_000.0])
        for account in fleet.accounts.values():
            assert account.bench_until < now + 3 * MONTH
            block = account.block(None, fleet.rules, now)
            assert block is None or block.until > now or block.rule == "auth_failed"
    status = snapshot_of(fleet, now).to_json()
    json.dumps(status, allow_nan=False)
    assert Snapshot.from_json(status).to_json() == status
    saved = json.loads(json.dumps(dump_state(fleet, now), allow_nan=False, default=list))
    restore_state(Fleet(Rules(), PacePolicy()), saved, now)


def _check(reading: object, now: float) -> None:
    for axis, window in reading.axes.items():  # type: ignore[attr-defined]
        assert axis
        used, reset = window.utilization, window.resets_at
        assert used is None or (math.isfinite(used) and used >= 0)
        assert reset is None or (math.isfinite(reset) and reset <= now + MONTH + 86400)


def _headers(rng: FuzzRandom) -> list[tuple[str, str]]:
    out = []
    for _ in range(rng.up_to(10)):
        kind = rng.randrange(4)
        if kind == 0:
            name, values = (
                f"anthropic-ratelimit-unified-{rng.choice(AXES)}-{rng.choice(FIELDS)}",
                NUMBERS + STATUSES,
            )
        elif kind == 1:
            axis = rng.choice(["requests", "tokens", "input-tokens", "output-tokens", "x"])
            name, values = f"anthropic-ratelimit-{axis}-{rng.choice(FIELDS)}", NUMBERS
        elif kind == 2:
            field = rng.choice(["status", "reset", "representative-claim", "fallback", "overage-status"])
            name, values = f"anthropic-ratelimit-unified-{field}", NUMBERS + STATUSES + CLAIMS
        else:
            name, values = rng.choice(["retry-after", "Retry-After"]), NUMBERS + DATES
        value = rng.choice(values)
        if rng.chance(0.2):
            value = rng.mutated(value.encode("utf-8"), WORDS).decode("latin-1")
        out.append((name, value))
    return out
