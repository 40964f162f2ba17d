"""Findings about the server of the config file."""

from __future__ import annotations

import pytest

from teamclaude.cli.doctor.checks.server_checks import check_server
from teamclaude.cli.doctor.facts.python_facts import ProgramFacts
from teamclaude.cli.doctor.facts.server_facts import NamedUrl, ServerFacts
from teamclaude.cli.doctor.finding import Action, Fix, Level
from teamclaude.proxy.lifecycle.who_answers import Answerer, Presence
from teamclaude.snapshot import AccountView, OutageView, Snapshot, SystemView
from tests.cli.doctor.support import by_id, ids

FILES = ProgramFacts("1.0", "/opt/tc", (), changed_at=1000.0)
OURS, NOBODY = Answerer(Presence.TEAMCLAUDE, "1.0"), Answerer(Presence.NOBODY)
ALICE = AccountView(name="alice", status="active", usable=True)
STATUS = Snapshot(system=SystemView(version="1.0"), accounts=(ALICE,))
URL = "http://127.0.0.1:3456"
UP = ServerFacts(URL, 3456, (("127.0.0.1", OURS), ("::1", OURS)), STATUS, started_at=2000.0, open_files=65536)


def with_system(**values: object) -> ServerFacts:
    return UP._replace(status=Snapshot(system=SystemView(**{"version": "1.0", **values})))  # type: ignore[arg-type]


def test_a_good_server() -> None:
    group = check_server(UP, FILES, 4192)
    assert (group.summary, ids(group)) == (f"{URL}, 1.0, 1 of 1 accounts can serve", [])


def test_an_account_that_is_active_and_may_serve_nothing_more_is_not_counted() -> None:
    spent = AccountView(name="key", status="active", usable=False)
    facts = UP._replace(status=Snapshot(system=SystemView(version="1.0"), accounts=(*STATUS.accounts, spent)))
    assert check_server(facts, FILES, 4192).summary == f"{URL}, 1.0, 1 of 2 accounts can serve"


def test_an_api_that_its_requests_do_not_reach_is_an_error() -> None:
    outage = OutageView("a:443", ("alice",), 1000.0, 1240.0, 12, "no connection to a:443: refused")
    status = Snapshot(at=1300.0, system=SystemView(version="1.0"), accounts=(ALICE,), outages=(outage,))
    group = check_server(UP._replace(status=status), FILES, 4192)
    assert group.summary.endswith("0 of 1 accounts can serve")
    found = by_id(group)["server.api-unreachable"]
    assert found.kind.level is Level.ERROR
    assert "a:443: refused; 12 requests got no connection, the last 60 s ago (accounts: alice)" in found.text
    bob = AccountView(name="bob", status="active", usable=True)
    others = Snapshot(system=status.system, accounts=(ALICE, bob), outages=(outage,))
    assert ids(check_server(UP._replace(status=others), FILES, 4192)) == ["server.account-unreachable"]


def test_without_ipv6_one_address_is_all_there_is() -> None:
    facts = UP._replace(answers=(("127.0.0.1", OURS), ("::1", Answerer(Presence.UNREACHABLE))))
    assert ids(check_server(facts, FILES)) == []


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ((NOBODY, NOBODY), ["server.down"]),
        ((NOBODY, Answerer(Presence.UNREACHABLE)), ["server.down"]),
        ((Answerer(Presence.OTHER), NOBODY), ["server.other-program"]),
        ((Answerer(Presence.OTHER, uid=1001), NOBODY), ["server.other-user"]),
        ((Answerer(Presence.SILENT), NOBODY), ["server.silent"]),
        ((OURS, NOBODY), ["server.half"]),
        ((OURS, Answerer(Presence.OTHER)), ["server.other-program"]),
    ],
)
def test_who_answers(answers: tuple[Answerer, Answerer], wanted: list[str]) -> None:
    facts = UP._replace(answers=tuple(zip(("127.0.0.1", "::1"), answers)))
    if OURS not in answers:
        facts = facts._replace(status=None)
    assert ids(check_server(facts, FILES)) == wanted


def test_a_server_with_a_host_of_its_own_need_not_answer_at_that_of_the_config() -> None:
    facts = UP._replace(answers=(("127.0.0.1", OURS), ("::1", NOBODY)), has_own_host=True)
    assert ids(check_server(facts, FILES)) == []


def test_a_port_that_is_not_known() -> None:
    assert ids(check_server(ServerFacts(URL, 0), FILES)) == ["server.any-port"]


def test_a_server_that_says_no_or_nothing() -> None:
    refused = UP._replace(status=None, refusal="it does not accept the key", is_refused=True)
    assert by_id(check_server(refused, FILES))["server.refuses-key"].text == "it does not accept the key"
    assert ids(check_server(refused._replace(is_refused=False), FILES)) == ["server.unclear"]


def test_another_version_runs() -> None:
    finding = by_id(check_server(with_system(version="0.9"), FILES))["server.version"]
    assert finding.text == "version 0.9 runs, these files are 1.0"
    assert finding.fix == Fix("teamclaude restart", Action("run", words=("restart",)))


@pytest.mark.parametrize(
    ("started", "wanted"), [(900.0, ["server.outdated"]), (999.0, []), (1100.0, []), (None, [])]
)
def test_files_that_changed_after_the_start(started: float | None, wanted: list[str]) -> None:
    assert ids(check_server(UP._replace(started_at=started), FILES)) == wanted


def test_the_rest_of_what_a_status_tells() -> None:
    assert ids(check_server(with_system(draining=True), FILES)) == ["server.draining"]
    assert ids(check_server(UP._replace(open_files=1024), FILES, 4192)) == ["server.open-files"]
    assert ids(check_server(UP._replace(open_files=None), FILES, 4192)) == []


def test_several_servers_and_names() -> None:
    facts = UP._replace(
        others=("pid 1 on port 1 of a", "pid 2 on port 2 of a"),
        named=(NamedUrl("TEAMCLAUDE_URL", "http://box:3456", "box", False), NamedUrl("X", "u", "ok", True)),
    )
    group = by_id(check_server(facts, FILES))
    assert set(group) == {"server.several", "server.host-not-allowed"}
    assert group["server.host-not-allowed"].mend == 'add "box" to proxy.allowedHosts in the config file'
    assert ids(check_server(UP._replace(is_plain=True), FILES)) == ["server.plain-http"]
    assert ids(check_server(UP._replace(bad_names="proxy.host: ' ' is no name"), FILES)) == ["server.names"]


def test_an_unclear_answer_is_told_as_it_is() -> None:
    unclear = UP._replace(status=None, refusal="broke off its answer")
    assert by_id(check_server(unclear, FILES))["server.unclear"].text == "broke off its answer"


def test_a_restart_is_of_the_server_at_the_named_port() -> None:
    old = UP._replace(started_at=1.0, restart=("restart", "--port", "3999"))
    finding = by_id(check_server(old, FILES))["server.outdated"]
    assert finding.fix == Fix("teamclaude restart --port 3999", Action("run", words=old.restart))
