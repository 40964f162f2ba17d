"""The cast of the demo and what happens to it: enough for every kind of event within one run. PURE.

Accounts begin in the middle of their windows, as accounts do.  The first one is also used from
elsewhere (another machine, the web) and so runs into its 5h limit at a third of the run; its
window ends at two thirds.  The last of three or more has little left of its week.  Windows are
sized for what the sessions use in five hours and a little more, so that a long run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..fakeapi.fake_account import FIVE_HOURS, WEEK, FakeAccount

__all__ = ["UsageEvent", "account_names", "make_accounts", "reset_at", "usage_events"]

_NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
# Measured: a session of the plan writes about 6 M tokens in five hours.
_TOKENS_PER_SESSION = 8_000_000
_WEEKS_WINDOWS = 30
_LIMIT_AT, _RESET_AT = 0.33, 0.62
_LONGEST_WAIT = 17_000.0


@dataclass(frozen=True)
class UsageEvent:
    """At `at` seconds after the start a window is filled to `utilization` from outside."""

    at: float
    account: str
    axis: str
    utilization: float
    message: str


def account_names(count: int) -> list[str]:
    return [_NAMES[i] if i < len(_NAMES) else f"account-{i + 1}" for i in range(count)]


def make_accounts(accounts: int, sessions: int, start: float, length: float) -> list[FakeAccount]:
    """The accounts at `start` (epoch seconds) of a run of `length` seconds on the demo's clock."""
    five_hours = round(_TOKENS_PER_SESSION * max(1, sessions) / accounts)
    out = []
    for number, name in enumerate(account_names(accounts)):
        account = FakeAccount(
            name,
            f"sk-ant-oat01-FAKE-{name}",
            five_hour_tokens=five_hours,
            weekly_tokens=_WEEKS_WINDOWS * five_hours,
        )
        # A little behind the weekly line, all alike, and days away from the reset.
        days_left = 3.5 + 0.4 * (number % 8)
        line = 1 - days_left * 86_400 / WEEK
        account.fill("7d", max(0.0, line - 0.02 * (number % 3)), start, reset_in=days_left * 86_400)
        if number == 0:
            account.fill("5h", 0.68, start, reset_in=reset_at(length))
        else:
            left = FIVE_HOURS - 3000.0 * (1 + number % 4)
            account.fill("5h", 0.08 + 0.13 * (number % 3), start, reset_in=left)
        out.append(account)
    return out


def usage_events(length: float, accounts: int) -> list[UsageEvent]:
    """What happens besides the sessions, in order of time."""
    words = "was used elsewhere too (another machine), and that filled its 5h window"
    at = reset_at(length) * _LIMIT_AT / _RESET_AT
    full = UsageEvent(at, account_names(1)[0], "5h", 1.02, words)
    if accounts < 3:
        return [full]
    near = UsageEvent(0.2 * at, account_names(accounts)[-1], "7d", 0.93, "has little left of its week")
    return [near, full]


def reset_at(length: float) -> float:
    """When the first account's 5h window ends, in seconds after the start."""
    return min(_RESET_AT * length, _LONGEST_WAIT)
