"""One client's plan: its files and words read, and what is wrong found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.accounts.config.config import Config, ProxyConfig, TlsConfig
from teamclaude.cli.claude_code import background_service
from teamclaude.cli.launch.client_plan import ClientPlan, Wanted, plan_client
from teamclaude.cli.launch.wiring import Reach
from teamclaude.errors import ConfigError, UsageError

URL = "http://127.0.0.1:3456"
Plan = Callable[..., ClientPlan]


@pytest.fixture
def plan(private_home: Path, tmp_path: Path) -> Plan:
    """Plan `claude WORDS` in an empty project; `env` is added to the environment."""

    def make(
        words: Optional[list[str]],
        env: Optional[dict[str, str]] = None,
        proxy: Optional[ProxyConfig] = None,
        **more: Any,
    ) -> ClientPlan:
        config = Config(proxy=proxy or ProxyConfig())
        wanted = Wanted(config, tmp_path / "teamclaude.json", URL, "tc-KEY", **more)
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        return plan_client(wanted, {"HOME": str(private_home), **(env or {})}, project, words)

    return make


def put(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize(
    ("words", "reach"), [(None, Reach.SHELL), (["mcp"], Reach.PROCESS), ([], Reach.SETTINGS)]
)
def test_how_far_a_command_reaches(plan: Plan, words: Optional[list[str]], reach: Reach) -> None:
    assert plan(words).reach is reach


def test_the_users_option_is_a_layer_below_the_managed_ones(
    plan: Plan, private_home: Path, tmp_path: Path
) -> None:
    put(private_home / ".claude" / "settings.json", {"env": {"ANTHROPIC_CUSTOM_HEADERS": "x-user: 1"}})
    put(private_home / ".claude" / "remote-settings.json", {"env": {}})
    words = ["--settings", '{"env": {"ANTHROPIC_CUSTOM_HEADERS": "x-flag: 2"}}', "-p"]
    found = plan(words, account="bob")
    assert [layer.scope for layer in found.layers] == ["user", "flag", "remote"]
    headers = f"x-flag: 2\nx-teamclaude-account: bob\nx-teamclaude-project: {tmp_path}/project"
    assert found.wiring.settings["env"]["ANTHROPIC_CUSTOM_HEADERS"] == headers
    assert found.theirs == {"env": {"ANTHROPIC_CUSTOM_HEADERS": "x-flag: 2"}}


def test_a_file_that_the_user_switches_off_does_not_count(plan: Plan, private_home: Path) -> None:
    put(private_home / ".claude" / "settings.json", "{broken")
    assert len(plan(["-p"]).findings) == 1
    assert plan(["--setting-sources", "project", "-p"]).findings == []


def test_a_login_in_a_settings_file_is_one(plan: Plan, private_home: Path) -> None:
    assert not plan([]).logged_in
    put(private_home / ".claude" / "settings.json", {"env": {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-FAKE"}})
    assert plan([]).logged_in


@pytest.mark.parametrize(
    ("words", "env"),
    [(["--bare", "-p"], {}), (["-p"], {"CLAUDE_CODE_SIMPLE": "1"})],
    ids=["option", "variable"],
)
def test_a_bare_client_uses_no_login(plan: Plan, words: list[str], env: dict[str, str]) -> None:
    found = plan(words, {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-FAKE", **env})
    assert not found.logged_in
    assert found.wiring.variables["ANTHROPIC_AUTH_TOKEN"] == "tc-KEY"


def test_broken_settings_of_the_user_are_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match=r"^--settings: the text is not JSON .*claude would not take it$"):
        plan(["--settings", "{x}"])


# --- certificates ---------------------------------------------------------------------------------------


def test_a_file_that_cant_be_read_is_left_out_and_told(plan: Plan, tmp_path: Path) -> None:
    put(tmp_path / "server.pem", "x")
    proxy = ProxyConfig(tls=TlsConfig(str(tmp_path / "server.pem"), "key"))
    found = plan([], {"NODE_EXTRA_CA_CERTS": "/missing.pem"}, proxy)
    assert found.target.certificate == str(tmp_path / "server.pem")
    assert found.findings[0].text == "claude trusts only the proxy: /missing.pem: No such file or directory"


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
def test_a_cloned_repository_adds_no_authority(plan: Plan, tmp_path: Path, name: str) -> None:
    put(tmp_path / "server.pem", "-----BEGIN CERTIFICATE-----\nT3Vycw\n-----END CERTIFICATE-----\n")
    put(tmp_path / "evil.pem", "-----BEGIN CERTIFICATE-----\nRXZpbA\n-----END CERTIFICATE-----\n")
    settings = tmp_path / "project" / ".claude" / name
    put(settings, {"env": {"NODE_EXTRA_CA_CERTS": str(tmp_path / "evil.pem")}})
    proxy = ProxyConfig(tls=TlsConfig(str(tmp_path / "server.pem"), "key"))
    found = plan([], proxy=proxy)
    assert found.wiring.settings["env"]["NODE_EXTRA_CA_CERTS"] == str(tmp_path / "server.pem")
    assert [finding.text for finding in found.findings] == [
        f"claude runs without NODE_EXTRA_CA_CERTS of {settings}: set it in your own settings to trust it"
    ]
    assert plan([]).findings == [], "without certificates of the proxy it stays as it is"


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        (ProxyConfig(), '^first-party mode is off: set "forward": true under "proxy" in '),
        (ProxyConfig(forward=True, forward_hosts=("x.example.com",)), "forwardHosts lacks api.anthropic.com"),
    ],
)
def test_first_party_mode_that_cant_be_had(plan: Plan, proxy: ProxyConfig, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        plan([], proxy=proxy, first_party=True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, which makes the certificates")
def test_first_party_mode_makes_the_certificates(plan: Plan, tmp_path: Path) -> None:
    found = plan([], proxy=ProxyConfig(forward=True), first_party=True)
    assert found.target.ca_file == str(tmp_path / "teamclaude.tls" / "ca.pem")
    assert "BEGIN CERTIFICATE" in Path(found.target.ca_file).read_text()


# --- background agents ----------------------------------------------------------------------------------


def test_a_supervisor_with_another_environment_is_told_to_a_shell(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = background_service.BackgroundService(4933, "2.1.332", {"HOME": "/me"})
    monkeypatch.setattr("teamclaude.cli.launch.client_plan.find_service", lambda env: service)
    (told,) = plan(None).findings
    assert "background service (pid 4933)" in told.text
    assert "claude daemon stop --any" in told.text
    assert plan(["--bg", "hi"]).findings == []
    same = background_service.BackgroundService(1, "", {"ANTHROPIC_BASE_URL": URL})
    monkeypatch.setattr("teamclaude.cli.launch.client_plan.find_service", lambda env: same)
    assert plan(None).findings == []


@pytest.mark.parametrize("flags", [[], ["--settings", "/x.json", "hi"], ["--settings"], None])
def test_a_session_that_was_started_without_us_is_told(
    plan: Plan, private_home: Path, flags: Optional[list[str]]
) -> None:
    put(private_home / ".claude" / "jobs" / "01b54ab5" / "state.json", {"respawnFlags": flags})
    expected = "session 01b54ab5 was not started by teamclaude run, and keeps the way it was started"
    assert [finding.text for finding in plan(["attach", "01b54ab5"]).findings] == [expected]
    assert plan(["logs", "01b54ab5"]).findings == []


def test_a_session_of_ours_is_not(plan: Plan, private_home: Path, tmp_path: Path) -> None:
    ours = str(tmp_path / "teamclaude.run" / "0.json")
    put(private_home / ".claude" / "jobs" / "01b54ab5" / "state.json", {"respawnFlags": ["--settings", ours]})
    assert plan(["attach", "01b54ab5"]).findings == []
    for words in (["attach", "a name"], ["attach", "../x"], ["attach"]):
        assert plan(words).findings == []
