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


def test_after_a_report_of_the_usage_endpoint_the_same_reading_counts_again() -> None:
    fleet, said = fleet_of_one(), QuotaReading({"5h": Window(0.2, NOW + 900, "allowed", NOW)})
    lease = admitted(fleet)
    fleet.record_response(lease, 200, said, NOW)
    fleet.record_usage_report(
        "a", QuotaReading({"5h": Window(0.5, NOW + 901, None, NOW + 9)}), NOW + 9, NOW + 10
    )
    assert fleet.accounts["a"].utilization("5h", NOW + 10) == 0.5
    fleet.record_response(lease, 200, said, NOW + 11)
    assert fleet.accounts["a"].utilization("5h", NOW + 11) == 0.2


def test_a_report_of_the_usage_endpoint_gives_way_to_a_newer_answer() -> None:
    fleet = fleet_of_one()
    fleet.record_response(admitted(fleet), 429, REJECTED, NOW)
    late = {"5h": Window(0.1, NOW + 900, None, NOW - 1), "7d": Window(0.3, NOW + 9000, None, NOW - 1)}
    fleet.record_usage_report("a", QuotaReading(late), NOW - 1, NOW + 1)
    account = fleet.accounts["a"]
    assert account.windows.get("5h", NOW + 1) == REJECTED.axes["5h"]
    assert account.utilization("7d", NOW + 1) == 0.3
    fleet.record_usage_report("a", QuotaReading({"5h": Window(0.1, NOW + 903)}), NOW + 5, NOW + 6)
    assert account.windows.get("5h", NOW + 6).rejected, "it does not say whether the window rejects"
    fleet.record_usage_report("gone", QuotaReading(late), NOW + 5, NOW + 6)
