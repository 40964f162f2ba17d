"""A response with the same quota reading as the one before is not applied again."""

from __future__ import annotations

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.pace import PacePolicy
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest

NOW = 1_800_000_000.0
REJECTED = QuotaReading({"5h": Window(1.0, NOW + 900, "rejected", NOW)}, "rejected")


def fleet_of_one() -> Fleet:
    fleet = Fleet(Rules(), PacePolicy())
    fleet.configure([AccountSpec("a", "a")])
    return fleet


def admitted(fleet: Fleet, session: str = "s") -> Lease:
    lease = fleet.admit(RoutingRequest(session=session), NOW)
    assert isinstance(lease, Lease)
    return lease


def test_the_last_reading_is_kept_until_a_refusal() -> None:
    fleet, said = fleet_of_one(), QuotaReading({"5h": Window(0.2, NOW + 900, "allowed", NOW)})
    account = fleet.accounts["a"]
    lease = admitted(fleet)
    fleet.record_response(lease, 200, said, NOW)
    assert account.last_reading is said
    assert fleet.record_response(lease, 200, said, NOW) is fleet.record_response(
        lease, 200, QuotaReading(dict(said.axes)), NOW
    )
    fleet.record_response(lease, 429, REJECTED, NOW + 1)
    assert account.last_reading is None
    fleet.record_response(lease, 200, said, NOW + 2)
    assert (account.proven, account.streak, account.windows.get("5h", NOW).rejected) == (True, 0, False)


def test_every_other_change_of_the_account_drops_the_last_reading() -> None:
    said = QuotaReading({"5h": Window(0.2, NOW + 900, "allowed", NOW)})
    for happens in (
        lambda fleet, lease: fleet.confirm_account_429(lease, NOW + 1),
        lambda fleet, lease: fleet.mark_auth_failed(lease, "refused"),
        lambda fleet, lease: fleet.bench_for_login("a", NOW + 9, "no token", NOW),
        lambda fleet, lease: fleet.clock_moved_back(NOW - 100),
    ):
        fleet = fleet_of_one()
        lease = admitted(fleet)
        fleet.record_response(lease, 200, said, NOW)
        happens(fleet, lease)
        assert fleet.accounts["a"].last_reading is None
        fleet.record_response(lease, 200, said, NOW + 2)
        assert fleet.accounts["a"].proven


def test_off_the_inference_path_no_reading_is_kept() -> None:
    fleet, said = fleet_of_one(), QuotaReading({"requests": Window(0.2, NOW + 900, None, NOW)})
    lease = fleet.admit(RoutingRequest(needs_slot=False), NOW)
    assert isinstance(lease, Lease)
    fleet.record_response(lease, 200, said, NOW)
    assert fleet.accounts["a"].last_reading is None
