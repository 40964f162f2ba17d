"""Which variables point which client at the proxy, and their quoting in each shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Optional

import pytest

from teamclaude.cli.claude_code.environment import (
    SHELLS,
    ClientTarget,
    client_environment,
    conflicting_variables,
    export_statements,
    sdk_environment,
)
from teamclaude.proxy.forwarding.user_rules import project_told
from teamclaude.routing.user_rules.patterns import normalized_path

TARGET = ClientTarget("http://127.0.0.1:3456", "tc-FAKE")


def test_without_a_login_the_key_is_the_token() -> None:
    assert client_environment(TARGET, {}, logged_in=False) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
        "ANTHROPIC_AUTH_TOKEN": "tc-FAKE",
    }


def test_a_client_with_a_login_keeps_it_and_gets_the_key_as_a_header() -> None:
    assert client_environment(TARGET, {}, logged_in=True) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
        "ANTHROPIC_CUSTOM_HEADERS": "x-teamclaude-key: tc-FAKE",
    }


def test_existing_headers_stay_and_ours_come_after_them() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "X-Team: red\nX-Two: 2\n"}
    headers = client_environment(TARGET, existing, logged_in=True)["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == "X-Team: red\nX-Two: 2\nx-teamclaude-key: tc-FAKE"


def test_a_project_is_told_in_ascii_and_replaces_that_of_an_outer_run() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "x-teamclaude-project: /outer"}
    for place, told in (
        ("/work/häß 100%\tx", "/work/h%C3%A4%C3%9F 100%25%09x"),
        ("C:\\work\\a", "C:%5Cwork%5Ca"),
    ):
        target = TARGET._replace(project=place)
        headers = client_environment(target, existing, logged_in=False)["ANTHROPIC_CUSTOM_HEADERS"]
        assert headers == f"x-teamclaude-project: {told}"
        assert project_told(told) == normalized_path(place)


def test_no_path_of_this_machine_is_told_to_a_first_party_client() -> None:
    target = TARGET._replace(project="/work", ca_file="/ca.pem")
    assert "ANTHROPIC_CUSTOM_HEADERS" not in client_environment(target, {}, logged_in=True)


def test_headers_of_an_outer_run_are_replaced_not_repeated() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "X-TeamClaude-Key: tc-old\nx-teamclaude-account: bob\nX-Two: 2"}
    headers = client_environment(TARGET, existing, logged_in=True)["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == "X-Two: 2\nx-teamclaude-key: tc-FAKE"
    headers = client_environment(TARGET, existing, logged_in=False)["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == "X-Two: 2"


def test_an_account_is_a_header_in_both_modes() -> None:
    target = TARGET._replace(account="alice")
    for logged_in in (False, True):
        headers = client_environment(target, {}, logged_in)["ANTHROPIC_CUSTOM_HEADERS"]
        assert headers.splitlines()[-1] == "x-teamclaude-account: alice"


def test_unchanged_headers_are_not_set() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "X-Two: 2"}
    assert "ANTHROPIC_CUSTOM_HEADERS" not in client_environment(TARGET, existing, logged_in=False)


def test_our_certificate_is_set_in_place_of_another_one() -> None:
    target = TARGET._replace(certificate="/both.pem")
    for existing in ({}, {"NODE_EXTRA_CA_CERTS": "/company.pem"}):
        assert client_environment(target, existing, True)["NODE_EXTRA_CA_CERTS"] == "/both.pem"


def test_claude_code_never_gets_an_api_key() -> None:
    for logged_in in (False, True):
        assert "ANTHROPIC_API_KEY" not in client_environment(TARGET, {}, logged_in)


def test_an_sdk_does() -> None:
    assert sdk_environment(TARGET) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
        "ANTHROPIC_API_KEY": "tc-FAKE",
    }


def test_keys_that_would_override_the_login_conflict() -> None:
    existing = {"ANTHROPIC_API_KEY": "sk-ant-api03-FAKE", "ANTHROPIC_AUTH_TOKEN": "x"}
    assert conflicting_variables(existing, logged_in=True) == ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"]
    assert conflicting_variables(existing, logged_in=False) == ["ANTHROPIC_API_KEY"]
    assert conflicting_variables({"ANTHROPIC_API_KEY": ""}, logged_in=True) == []


FIRST_PARTY = TARGET._replace(ca_file="/tls/ca.pem", key="tc/FAKE")


def test_a_first_party_client_keeps_its_url_and_has_the_proxy_as_its_http_proxy() -> None:
    assert client_environment(FIRST_PARTY, {}, logged_in=True) == {
        "HTTPS_PROXY": "http://teamclaude:tc%2FFAKE@127.0.0.1:3456",
        "https_proxy": "http://teamclaude:tc%2FFAKE@127.0.0.1:3456",
        "NODE_EXTRA_CA_CERTS": "/tls/ca.pem",
    }


def test_a_first_party_client_without_a_login_has_the_key_as_token() -> None:
    variables = client_environment(FIRST_PARTY, {}, logged_in=False)
    assert variables["ANTHROPIC_AUTH_TOKEN"] == "tc/FAKE"
    assert "ANTHROPIC_CUSTOM_HEADERS" not in variables


def test_a_first_party_clients_headers_hold_the_account_and_never_the_key() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "X-Two: 2\nx-teamclaude-key: tc-old"}
    for logged_in in (False, True):
        variables = client_environment(FIRST_PARTY._replace(account="bob"), existing, logged_in)
        assert variables["ANTHROPIC_CUSTOM_HEADERS"] == "X-Two: 2\nx-teamclaude-account: bob"


def test_a_base_url_conflicts_with_first_party() -> None:
    existing = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:3456"}
    assert conflicting_variables(existing, logged_in=True, first_party=True) == ["ANTHROPIC_BASE_URL"]
    assert conflicting_variables(existing, logged_in=True) == []


@pytest.mark.parametrize(
    ("existing", "no_proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://company:3128"}, "127.0.0.1"),
        (
            {"http_proxy": "http://company:3128", "no_proxy": "intra.net, 10.0.0.1"},
            "intra.net, 10.0.0.1,127.0.0.1",
        ),
        ({"ALL_PROXY": "http://company:3128", "NO_PROXY": "127.0.0.1"}, None),
        ({"HTTPS_PROXY": "http://company:3128", "NO_PROXY": "*"}, None),
    ],
)
def test_an_http_proxy_is_bypassed_for_our_host(existing: dict[str, str], no_proxy: Optional[str]) -> None:
    variables = client_environment(TARGET, existing, logged_in=False)
    assert variables.get("NO_PROXY") == variables.get("no_proxy") == no_proxy


def test_two_different_lists_keep_what_is_on_them() -> None:
    existing = {"HTTPS_PROXY": "http://company:3128", "NO_PROXY": "127.0.0.1,a", "no_proxy": "b"}
    variables = client_environment(TARGET, existing, logged_in=False)
    assert (variables["NO_PROXY"], variables["no_proxy"]) == ("127.0.0.1,a", "b,127.0.0.1")


def test_an_ipv6_address_is_listed_in_brackets() -> None:
    target = TARGET._replace(url="http://[::1]:3456")
    variables = client_environment(target, {"HTTPS_PROXY": "http://company:3128"}, logged_in=True)
    assert variables["no_proxy"] == "[::1]"


@pytest.mark.parametrize(
    ("existing", "kept"),
    [
        ({"NO_PROXY": "intra.net,10.0.0.1"}, None),
        ({"NO_PROXY": "intra.net,api.anthropic.com"}, "intra.net"),
        ({"no_proxy": ".anthropic.com *.anthropic.com anthropic.com:443 x"}, "x"),
        ({"NO_PROXY": "*"}, ""),
    ],
)
def test_the_api_is_taken_off_a_first_party_clients_lists(
    existing: dict[str, str], kept: Optional[str]
) -> None:
    variables = client_environment(FIRST_PARTY, existing, logged_in=True)
    assert variables.get("NO_PROXY") == variables.get("no_proxy") == kept


NASTY = [
    "plain",
    "",
    "it's",
    "two words",
    "$(echo pwned) `echo pwned` $HOME ${HOME} \\n \\",
    '"; echo pwned; "',
    "a;b&c|d<e>f(g)h{i}j*k?l[m]n~o#p!q%r^s",
    "x-one: 1\nx-two: it's 2\nx-three: $(echo pwned)",
    "ümläut 漢字 🦜",
    "-n",
]
VARIABLES = {f"TC_{number}": value for number, value in enumerate(NASTY)}


@pytest.mark.skipif(shutil.which("sh") is None, reason="no sh here")
@pytest.mark.parametrize("form", ['eval "$1"', "eval $1"], ids=["quoted", "unquoted"])
def test_sh_gets_the_values_back(form: str, tmp_path: object) -> None:
    values = dict(VARIABLES)
    if form == "eval $1":
        # The shell itself joins words with one space there; a value with two would be cut to one.
        assert not any("  " in value for value in values.values())
    show = "; ".join(f'printf "%s\\0" "${name}"' for name in values)
    ended = subprocess.run(
        ["sh", "-c", f"{form}; {show}", "sh", export_statements(values, "sh")],
        capture_output=True,
        cwd=str(tmp_path),
        timeout=10,
    )
    assert ended.stderr == b""
    assert ended.stdout.decode().split("\0")[:-1] == NASTY


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_gets_the_values_back() -> None:
    show = "; ".join(f'printf "%s\\0" "${name}"' for name in VARIABLES)
    ended = subprocess.run(
        ["fish", "-c", f"source; {show}"],
        input=export_statements(VARIABLES, "fish").encode(),
        capture_output=True,
        timeout=20,
    )
    assert ended.stdout.decode().split("\0")[:-1] == NASTY


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("it's \\ $x", "'it\\'s \\\\ $x'"), ("a\nb'", "'a'\\n'b\\''")],
)
def test_fish_quoting(value: str, quoted: str) -> None:
    assert export_statements({"X": value}, "fish") == f"set -gx X {quoted};"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("it's $x `n", "'it''s $x `n'"),
        ("it\u2019s \u2018", "'it\u2019\u2019s \u2018\u2018'"),  # PowerShell takes these for quotes
        ("a\nb", "'a' + \"`n\" + 'b'"),
    ],
)
def test_powershell_quoting(value: str, quoted: str) -> None:
    assert export_statements({"X": value}, "powershell") == f"$env:X = {quoted};"


def test_json_is_json() -> None:
    assert json.loads(export_statements(VARIABLES, "json")) == VARIABLES


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell != "json"])
def test_each_statement_is_one_line(shell: str) -> None:
    assert len(export_statements(VARIABLES, shell).splitlines()) == len(VARIABLES)
    assert os.linesep not in export_statements({"X": "a\nb"}, shell)
