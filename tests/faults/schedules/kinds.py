"""Kinds of trouble that have one right outcome, each a small theme of its own: the theme `kinds`. PURE.

Each act writes the schedule in which the wrong outcome is certain to show; the rules that judge it stand in
`verdicts`, `places` and `fidelity`.  Kinds in `awaited.AWAITED` are not drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from teamclaude.fakeapi.fault import Fault
from tests.faults.rules.awaited import is_awaited
from tests.faults.schedules import ambiguous_answers, random_faults
from tests.faults.schedules.builder import NAMES, ScheduleBuilder
from tests.faults.schedules.plan import MODELS, SPEED, PlannedAccount, Request, Trouble

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


def _turns(draft: ScheduleBuilder, count: int, **changes: object) -> None:
    """New conversations of one or two turns, one after the other: nobody is in anybody's way."""
    draft.config["maxInflightPerAccount"] = 5
    for number in range(count):
        request = Request(**{"stream": draft.chance(0.7), **changes})  # type: ignore[arg-type]
        requests = [request, replace(request, pause=0.01)][: draft.rng.choice([1, 2])]
        draft.add_client(*requests, session=f"s-{number}", agent="", at=0.06 * number, tries=1)


def _of_the_account(code: int) -> Act:
    """One account answers 4xx to everything, for good: it is disabled, or its credit is used up."""

    def act(draft: ScheduleBuilder) -> None:
        draft.add_accounts(2, 3)
        path = None if draft.chance(0.5) else "/v1/messages"
        draft.troubles.append(
            Trouble(ambiguous_answers.of_the_account(code)(draft.rng), draft.any_account(), None, path=path)
        )
        _turns(draft, draft.rng.randint(3, 5))

    return act


def _told_to_rest(draft: ScheduleBuilder) -> None:
    """One account refuses with a time that is far off, for good; new conversations keep coming."""
    draft.add_accounts(2, 3)
    fault = draft.rng.choice([Fault.quota("5h"), Fault.status(429, retry_after=900), Fault.status(403)])
    draft.troubles.append(Trouble(fault, draft.any_account(), None))
    _turns(draft, 5)


def _model_of_the_account(draft: ScheduleBuilder) -> None:
    """One account has no such model."""
    draft.add_accounts(2, 3)
    model = draft.rng.choice(MODELS)
    draft.config["maxInflightPerAccount"] = 5
    draft.troubles.append(
        Trouble(ambiguous_answers.of_the_account(404)(draft.rng), draft.any_account(), None, model=model)
    )
    for number in range(4):
        chosen = model if draft.chance(0.7) else draft.rng.choice(MODELS)
        draft.add_client(Request(model=chosen), session=f"s-{number}", agent="", at=0.06 * number, tries=1)


def _page(draft: ScheduleBuilder) -> None:
    """An edge in front of the API refuses everybody for a while, with a page of its own."""
    draft.add_accounts()
    draft.config["upstreamRetryBudgetSec"] = 1.0
    draft.troubles.append(Trouble(ambiguous_answers.pages(draft.rng), count=draft.rng.randint(1, 4)))
    _turns(draft, draft.rng.randint(1, 3))


def _overage(draft: ScheduleBuilder) -> None:
    """Accounts refuse what would cost extra, once or for good; other models, other accounts serve."""
    draft.add_accounts()
    count = draft.rng.choice([1, None])
    draft.config["maxInflightPerAccount"] = 5
    draft.troubles.append(
        Trouble(ambiguous_answers.overage_claim(draft.rng), draft.any_account(), count, model=MODELS[1])
    )
    for number in range(4):
        model = draft.rng.choice(MODELS)
        draft.add_client(Request(model=model), session=f"s-{number}", agent="", at=0.06 * number, tries=1)


def _extra_usage(draft: ScheduleBuilder) -> None:
    """An account's plan is used up and it serves all the same; the setting decides whether it is asked."""
    draft.add_accounts(1, 2)
    draft.config["allowExtraUsage"] = draft.chance(0.5)
    draft.config["allThrottledHoldBudgetSec"] = 0
    for member in draft.accounts:
        draft.troubles.append(Trouble(ambiguous_answers.EXTRA_USAGE, member.name, count=None))
    _turns(draft, 3)


def _bare(draft: ScheduleBuilder) -> None:
    """All accounts but one answer 429 without a word why."""
    draft.accounts += [PlannedAccount(name) for name in NAMES[: draft.rng.randint(2, 4)]]
    well = draft.any_account()
    for member in draft.accounts:
        if member.name != well:
            draft.troubles.append(Trouble(Fault.bare_429(), member.name, count=draft.rng.choice([1, None])))
    draft.config["upstreamRetryBudgetSec"] = 1.0
    _turns(draft, draft.rng.randint(1, 3))


def _bare_and_busy(draft: ScheduleBuilder) -> None:
    """One account answers a bare 429, the other's only slot is taken for a while."""
    draft.accounts += [PlannedAccount("alice"), PlannedAccount("bob")]
    draft.config.update(maxInflightPerAccount=1, allThrottledHoldBudgetSec=60, holdCommitSec=60.0)
    draft.config["headTimeoutSec"] = 2.0
    draft.troubles.append(Trouble(Fault.bare_429(), "alice", count=None))
    draft.troubles.append(Trouble(Fault.slow(before_head=0.2 * SPEED), "bob"))
    draft.add_client(Request(pin="bob"), session="s-busy", agent="", at=0.0, tries=1)
    draft.add_client(Request(stream=draft.chance(0.7)), session="s-new", agent="", at=0.04, tries=1)


def _overloaded_at_home(draft: ScheduleBuilder) -> None:
    """A warm conversation with a large prefix meets 529 twice, and goes on."""
    draft.add_accounts(2, 3)
    draft.config["upstreamRetryBudgetSec"] = 1.0
    fault = Fault.status(draft.rng.choice([529, 529, 503]))
    draft.troubles.append(Trouble(fault, count=draft.rng.choice([2, 2, 3]), nth=2))
    turn = Request(prefix=200_000, stream=draft.chance(0.7), pause=0.01)
    draft.add_client(*5 * [turn], session="s-warm", agent="", tries=1)


def _trickled(draft: ScheduleBuilder) -> None:
    """The body of a refusal comes byte by byte, for seconds."""
    draft.add_accounts(2, 2)
    draft.config.update(bodyIdleTimeoutSec=1.0, headTimeoutSec=1.0, upstreamRetryBudgetSec=5.0)
    draft.troubles.append(Trouble(ambiguous_answers.trickled_refusals(draft.rng)))
    _turns(draft, 1)


def _silent(draft: ScheduleBuilder) -> None:
    """The API takes a request, on a fresh or on a used connection, and says nothing."""
    draft.add_accounts(1, 2)
    draft.troubles.append(
        Trouble(Fault.never_answered(), count=draft.rng.choice([1, None]), nth=draft.rng.choice([1, 2]))
    )
    draft.add_client(*3 * [Request(stream=draft.chance(0.7))], session="s-one", agent="", tries=1)


def _endless(draft: ScheduleBuilder) -> None:
    """A 429 names a time that no window has: once, of one account or of all."""
    draft.add_accounts(1, 2)
    draft.troubles.append(Trouble(ambiguous_answers.endless_rests(draft.rng), draft.any_account()))
    _turns(draft, 2)


def _until_close(draft: ScheduleBuilder) -> None:
    """An answer that ends with its connection breaks off: plain or gzip, streamed or JSON."""
    draft.add_accounts(1, 2)
    cut = draft.rng.choice(
        [
            Fault.cut_after_event(draft.rng.randrange(random_faults.EVENTS), "fin"),
            Fault.cut_body(draft.rng.randrange(1, 260), "fin"),
        ]
    )
    draft.troubles.append(Trouble(cut.with_changes(framing="close", gzip=draft.chance(0.5)), count=2))
    version = draft.rng.choice(["1.0", "1.1", "1.1"])
    _turns(draft, 2, version=version)


def _gzip_errors(draft: ScheduleBuilder) -> None:
    """A compressed stream holds an error event, as its first or a later one, or ends without message_stop."""
    draft.add_accounts(1, 2)
    fault = draft.rng.choice(
        [
            Fault.stream_error(
                draft.rng.choice([1, 2, 5, 9]), draft.rng.choice(["overloaded_error", "api_error"])
            ),
            Fault.stream_error(0),
            Fault.ends_early(draft.rng.randrange(1, random_faults.EVENTS)),
        ]
    )
    draft.troubles.append(Trouble(fault.with_changes(gzip=True), count=2))
    draft.troubles.append(Trouble(Fault.gzipped(), count=None))  # and later ones are whole
    _turns(draft, 3, stream=True)


def _half_closed(draft: ScheduleBuilder) -> None:
    """Clients close their sending half behind the request, and wait for the answer."""
    draft.add_accounts(1, 2)
    if draft.chance(0.6):
        slow = Fault.slow(before_head=0.04 * SPEED, between_events=0.003 * SPEED)
        draft.troubles.append(Trouble(slow, count=None))
    for number in range(3):
        count = Request(kind="count", stream=False)
        last = Request(half=True, stream=draft.chance(0.7), split=draft.rng.choice(["", "head", "body"]))
        requests = [count, count, last] if draft.chance(0.5) else [last]
        draft.add_client(*requests, session=f"s-{number}", agent="", at=0.0, tries=1)


def _ids(draft: ScheduleBuilder) -> None:
    """Batches, files and skills are made, and asked for by what made them, while other work goes on."""
    draft.add_accounts(2, 4)
    for number in range(draft.rng.randint(2, 4)):
        made = Request(kind=draft.rng.choice(["batch", "file", "skill"]), stream=False)
        asked = Request(kind="fetch", stream=False, pause=0.01)
        draft.add_client(made, asked, replace(asked, fresh=True), session=f"s-{number}", agent="", tries=1)
    _turns(draft, 2)


def _burst(draft: ScheduleBuilder) -> None:
    """Programs that name no session send many requests at once to idle accounts that are known to be well."""
    draft.add_accounts(2, 3)
    draft.config.update(maxInflightPerAccount=5, slotWaitSec=60.0, headTimeoutSec=2.0)
    draft.config.update(allThrottledHoldBudgetSec=200, holdCommitSec=200.0)
    wells = [Request(pin=member.name, stream=False) for member in draft.accounts]
    slow = Fault.slow(before_head=0.5 * SPEED)
    draft.troubles.append(Trouble(slow, count=None, nth=1 + len(wells)))
    draft.add_client(*wells, session="s-first", agent="", at=0.0, tries=1)
    for _ in range(4 * len(draft.accounts)):
        draft.add_client(Request(stream=draft.chance(0.5)), session="", agent="", at=0.15, tries=1)


def _codings(draft: ScheduleBuilder) -> None:
    """Clients take codings of all sorts; the API compresses where they take gzip."""
    draft.add_accounts(1, 2)
    for number in range(4):
        accepts: Optional[str] = draft.rng.choice(_ACCEPTED)
        draft.add_client(Request(accepts=accepts), session=f"s-{number}", agent="", tries=1)


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
    "burst without a session": _burst,
    "codings": _codings,
}


def kind_of(seed: int) -> str:
    """The kind of a seed.  By lot for each: another one drawn leaves most seeds what they were."""
    drawn = [name for name in KINDS if not is_awaited(name)]
    return max(drawn, key=lambda name: random.Random(f"{name}/{seed}").random())


def kinds(draft: ScheduleBuilder) -> None:
    """The kind that the schedule was given."""
    KINDS[draft.kind](draft)
