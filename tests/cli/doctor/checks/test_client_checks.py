"""Findings about Claude Code."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from teamclaude.cli.claude_code.background_service import BackgroundService
from teamclaude.cli.claude_code.environment import ClientTarget, client_environment
from teamclaude.cli.claude_code.settings_files import Layer
from teamclaude.cli.doctor.checks.client_checks import check_client
from teamclaude.cli.doctor.facts.claude_program import ClaudeProgram
from teamclaude.cli.doctor.facts.client_facts import ClientFacts, VerifiedVersions
from teamclaude.cli.launch.wiring import Finding, overlay
from tests.cli.doctor.support import by_id, ids

VERIFIED = VerifiedVersions(("2.1.112", "2.1.332"), "2.1.112")
PROGRAM = ClaudeProgram("/bin/claude", "2.1.332")
URL, KEY = "http://127.0.0.1:3456", "tc-FAKEkey"
TARGET = ClientTarget(URL, KEY)
LED = client_environment(TARGET, {}, logged_in=False)


def facts_of(env: Mapping[str, str], *layers: Layer, **changed: object) -> ClientFacts:
    facts = ClientFacts(PROGRAM, VERIFIED, layers, overlay(env, layers), False, TARGET)
    return facts._replace(**changed)  # type: ignore[arg-type]


def found(facts: ClientFacts) -> list[str]:
    return ids(check_client(facts, "~/bin/claude"))


def test_a_client_that_comes_here() -> None:
    group = check_client(facts_of(LED), "~/bin/claude")
    assert ids(group) == []
    assert group.summary == "2.1.332, ~/bin/claude, not logged in, led here also without run"


def test_a_client_that_only_run_leads_here_is_a_note() -> None:
    finding = by_id(check_client(facts_of({}), ""))["claude.direct"]
    assert finding.text == "claude without teamclaude run goes to https://api.anthropic.com"
    assert found(facts_of({"ANTHROPIC_BASE_URL": "https://u:pw@gw.example/x"})) == ["claude.direct"]
    assert found(facts_of({"CLAUDE_CODE_USE_BEDROCK": "1"})) == ["claude.direct"]


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (ClaudeProgram(), ["claude.missing"]),
        (ClaudeProgram("/bin/claude", "", "it can't be started"), ["claude.version-unknown"]),
        (ClaudeProgram("/bin/claude", "2.1.111"), ["claude.version-old"]),
        (ClaudeProgram("/bin/claude", "2.1.333"), ["claude.version-untried"]),
        (ClaudeProgram("/bin/claude", "2.1.112"), []),
        (ClaudeProgram("/bin/claude", "10.0.0-beta.1"), ["claude.version-untried"]),
    ],
)
def test_the_program(program: ClaudeProgram, wanted: list[str]) -> None:
    assert found(facts_of(LED, program=program)) == wanted


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({**LED, "CLAUDE_CODE_USE_VERTEX": "true"}, "claude.provider"),
        ({**LED, "HTTPS_PROXY": "http://u:secret@corp:3128"}, "claude.http-proxy"),
        (
            {**LED, "HTTPS_PROXY": "http://corp:3128", "NO_PROXY": "127.0.0.1", "no_proxy": "x"},
            "claude.http-proxy",
        ),
        ({**LED, "ANTHROPIC_API_KEY": "sk-ant-api03-SECRET"}, "claude.credential"),
        ({**LED, "ANTHROPIC_AUTH_TOKEN": "other"}, "claude.credential"),
    ],
)
def test_what_is_wrong_with_a_client_that_is_led_here(env: dict[str, str], wanted: str) -> None:
    group = check_client(facts_of(env), "")
    assert ids(group) == [wanted]
    assert "secret" not in str(group).lower()


def test_lost_headers_and_trust() -> None:
    env = client_environment(TARGET, {}, logged_in=True)
    lost = {**env, "ANTHROPIC_CUSTOM_HEADERS": "x-team: red"}
    assert found(facts_of(lost, logged_in=True)) == ["claude.headers"]
    tls = ClientTarget("https://localhost:3456", KEY, "/c.pem")
    env = {**client_environment(tls, {}, False), "NODE_EXTRA_CA_CERTS": "/other.pem"}
    assert found(facts_of(env, target=tls)) == ["claude.trust"]


def test_another_server_of_this_machine() -> None:
    old = Layer("user", "/h/.claude/settings.json", {"ANTHROPIC_BASE_URL": "http://localhost:3999"})
    finding = by_id(check_client(facts_of({}, old), ""))["claude.base-url"]
    assert finding.text.startswith(
        "/h/.claude/settings.json sets ANTHROPIC_BASE_URL to http://localhost:3999"
    )
    assert finding.fix is None
    finding = by_id(check_client(facts_of({}, old, written=("/h/.claude/settings.json",)), ""))[
        "claude.base-url"
    ]
    assert finding.fix is not None
    assert finding.fix.action.words == ("setup", "claude", "--write")


def test_what_setup_has_written_is_overridden() -> None:
    managed = Layer("managed", "/etc/m.json", {"ANTHROPIC_BASE_URL": "https://gw.example"})
    assert found(facts_of(LED, managed, written=("/s.json",))) == ["claude.setup-overridden"]
    assert found(facts_of({"CLAUDE_CODE_USE_BEDROCK": "1"}, written=("/s.json",))) == [
        "claude.setup-overridden"
    ]


def test_what_run_says() -> None:
    remarks = (
        Finding("/etc/m.json sets CLAUDE_CODE_USE_BEDROCK: claude will not; ask", True, "provider"),
        Finding("/s.json is not JSON: claude ignores it", topic="settings"),
        Finding("claude runs without ANTHROPIC_API_KEY: the accounts of the proxy serve it"),
    )
    group = by_id(check_client(facts_of(LED, remarks=remarks), ""))
    assert set(group) == {"claude.run-blocked", "claude.settings-broken", "claude.run-changes"}
    assert group["claude.run-blocked"].mend == "ask"
    assert found(facts_of(LED, problem="no key")) == ["claude.run-blocked"]


def test_a_broken_file_is_told_once() -> None:
    broken = Layer("user", "/s.json", problem="is not JSON")
    remarks = (Finding("/s.json is not JSON: claude ignores it", topic="settings"),)
    assert found(facts_of(LED, broken, remarks=remarks)) == ["claude.settings-broken"]


def test_a_supervisor_with_another_environment() -> None:
    other = BackgroundService(7, "2.1.332", {"ANTHROPIC_BASE_URL": "https://api.anthropic.com"})
    finding = by_id(check_client(facts_of(LED, service=other), ""))["claude.background"]
    assert finding.mend.endswith("claude daemon stop --any")
    assert found(facts_of(LED, service=other._replace(environment=LED))) == []


def test_without_a_config_only_the_program_is_examined() -> None:
    group = check_client(ClientFacts(PROGRAM, VERIFIED), "~/bin/claude")
    assert (group.summary, ids(group)) == ("2.1.332, ~/bin/claude", [])


def test_the_addresses_of_this_machine_are_alike() -> None:
    for host in ("127.0.0.1", "[::1]", "localhost", "127.9.9.9"):
        assert found(facts_of({"ANTHROPIC_BASE_URL": f"http://{host}:9"})) == ["claude.base-url"]
    assert found(facts_of({"ANTHROPIC_BASE_URL": "http://["})) == ["claude.direct"]


def test_the_first_party_way_leads_here_too() -> None:
    env = client_environment(TARGET._replace(ca_file="/ca.pem"), {}, logged_in=True)
    target = TARGET._replace(certificate=None)
    layer = Layer("user", "/s.json", {**env, "ANTHROPIC_BASE_URL": "https://api.anthropic.com"})
    assert found(facts_of({}, layer, logged_in=True, target=target)) == []
