"""Every layer of settings × every variable that leads a client elsewhere: it uses the proxy, or we say no."""

from __future__ import annotations

from itertools import product
from typing import Optional

import pytest

from teamclaude.cli.claude_code.environment import API_URL, ClientTarget
from teamclaude.cli.claude_code.settings_files import Layer
from teamclaude.cli.launch.obstacles import obstacles
from teamclaude.cli.launch.wiring import Finding, Reach, Wiring, is_on, wire
from tests.cli.launch.client_model import NATIVE, SCRIPT, VERSIONS, Sent, send, variables_of

URL = "http://127.0.0.1:3456"
BASE = ClientTarget(URL, "tc-KEY")
PINNED = BASE._replace(account="bob")
FIRST = ClientTarget(URL, "tc-KEY", ca_file="/tls/ca.pem")
PROXY = "http://teamclaude:tc-KEY@127.0.0.1:3456"
SCOPES = ("environment", "global", "user", "project", "local", "flag", "managed")
CORPORATE = "http://corporate:3128"

# Each leads a client elsewhere if it counts.
VARIABLES = {
    "another base URL": {"ANTHROPIC_BASE_URL": "https://gateway.example"},
    "an empty base URL": {"ANTHROPIC_BASE_URL": ""},
    "the proxy's own base URL": {"ANTHROPIC_BASE_URL": f"{URL}/"},
    "the API's base URL": {"ANTHROPIC_BASE_URL": API_URL},
    **{
        f"provider {name}": {f"CLAUDE_CODE_USE_{name}": "1"}
        for name in ("BEDROCK", "VERTEX", "FOUNDRY", "ANTHROPIC_AWS", "ANTHROPIC_GOOGLE_CLOUD", "MANTLE")
    },
    "a provider switched off": {"CLAUDE_CODE_USE_BEDROCK": "0"},
    "a provider's base URL alone": {"ANTHROPIC_BEDROCK_BASE_URL": "https://bedrock.example"},
    "a socket": {"ANTHROPIC_UNIX_SOCKET": "/run/api.sock"},
    **{
        name: {name: CORPORATE}
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    },
    "a proxy and NO_PROXY": {"HTTPS_PROXY": CORPORATE, "NO_PROXY": "intra.example"},
    "a proxy and no_proxy": {"http_proxy": CORPORATE, "no_proxy": "intra.example, 10.0.0.0/8"},
    "a proxy and two lists": {"HTTP_PROXY": CORPORATE, "NO_PROXY": "127.0.0.1", "no_proxy": "x.example"},
    "a proxy and a network": {"HTTPS_PROXY": CORPORATE, "NO_PROXY": "127.0.0.0/8"},
    "a proxy for nothing": {"HTTPS_PROXY": CORPORATE, "NO_PROXY": "*"},
    "the API excluded": {"NO_PROXY": "x.example,api.anthropic.com"},
    "its domain excluded": {"no_proxy": ".anthropic.com"},
    "all excluded": {"NO_PROXY": "*", "no_proxy": "x.example"},
    "other certificates": {"NODE_EXTRA_CA_CERTS": "/company.pem"},
    "headers": {"ANTHROPIC_CUSTOM_HEADERS": "x-team: red"},
    "a token": {"ANTHROPIC_AUTH_TOKEN": "theirs"},
    "an API key": {"ANTHROPIC_API_KEY": "sk-ant-api03-FAKE"},
}


def layers_of(scope: str, variables: dict[str, str]) -> tuple[dict[str, str], list[Layer]]:
    """Return the environment and the layers with `variables` in one place."""
    if scope == "environment":
        return dict(variables), []
    return {}, [Layer(scope, f"/{scope}/settings.json", variables)]


def decide(
    environment: dict[str, str],
    layers: list[Layer],
    target: ClientTarget = BASE,
    reach: Reach = Reach.SETTINGS,
    logged_in: bool = True,
) -> tuple[Wiring, list[Finding]]:
    wiring = wire(environment, layers, target, logged_in, reach)
    return wiring, [*wiring.changes, *obstacles(wiring.effective, layers, target, logged_in, reach)]


def sent_by(
    wiring: Wiring, layers: list[Layer], environment: dict[str, str], reach: Reach, logged_in: bool
) -> list[Sent]:
    """Return the request of each version of the client."""
    own = {**environment, **wiring.variables} if reach is Reach.SHELL else wiring.environment
    flags = [Layer("flag", "--settings", wiring.settings["env"])] if wiring.settings else []
    # Of two files with the same rank, `flag`, ours is merged over the user's.
    variables = variables_of(own, [*layers, *flags])
    return [send(variables, version, logged_in) for version in VERSIONS]


def reaches_us(sent: Sent, target: ClientTarget, logged_in: bool) -> bool:
    """Return whether the request arrives here, with all that it needs."""
    pinned = target.account is None or f"x-teamclaude-account: {target.account}" in sent.headers
    if target.ca_file:
        return sent.to == PROXY and sent.server == API_URL and sent.trusts == target.ca_file and pinned
    return sent.to == sent.server == URL and pinned


@pytest.mark.parametrize("target", [BASE, PINNED, FIRST], ids=["base", "pinned", "first-party"])
@pytest.mark.parametrize("case", VARIABLES)
def test_the_client_uses_the_proxy_or_we_say_why_not(case: str, target: ClientTarget) -> None:
    for scope, reach, logged_in in product(SCOPES, (Reach.SETTINGS, Reach.SHELL), (True, False)):
        environment, layers = layers_of(scope, VARIABLES[case])
        wiring, findings = decide(environment, layers, target, reach, logged_in)
        sent = sent_by(wiring, layers, environment, reach, logged_in)
        reached = [reaches_us(each, target, logged_in) for each in sent]
        stops = [finding.text for finding in findings if finding.stops]
        assert all(reached) == (stops == []), (scope, reach, logged_in, sent, findings)


@pytest.mark.parametrize("target", [BASE, PINNED, FIRST], ids=["base", "pinned", "first-party"])
@pytest.mark.parametrize("case", VARIABLES)
def test_run_beats_all_but_managed_settings(case: str, target: ClientTarget) -> None:
    for scope, logged_in in product(SCOPES[:-1], (True, False)):
        environment, layers = layers_of(scope, VARIABLES[case])
        wiring, findings = decide(environment, layers, target, logged_in=logged_in)
        for each in sent_by(wiring, layers, environment, Reach.SETTINGS, logged_in):
            assert reaches_us(each, target, logged_in)
            assert each.is_subscriber == logged_in
            assert logged_in or each.token == "tc-KEY"
            key = "x-teamclaude-key: tc-KEY"
            assert each.headers.count(key) == int(logged_in and not target.ca_file)
        assert not any(finding.stops for finding in findings)


# --- what the user has is kept ----------------------------------------------------------------------


def test_headers_of_every_layer_stay_beside_ours() -> None:
    layers = [
        Layer("user", "/u", {"ANTHROPIC_CUSTOM_HEADERS": "x-user: 1"}),
        Layer("flag", "--settings", {"ANTHROPIC_CUSTOM_HEADERS": "x-flag: 2\nx-teamclaude-key: old"}),
    ]
    wiring, findings = decide({"ANTHROPIC_CUSTOM_HEADERS": "x-shell: 3"}, layers, PINNED)
    # As in the client the strongest layer's value counts; it is kept, and our lines come behind it.
    expected = "x-flag: 2\nx-teamclaude-key: tc-KEY\nx-teamclaude-account: bob"
    assert wiring.settings["env"]["ANTHROPIC_CUSTOM_HEADERS"] == expected
    assert findings == []


def test_a_list_of_hosts_in_a_settings_file_is_kept() -> None:
    layers = [Layer("user", "/u", {"HTTPS_PROXY": CORPORATE, "NO_PROXY": "intra.example"})]
    wiring, _ = decide({"no_proxy": "old.example"}, layers)
    assert wiring.settings["env"]["NO_PROXY"] == "intra.example,127.0.0.1"
    assert wiring.settings["env"]["no_proxy"] == "old.example,127.0.0.1"


def test_settings_always_have_both_lists_for_a_supervisor_with_a_proxy() -> None:
    assert decide({}, [])[0].settings["env"]["no_proxy"] == "127.0.0.1"
    assert decide({}, [], FIRST)[0].settings["env"]["no_proxy"] == ""
    assert "no_proxy" not in decide({}, [])[0].variables


def test_an_excluded_api_is_taken_off_the_list_and_told() -> None:
    wiring, findings = decide({"NO_PROXY": "intra.example,*,.anthropic.com"}, [], FIRST)
    assert wiring.variables["NO_PROXY"] == "intra.example"
    assert [finding.text for finding in findings] == [
        "claude runs without * and .anthropic.com in NO_PROXY, which would lead it past the proxy"
    ]


# --- what is told -----------------------------------------------------------------------------------


def texts(environment: dict[str, str], layers: list[Layer], **how: object) -> list[str]:
    return [finding.text for finding in decide(environment, layers, **how)[1]]  # type: ignore[arg-type]


def test_what_run_takes_away_is_told_with_its_file() -> None:
    layers = [Layer("project", "/p/settings.json", {"CLAUDE_CODE_USE_VERTEX": "true"})]
    assert texts({"ANTHROPIC_API_KEY": "sk-FAKE"}, layers) == [
        "claude runs without ANTHROPIC_API_KEY: the accounts of the proxy serve it",
        "claude runs without CLAUDE_CODE_USE_VERTEX of /p/settings.json: the accounts of the proxy serve it",
    ]


def test_another_base_url_of_a_file_is_told() -> None:
    layers = [Layer("user", "/u/settings.json", {"ANTHROPIC_BASE_URL": "https://gateway.example"})]
    assert texts({}, layers) == [
        "claude runs without ANTHROPIC_BASE_URL of /u/settings.json: it uses the proxy"
    ]
    assert texts({}, layers, target=FIRST) == [
        "claude runs without ANTHROPIC_BASE_URL of /u/settings.json: it keeps https://api.anthropic.com"
    ]


def test_a_key_helper_is_switched_off_and_told() -> None:
    layers = [Layer("user", "/u", {}, api_key_helper="vault read")]
    wiring, findings = decide({}, layers)
    assert wiring.settings["apiKeyHelper"] == ""
    assert "without apiKeyHelper of /u" in findings[0].text
    assert "apiKeyHelper" not in decide({}, [])[0].settings


def test_the_cure_is_told() -> None:
    elsewhere = {"ANTHROPIC_BASE_URL": "https://me:secret@gateway.example/x"}
    (managed,) = texts({}, [Layer("managed", "/etc/m.json", elsewhere)])
    assert managed == (
        "/etc/m.json sets ANTHROPIC_BASE_URL to https://gateway.example/x, which overrides the environment: "
        "claude will not use the proxy; only who manages this machine can change that"
    )
    (user,) = texts({}, [Layer("user", "/u.json", elsewhere)], reach=Reach.SHELL)
    assert user.endswith(f"remove it there or set it to {URL}, or use: teamclaude run")
    (shell,) = texts({"CLAUDE_CODE_USE_BEDROCK": "1"}, [], reach=Reach.SHELL)
    assert shell == "CLAUDE_CODE_USE_BEDROCK is set: claude will not use the proxy; unset it for claude"


def test_a_broken_file_is_told_and_stops_nothing() -> None:
    layers = [Layer("user", "/u.json", problem="is not JSON (line 1, column 2: expecting value)")]
    _, (finding,) = decide({}, layers)
    assert finding == (
        "/u.json is not JSON (line 1, column 2: expecting value): claude ignores it",
        False,
        "settings",
    )


def test_a_lost_key_is_told_and_a_lost_account_stops() -> None:
    managed = Layer("managed", "/m", {"ANTHROPIC_CUSTOM_HEADERS": "x-team: red"})
    _, findings = decide({}, [managed], PINNED)
    assert [finding.stops for finding in findings] == [False, True]


@pytest.mark.parametrize("logged_in", [True, False])
def test_managed_credentials_are_told(logged_in: bool) -> None:
    layers = [Layer("managed", "/m", {"ANTHROPIC_AUTH_TOKEN": "theirs", "ANTHROPIC_API_KEY": "sk"})]
    _, findings = decide({}, layers, logged_in=logged_in)
    assert [finding.stops for finding in findings] == [False, False]
    assert ("your login" if logged_in else "the proxy's key") in findings[-1].text


def test_our_key_as_a_token_is_told_to_who_is_logged_in() -> None:
    """As `setup` has written it before the login."""
    layers = [Layer("user", "/u", {"ANTHROPIC_AUTH_TOKEN": "tc-KEY"})]
    assert texts({}, layers, reach=Reach.SHELL, logged_in=False) == []
    (told,) = texts({}, layers, reach=Reach.SHELL)
    assert told.startswith("/u sets ANTHROPIC_AUTH_TOKEN and would be used instead of your login")


def test_no_text_holds_a_secret() -> None:
    secrets = {
        "ANTHROPIC_BASE_URL": "https://me:secret@gateway.example",
        "HTTPS_PROXY": "http://me:secret@corporate:3128",
        "https_proxy": "http://me:secret@corporate:3128",
        "ANTHROPIC_API_KEY": "secret",
        "ANTHROPIC_AUTH_TOKEN": "secret",
        "ANTHROPIC_CUSTOM_HEADERS": "x: secret",
        "NO_PROXY": "api.anthropic.com",
    }
    for scope, target, reach in product(SCOPES, (PINNED, FIRST), Reach):
        environment, layers = layers_of(scope, secrets)
        for text in texts(environment, layers, target=target, reach=reach):
            assert "secret" not in text
            assert "tc-KEY" not in text


# --- modes ------------------------------------------------------------------------------------------


def test_a_command_without_settings_is_led_by_the_environment_alone() -> None:
    layers = [Layer("user", "/u", {"ANTHROPIC_BASE_URL": "https://gateway.example"})]
    wiring, findings = decide({"CLAUDE_CODE_USE_BEDROCK": "1"}, layers, reach=Reach.PROCESS)
    assert wiring.settings == {}
    assert "CLAUDE_CODE_USE_BEDROCK" not in wiring.environment
    assert [finding.stops for finding in findings] == [False, True]


def test_a_shell_that_led_to_a_base_url_is_led_to_the_api_again() -> None:
    wiring, findings = decide({"ANTHROPIC_BASE_URL": URL}, [], FIRST, Reach.SHELL)
    assert wiring.variables["ANTHROPIC_BASE_URL"] == API_URL
    assert findings == []
    again, _ = decide(wiring.environment, [], FIRST, Reach.SHELL)
    assert "ANTHROPIC_BASE_URL" not in again.variables


def test_first_party_run_takes_the_base_url_away() -> None:
    wiring, _ = decide({"ANTHROPIC_BASE_URL": URL}, [], FIRST)
    assert "ANTHROPIC_BASE_URL" not in wiring.environment
    assert wiring.settings["env"]["ANTHROPIC_BASE_URL"] == API_URL


@pytest.mark.parametrize(("target", "counts"), [(BASE, False), (FIRST, True)])
def test_settings_from_anthropics_server_hold_for_the_apis_host(target: ClientTarget, counts: bool) -> None:
    layers = [Layer("remote", "/r", {"ANTHROPIC_BASE_URL": "https://gateway.example"})]
    _, findings = decide({}, layers, target)
    assert any(finding.stops for finding in findings) == counts


def test_the_gateway_mode_is_for_base_urls() -> None:
    environment = {"CLAUDE_CODE_USE_GATEWAY": "1"}
    assert decide(environment, [])[0].environment["CLAUDE_CODE_USE_GATEWAY"] == "1"
    assert "CLAUDE_CODE_USE_GATEWAY" not in decide(environment, [], FIRST)[0].environment


@pytest.mark.parametrize(
    ("text", "on"), [("1", True), ("TRUE", True), ("yes", True), (" on ", True), ("0", False), ("x", False)]
)
def test_switches_are_on_as_in_the_client(text: str, on: bool) -> None:
    assert is_on(text) == on


@pytest.mark.parametrize(
    ("variables", "version", "to"),
    [
        ({"HTTPS_PROXY": CORPORATE, "NO_PROXY": "x", "no_proxy": "127.0.0.1"}, SCRIPT, CORPORATE),
        ({"HTTPS_PROXY": CORPORATE, "NO_PROXY": "127.0.0.0/8"}, NATIVE, None),
        ({"HTTPS_PROXY": CORPORATE, "NO_PROXY": "127.0.0.0/8"}, SCRIPT, CORPORATE),
        ({"ALL_PROXY": CORPORATE}, NATIVE, CORPORATE),
        ({"ALL_PROXY": CORPORATE}, SCRIPT, None),
        ({"HTTP_PROXY": CORPORATE, "NO_PROXY": "127.*"}, NATIVE, CORPORATE),
    ],
)
def test_the_model_is_what_was_measured(variables: dict[str, str], version: str, to: Optional[str]) -> None:
    assert send({"ANTHROPIC_BASE_URL": URL, **variables}, version, True).to == (to or URL)
