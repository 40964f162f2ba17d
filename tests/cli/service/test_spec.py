"""What a service consists of, and when there can be none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import Config, ProxyConfig
from teamclaude.cli.service.spec import ServiceSpec, service_spec
from teamclaude.errors import UsageError
from teamclaude.own_program import own_command
from teamclaude.values import replace

FILE = Path("/home/ann/c.json")


def made(
    name: str = "teamclaude", env: dict[str, str] | None = None, path: Path = FILE, **proxy: Any
) -> ServiceSpec:
    config = replace(Config(), proxy=replace(ProxyConfig(), **proxy))
    return service_spec(name, config, path, Path("/log"), env or {})


def test_it_starts_this_program_with_this_config_file() -> None:
    spec = made()
    assert list(spec.command) == own_command("server", "--headless", "--wait-for-account")
    assert spec.environment == {"TEAMCLAUDE_CONFIG": str(FILE)}
    assert spec.addresses == (("127.0.0.1", 3456), ("::1", 3456))


@pytest.mark.parametrize(("host", "expected"), [("10.0.0.5", "10.0.0.5"), ("[::]", "::"), ("::1", "::1")])
def test_the_address_is_the_configured_one(host: str, expected: str) -> None:
    assert made(host=host, port=80).addresses == ((expected, 80),)


def test_what_a_shell_knows_and_a_service_does_not_is_passed_on() -> None:
    env = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "", "SECRET": "x", "CLAUDE_CONFIG_DIR": "/c"}
    assert made(env=env).environment == {
        "CLAUDE_CONFIG_DIR": "/c",
        "HTTPS_PROXY": "http://proxy:3128",
        "TEAMCLAUDE_CONFIG": str(FILE),
    }


def test_a_password_is_not_written_into_a_file() -> None:
    spec = made(env={"HTTPS_PROXY": "http://ann:FAKE@proxy:3128"})
    assert spec.left_out == ("HTTPS_PROXY",)
    assert "FAKE" not in str(spec.environment)


def test_the_proxy_of_a_client_of_this_server_is_not_the_servers_own() -> None:
    spec = made(env={"HTTPS_PROXY": "http://127.0.0.1:3456", "ALL_PROXY": "http://other:1"})
    assert (spec.left_out, "HTTPS_PROXY" in spec.environment, "ALL_PROXY" in spec.environment) == (
        (),
        False,
        True,
    )


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "a@b", "x" * 65, "é"])
def test_a_name_that_is_no_unit_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a service"):
        made(name)


def test_a_port_of_any_number_is_refused() -> None:
    with pytest.raises(UsageError, match=r"proxy\.port 0"):
        made(port=0)


@pytest.mark.parametrize("path", ["/a\nExecStart=/bin/sh", "/a\x1b", "/a\udce9"])
def test_a_path_that_no_line_can_hold_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="can't be written"):
        made(path=Path(path))
