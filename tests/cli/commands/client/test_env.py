"""`teamclaude env`: exports on stdout and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import CLAUDE_LOGIN, KEY, Ended, Stub

ROOT = Path(__file__).resolve().parents[4]


def test_exports_for_a_shell(stub: Stub, cli: Callable[..., Ended]) -> None:
    ended = cli("env", "--shell", "sh")
    assert ended == (
        0,
        f"export ANTHROPIC_BASE_URL='http://127.0.0.1:{stub.port}';\nexport ANTHROPIC_AUTH_TOKEN='{KEY}';\n",
        "",
    )
    assert stub.asked == []  # no server is needed for it


@pytest.mark.skipif(shutil.which("sh") is None, reason="no sh here")
@pytest.mark.parametrize("form", ['eval "$({0} -m teamclaude env)"', "eval $({0} -m teamclaude env)"])
def test_eval_in_a_shell_leads_to_the_proxy(
    stub: Stub, private_home: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (private_home / ".claude").mkdir()
    (private_home / ".claude" / ".credentials.json").write_text(CLAUDE_LOGIN)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Two: it's 2")
    script = (
        form.format(sys.executable) + '; printf "%s|%s" "$ANTHROPIC_BASE_URL" "$ANTHROPIC_CUSTOM_HEADERS"'
    )
    out = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert out.stdout == f"http://127.0.0.1:{stub.port}|X-Two: it's 2\nx-teamclaude-key: {KEY}"
    assert out.stderr == ""


def test_json(stub: Stub, cli: Callable[..., Ended]) -> None:
    value = json.loads(cli("env", "--shell", "json").out)
    assert value == {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}", "ANTHROPIC_AUTH_TOKEN": KEY}


def test_for_an_sdk(stub: Stub, cli: Callable[..., Ended]) -> None:
    value = json.loads(cli("env", "--shell", "json", "--api-key").out)
    assert value == {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{stub.port}", "ANTHROPIC_API_KEY": KEY}


def test_a_key_that_would_override_the_login_is_a_warning(
    stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-FAKE")
    ended = cli("env")
    assert "ANTHROPIC_API_KEY" not in ended.out
    assert "unset" in ended.err
    assert "sk-ant" not in ended.err


@pytest.mark.parametrize(
    ("proxy", "url"),
    [
        ({"host": "0.0.0.0"}, "http://127.0.0.1:1"),
        ({"host": "::"}, "http://[::1]:1"),
        ({"host": "192.0.2.7"}, "http://192.0.2.7:1"),
        ({"tls": {"cert": "/c.pem", "key": "/k.pem"}}, "https://localhost:1"),
    ],
)
def test_the_address_is_one_to_connect_to(
    config: Callable[..., Path],
    cli: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    proxy: dict[str, object],
    url: str,
) -> None:
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    config(**proxy)
    value = json.loads(cli("env", "--shell", "json").out)
    assert value["ANTHROPIC_BASE_URL"] == url
    if "tls" in proxy:
        assert value["NODE_EXTRA_CA_CERTS"] == os.path.abspath("/c.pem")


def test_another_port(stub: Stub, cli: Callable[..., Ended]) -> None:
    assert "http://127.0.0.1:4000'" in cli("env", "--shell", "sh", "--port", "4000").out


@pytest.mark.parametrize("port", ["x", "-1", "65536", "٣"])
def test_no_port(stub: Stub, cli: Callable[..., Ended], port: str) -> None:
    ended = cli("env", f"--port={port}")
    assert ended.status == 2
    assert "not a port" in ended.err


def test_a_broken_config_is_one_line(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    file = config()
    file.write_text('{"proxy": }')
    ended = cli("env")
    assert (ended.status, ended.out) == (1, "")
    assert str(file) in ended.err
    assert ended.err.count("\n") == 1
    assert file.read_text() == '{"proxy": }'


# --- what stands in the way -----------------------------------------------------------------------------


def test_a_settings_file_that_overrides_the_environment_is_told(
    stub: Stub, cli: Callable[..., Ended], private_home: Path
) -> None:
    file = private_home / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_bytes(b'\xef\xbb\xbf{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example.com"}}')
    ended = cli("env")
    assert ended.status == 0
    assert f"ANTHROPIC_BASE_URL='http://127.0.0.1:{stub.port}'" in ended.out
    assert ended.err == (
        f"teamclaude: {file} sets ANTHROPIC_BASE_URL to https://gateway.example.com, which overrides the "
        "environment: claude will not use the proxy; remove it there or set it to "
        f"http://127.0.0.1:{stub.port}, or use: teamclaude run\n"
    )


def test_a_provider_in_the_shell_is_told(
    stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CODE_USE_VERTEX", "1")
    assert cli("env").err == (
        "teamclaude: CLAUDE_CODE_USE_VERTEX is set: claude will not use the proxy; unset it for claude\n"
    )


def test_a_lower_case_no_proxy_is_kept_in_both_spellings(
    stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://corporate:3128")
    monkeypatch.setenv("no_proxy", "intra.example")
    value = json.loads(cli("env", "--shell", "json").out)
    assert value["no_proxy"] == value["NO_PROXY"] == "intra.example,127.0.0.1"


def test_an_http_proxy_in_a_settings_file_does_not_get_what_goes_to_the_proxy(
    stub: Stub, cli: Callable[..., Ended], private_home: Path
) -> None:
    file = private_home / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text('{"env": {"HTTP_PROXY": "http://corporate:3128"}}')
    ended = cli("env", "--shell", "json")
    assert (ended.err, json.loads(ended.out)["NO_PROXY"]) == ("", "127.0.0.1")
    assert json.loads(ended.out)["no_proxy"] == "127.0.0.1"
    # A list in the same file counts more than the environment's: that is told, by name.
    for name in ("NO_PROXY", "no_proxy"):
        file.write_text(json.dumps({"env": {"HTTP_PROXY": "http://corporate:3128", name: "intra.example"}}))
        said = cli("env").err
        assert "claude would ask it for 127.0.0.1" in said
        assert said.endswith(f"; add 127.0.0.1 to {name} in {file}, or use: teamclaude run\n")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, which makes the certificates")
def test_first_party(
    config: Callable[..., Path], cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    file = config(port=1, forward=True)
    ended = cli("env", "--first-party", "--shell", "json")
    proxy = f"http://teamclaude:{KEY}@127.0.0.1:1"
    assert json.loads(ended.out) == {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NODE_EXTRA_CA_CERTS": str(file.with_name("teamclaude.tls") / "ca.pem"),
        "NO_PROXY": "",
        "no_proxy": "",
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_BASE_URL": "https://api.anthropic.com",
    }
    assert ended.err == (
        "teamclaude: claude runs without * in NO_PROXY, which would lead it past the proxy\n"
    )


def test_first_party_that_is_off(stub: Stub, cli: Callable[..., Ended]) -> None:
    ended = cli("env", "--first-party")
    assert (ended.status, ended.out) == (1, "")
    assert '"forward": true' in ended.err
    assert ended.err.count("\n") == 1


def test_an_sdk_knows_no_first_party_mode(stub: Stub, cli: Callable[..., Ended]) -> None:
    ended = cli("env", "--api-key", "--first-party")
    assert ended.status == 2
    assert "leave --first-party out" in ended.err
