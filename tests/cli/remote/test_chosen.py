"""Which server a command talks to, and with which key: options, environment, config file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from teamclaude.cli.remote.chosen import add_proxy_arguments, chosen_proxies, chosen_proxy, client_variables
from teamclaude.cli.remote.client import RemoteProxyClient
from teamclaude.errors import ConfigError, UsageError
from tests.cli.support import ALICE, KEY


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_proxy_arguments(parser, several=True)
    return parser.parse_args(words)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def test_the_option_beats_the_variable_which_beats_the_config_file(
    config: Callable[..., Path], environment: pytest.MonkeyPatch
) -> None:
    config(ALICE, port=4000)
    assert chosen_proxy(parsed()).url == "http://127.0.0.1:4000"
    assert chosen_proxy(parsed()).key == KEY
    environment.setenv("TEAMCLAUDE_URL", "http://127.0.0.2:5000")
    assert chosen_proxy(parsed()).url == "http://127.0.0.2:5000"
    assert chosen_proxy(parsed("--url", "127.0.0.3")).url == "http://127.0.0.3:80"


def test_a_port_means_the_server_of_the_config_file(
    config: Callable[..., Path], environment: pytest.MonkeyPatch
) -> None:
    config(ALICE, port=4000)
    environment.setenv("TEAMCLAUDE_URL", "http://127.0.0.2:5000")
    assert chosen_proxy(parsed("--port", "4001")).url == "http://127.0.0.1:4001"


def test_the_key_of_the_config_file_goes_to_no_other_server(
    config: Callable[..., Path], environment: pytest.MonkeyPatch
) -> None:
    config(ALICE, port=4000)
    assert chosen_proxy(parsed("--url", "http://127.0.0.1:4000")).key == ""
    environment.setenv("TEAMCLAUDE_KEY", "tc-OTHER")
    assert chosen_proxy(parsed("--url", "http://127.0.0.1:4000")).key == "tc-OTHER"
    assert chosen_proxy(parsed()).key == KEY


def test_nothing_is_needed_and_nothing_is_made(private_home: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TEAMCLAUDE_URL", "http://127.0.0.2:5000")
    environment.setenv("TEAMCLAUDE_KEY", "tc-THEIRS")
    proxy = chosen_proxy(parsed())
    assert isinstance(proxy, RemoteProxyClient)
    assert (proxy.url, proxy.key) == ("http://127.0.0.2:5000", "tc-THEIRS")
    assert list(private_home.iterdir()) == []


def test_without_any_of_them_the_line_names_both_ways(private_home: Path) -> None:
    with pytest.raises(ConfigError, match=r"teamclaude login .* named with --url or TEAMCLAUDE_URL"):
        chosen_proxy(parsed())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "a:1", "--port", "2"), "leave --port out"),
        (("--key-file", "/x"), "--key-file goes with --url"),
        (("--ca-file", "/x"), "--ca-file goes with --url"),
        (("--url", ""), "not the address of a server"),
        (("--url", "a:1", "--url", "b:1"), "about one server, not 2"),
    ],
)
def test_options_that_contradict_each_other(
    config: Callable[..., Path], words: tuple[str, ...], said: str
) -> None:
    config(ALICE)
    with pytest.raises(UsageError, match=said):
        chosen_proxy(parsed(*words))


def test_several_servers_each_with_its_key(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TEAMCLAUDE_URL", "127.0.0.1:1 127.0.0.1:2")
    environment.setenv("TEAMCLAUDE_KEY", "tc-ONE,tc-TWO")
    assert [(each.url, each.key) for each in chosen_proxies(parsed())] == [
        ("http://127.0.0.1:1", "tc-ONE"),
        ("http://127.0.0.1:2", "tc-TWO"),
    ]
    with pytest.raises(UsageError, match="about one server, not 2"):
        chosen_proxy(parsed())
    assert [each.url for each in chosen_proxies(parsed("--url", "b:3", "--url", "b:3/"))] == ["http://b:3"]


def test_a_key_in_clear_on_the_network_is_told_in_one_line(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen_proxies(parsed("--url", "10.0.0.1:1"))
    environment.setenv("TEAMCLAUDE_KEY", "tc-SECRET")
    chosen_proxies(parsed("--url", "127.0.0.1:1", "--url", "https://10.0.0.1"))
    assert capsys.readouterr().err == ""
    chosen_proxies(parsed("--url", "10.0.0.1:1", "--url", "10.0.0.2:1"))
    line = capsys.readouterr().err
    assert line.startswith("teamclaude: http://10.0.0.1:1 and http://10.0.0.2:1: plain http, the key and all")
    assert line.count("\n") == 1
    assert "SECRET" not in line


def test_the_variables_lead_to_the_same_server(environment: pytest.MonkeyPatch) -> None:
    proxy = chosen_proxy(parsed("--url", "127.0.0.1:1/tc", "--ca-file", "ca.pem"))
    assert isinstance(proxy, RemoteProxyClient)
    variables = client_variables(proxy)
    assert variables["TEAMCLAUDE_CA_FILE"] == str(Path("ca.pem").absolute())
    for name, value in variables.items():
        environment.setenv(name, value)
    assert chosen_proxy(parsed()).url == proxy.url
