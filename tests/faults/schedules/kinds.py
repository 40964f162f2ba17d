"""Kinds of trouble that have one right outcome, each a small theme: together the theme `kinds`. PURE.

Each function builds the schedule in which a wrong outcome is certain to show; the rules that check it are in
rules/refusals.py, placement.py and fidelity.py.  Kinds in `awaited.AWAITED` are not drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Optional

from teamclaude.fakeapi.fault import Fault
from teamclaude.values import replace
from tests.faults.rules.awaited import is_awaited
from tests.faults.schedules import ambiguous_answers, random_faults
from tests.faults.schedules.builder import NAMES, ScheduleBuilder
from tests.faults.schedules.plan import MODELS, SPEED, Leave, PlannedAccount, Request, Trouble

__all__ = ["KINDS", "kind_of", "kinds"]

Act = Callable[[ScheduleBuilder], None]
Rng = random.Random

_ACCEPTED = (
    "gzip, deflate, br, zstd",
    "br",
    "gzip;q=0, br",
    "br;q=1.0, gzip;q=0.5",
    "*",
    "identity",
    "",
    None,
)


def _turns(builder: ScheduleBuilder, count: int, **changes: object) -> None:
    """Add new conversations of one or two turns, one after the other, so that none delays another."""
    builder.config["maxInflightPerAccount"] = 5
    for number in range(count):
        request = Request(**{"stream": builder.chance(0.7), **changes})  # type: ignore[arg-type]
        requests = [request, replace(request, pause=0.01)][: builder.rng.choice([1, 2])]
        builder.add_client(*requests, session=f"s-{number}", agent="", at=0.06 * number, tries=1)


def _of_the_account(code: int) -> Act:
    """One account answers 4xx to everything: it is disabled, or its credit is used up."""

    def act(builder: ScheduleBuilder) -> None:
        builder.add_accounts(2, 3)
        path = None if builder.chance(0.5) else "/v1/messages"
        builder.troubles.append(
            Trouble(
                ambiguous_answers.of_the_account(code)(builder.rng), builder.any_account(), None, path=path
            )
        )
        _turns(builder, builder.rng.randint(3, 5))

    return act


def _told_to_rest(builder: ScheduleBuilder) -> None:
    """One account always refuses with a long retry-after; new conversations keep coming."""
    builder.add_accounts(2, 3)
    fault = builder.rng.choice([Fault.quota("5h"), Fault.status(429, retry_after=900), Fault.status(403)])
    builder.troubles.append(Trouble(fault, builder.any_account(), None))
    _turns(builder, 5)


def _model_of_the_account(builder: ScheduleBuilder) -> None:
    """One account has no such model."""
    builder.add_accounts(2, 3)
    model = builder.rng.choice(MODELS)
    builder.config["maxInflightPerAccount"] = 5
    builder.troubles.append(
        Trouble(ambiguous_answers.of_the_account(404)(builder.rng), builder.any_account(), None, model=model)
    )
    for number in range(4):
        chosen = model if builder.chance(0.7) else builder.rng.choice(MODELS)
        builder.add_client(Request(model=chosen), session=f"s-{number}", agent="", at=0.06 * number, tries=1)


def _page(builder: ScheduleBuilder) -> None:
    """An edge in front of the API refuses everything for a while, with a page of its own."""
    builder.add_accounts()
    builder.config["upstreamRetryBudgetSec"] = 1.0
    builder.troubles.append(Trouble(ambiguous_answers.pages(builder.rng), count=builder.rng.randint(1, 4)))
    _turns(builder, builder.rng.randint(1, 3))


def _overage(builder: ScheduleBuilder) -> None:
    """Accounts refuse what would cost extra, once or for good; other models, other accounts serve."""
    builder.add_accounts()
    count = builder.rng.choice([1, None])
    builder.config["maxInflightPerAccount"] = 5
    builder.troubles.append(
        Trouble(ambiguous_answers.overage_claim(builder.rng), builder.any_account(), count, model=MODELS[1])
    )
    for number in range(4):
        model = builder.rng.choice(MODELS)
        builder.add_client(Request(model=model), session=f"s-{number}", agent="", at=0.06 * number, tries=1)


def _extra_usage(builder: ScheduleBuilder) -> None:
    """An account with a used-up plan still serves; the setting decides whether it is asked."""
    builder.add_accounts(1, 2)
    builder.config["allowExtraUsage"] = builder.chance(0.5)
    builder.config["allThrottledHoldBudgetSec"] = 0
    for account in builder.accounts:
        builder.troubles.append(Trouble(ambiguous_answers.EXTRA_USAGE, account.name, count=None))
    _turns(builder, 3)


def _bare(builder: ScheduleBuilder) -> None:
    """All accounts but one answer 429 without a reason."""
    builder.accounts += [PlannedAccount(name) for name in NAMES[: builder.rng.randint(2, 4)]]
    well = builder.any_account()
    for account in builder.accounts:
        if account.name != well:
            builder.troubles.append(
                Trouble(Fault.bare_429(), account.name, count=builder.rng.choice([1, None]))
            )
    builder.config["upstreamRetryBudgetSec"] = 1.0
    _turns(builder, builder.rng.randint(1, 3))


def _bare_and_busy(builder: ScheduleBuilder) -> None:
    """One account answers a bare 429, and the other's only slot is taken for a while."""
    builder.accounts += [PlannedAccount("alice"), PlannedAccount("bob")]
    builder.config.update(maxInflightPerAccount=1, allThrottledHoldBudgetSec=60, holdCommitSec=60.0)
    builder.config["headTimeoutSec"] = 2.0
    builder.troubles.append(Trouble(Fault.bare_429(), "alice", count=None))
    builder.troubles.append(Trouble(Fault.slow(before_head=0.2 * SPEED), "bob"))
    builder.add_client(Request(pin="bob"), session="s-busy", agent="", at=0.0, tries=1)
    builder.add_client(Request(stream=builder.chance(0.7)), session="s-new", agent="", at=0.04, tries=1)


def _overloaded_at_home(builder: ScheduleBuilder) -> None:
    """A warm conversation with a large prefix meets 529 twice, and continues."""
    builder.add_accounts(2, 3)
    builder.config["upstreamRetryBudgetSec"] = 1.0
    fault = Fault.status(builder.rng.choice([529, 529, 503]))
    builder.troubles.append(Trouble(fault, count=builder.rng.choice([2, 2, 3]), nth=2))
    turn = Request(prefix=200_000, stream=builder.chance(0.7), pause=0.01)
    builder.add_client(*5 * [turn], session="s-warm", agent="", tries=1)


def _trickled(builder: ScheduleBuilder) -> None:
    """The body of a refusal arrives byte by byte, for seconds."""
    builder.add_accounts(2, 2)
    builder.config.update(bodyIdleTimeoutSec=1.0, headTimeoutSec=1.0, upstreamRetryBudgetSec=5.0)
    builder.troubles.append(Trouble(ambiguous_answers.trickled_refusals(builder.rng)))
    _turns(builder, 1)


def _silent(builder: ScheduleBuilder) -> None:
    """The API reads a request, on a new or a used connection, and sends nothing."""
    builder.add_accounts(1, 2)
    builder.troubles.append(
        Trouble(Fault.never_answered(), count=builder.rng.choice([1, None]), nth=builder.rng.choice([1, 2]))
    )
    builder.add_client(*3 * [Request(stream=builder.chance(0.7))], session="s-one", agent="", tries=1)


def _endless(builder: ScheduleBuilder) -> None:
    """A 429 of one account names a time beyond every window."""
    builder.add_accounts(1, 2)
    builder.troubles.append(Trouble(ambiguous_answers.endless_rests(builder.rng), builder.any_account()))
    _turns(builder, 2)


def _until_close(builder: ScheduleBuilder) -> None:
    """An answer that ends with its connection breaks off: plain or gzip, streamed or JSON."""
    builder.add_accounts(1, 2)
    cut = builder.rng.choice(
        [
            Fault.cut_after_event(builder.rng.randrange(random_faults.EVENTS), "fin"),
            Fault.cut_body(builder.rng.randrange(1, 260), "fin"),
        ]
    )
    builder.troubles.append(Trouble(cut.with_changes(framing="close", gzip=builder.chance(0.5)), count=2))
    version = builder.rng.choice(["1.0", "1.1", "1.1"])
    _turns(builder, 2, version=version)


def _gzip_errors(builder: ScheduleBuilder) -> None:
    """A compressed stream holds an error event, as its first or a later one, or ends without message_stop."""
    builder.add_accounts(1, 2)
    fault = builder.rng.choice(
        [
            Fault.stream_error(
                builder.rng.choice([1, 2, 5, 9]), builder.rng.choice(["overloaded_error", "api_error"])
            ),
            Fault.stream_error(0),
            Fault.ends_early(builder.rng.randrange(1, random_faults.EVENTS)),
        ]
    )
    builder.troubles.append(Trouble(fault.with_changes(gzip=True), count=2))
    builder.troubles.append(Trouble(Fault.gzipped(), count=None))  # later answers are complete
    _turns(builder, 3, stream=True)


def _half_closed(builder: ScheduleBuilder) -> None:
    """Clients close their sending half after the request, and wait for the answer."""
    builder.add_accounts(1, 2)
    if builder.chance(0.6):
        slow = Fault.slow(before_head=0.04 * SPEED, between_events=0.003 * SPEED)
        builder.troubles.append(Trouble(slow, count=None))
    for number in range(3):
        count = Request(kind="count", stream=False)
        last = Request(half=True, stream=builder.chance(0.7), split=builder.rng.choice(["", "head", "body"]))
        requests = [count, count, last] if builder.chance(0.5) else [last]
        builder.add_client(*requests, session=f"s-{number}", agent="", at=0.0, tries=1)


def _ids(builder: ScheduleBuilder) -> None:
    """Clients make batches, files and skills and ask for them, beside other work."""
    builder.add_accounts(2, 4)
    for number in range(builder.rng.randint(2, 4)):
        made = Request(kind=builder.rng.choice(["batch", "file", "skill"]), stream=False)
        asked = Request(kind="fetch", stream=False, pause=0.01)
        builder.add_client(made, asked, replace(asked, fresh=True), session=f"s-{number}", agent="", tries=1)
    _turns(builder, 2)


def _message_threads(builder: ScheduleBuilder) -> None:
    """Clients continue threads that the API keeps; the account of one is overloaded, or used up."""
    builder.add_accounts(2, 3)
    builder.config.update(maxInflightPerAccount=5, upstreamRetryBudgetSec=1.0)
    builder.config["routing"] = {"policy": builder.rng.choice(["round-robin", "price", "threshold"])}
    faults = [Fault.overloaded(), Fault.bare_429(), Fault.stream_error(0), Fault.quota("5h")]
    if builder.chance(0.8):
        count, nth = builder.rng.choice([1, 2]), builder.rng.choice([2, 3])
        builder.troubles.append(Trouble(builder.rng.choice(faults), count=count, nth=nth))
    for number in range(builder.rng.choice([1, 1, 2])):
        turns = 6 * [Request(thread=True, pause=0.01)]
        builder.add_client(*turns, session=f"s-{number}", agent="", at=0.03 * number, tries=1)


def _burst(builder: ScheduleBuilder) -> None:
    """Programs without a session send many requests at once to idle accounts that have already served."""
    builder.add_accounts(2, 3)
    builder.config.update(maxInflightPerAccount=5, slotWaitSec=60.0, headTimeoutSec=2.0)
    builder.config.update(allThrottledHoldBudgetSec=200, holdCommitSec=200.0)
    wells = [Request(pin=account.name, stream=False) for account in builder.accounts]
    slow = Fault.slow(before_head=0.5 * SPEED)
    builder.troubles.append(Trouble(slow, count=None, nth=1 + len(wells)))
    builder.add_client(*wells, session="s-first", agent="", at=0.0, tries=1)
    for _ in range(4 * len(builder.accounts)):
        builder.add_client(Request(stream=builder.chance(0.5)), session="", agent="", at=0.15, tries=1)


def _codings(builder: ScheduleBuilder) -> None:
    """Clients accept codings of all sorts; the API compresses for those that accept gzip."""
    builder.add_accounts(1, 2)
    for number in range(4):
        accepts: Optional[str] = builder.rng.choice(_ACCEPTED)
        builder.add_client(Request(accepts=accepts), session=f"s-{number}", agent="", tries=1)


def _early_uploads(builder: ScheduleBuilder) -> None:
    """Warm conversations send large requests in two writes; the API refuses or breaks off, clients leave."""
    rng = builder.rng
    builder.add_accounts(2, 3)
    builder.config.update(maxInflightPerAccount=rng.choice([1, 5]))
    if builder.chance(0.7):
        faults = [random_faults.overloads, random_faults.breaks, random_faults.refusals]
        builder.add_trouble(rng.choice(faults))
    for number in range(rng.choice([1, 2])):
        large = Request(size=rng.choice([40_000, 200_000]), split="body", stream=builder.chance(0.8))
        turns = [Request(), *3 * [large]]
        if builder.chance(0.6):
            turns[rng.randrange(1, 4)] = replace(large, leave=Leave("request", rng.randrange(8000, 40_000)))
        builder.add_client(*turns, session=f"s-{number}", agent="", at=0.0, tries=1)


KINDS: dict[str, Act] = {
    "400 of the account": _of_the_account(400),
    "402 of the account": _of_the_account(402),
    "404 of the account": _model_of_the_account,
    "refusal with a time": _told_to_rest,
    "page of an edge": _page,
    "overage claim": _overage,
    "extra usage": _extra_usage,
    "bare 429s": _bare,
    "bare 429 and busy slots": _bare_and_busy,
    "overloads of a warm conversation": _overloaded_at_home,
    "refusal that trickles": _trickled,
    "silent API": _silent,
    "endless retry-after": _endless,
    "until close": _until_close,
    "gzip errors": _gzip_errors,
    "half-closed": _half_closed,
    "ids of an account": _ids,
    "message threads": _message_threads,
    "burst without a session": _burst,
    "codings": _codings,
    "early uploads": _early_uploads,
}


def kind_of(seed: int) -> str:
    """Return the kind of a seed; each name is drawn apart, so a new one leaves most seeds as they were."""
    drawn = [name for name in KINDS if not is_awaited(name)]
    return max(drawn, key=lambda name: random.Random(f"{name}/{seed}").random())


def kinds(builder: ScheduleBuilder) -> None:
    """Build the schedule of the builder's kind."""
    KINDS[builder.kind](builder)
