"""What the manual's page shows is whole and valid, as far as that is seen without the programs."""

from __future__ import annotations

import re

from teamclaude.accounts.config.config import parse_config
from teamclaude.manual import page
from tests.machines.recipe import Address, block, haproxy_file, nginx_file, server_settings

ADDRESSES = [Address(4001, 5001), Address(4002, 5002), Address(4003, 5003)]


def test_the_servers_settings_are_valid() -> None:
    config = parse_config({"proxy": server_settings(ADDRESSES[0]), "accounts": []}, "page")
    assert (config.proxy.port, config.proxy.agent_port) == (4001, 5001)
    assert config.proxy.trusted_proxies == ("127.0.0.1",)
    assert config.proxy.allowed_hosts == ("pool.example",)


def test_only_addresses_and_paths_differ_from_the_page() -> None:
    made = haproxy_file(ADDRESSES, "127.0.0.1:9", "/t/both.pem", "/t/admin.sock")
    shown = block("# /etc/haproxy/haproxy.cfg")
    assert "127.0.0.1:4002 agent-port 5002" in made
    assert not re.search(r"10\.0\.0\.|/etc/|/run/", made)
    assert len(shown.splitlines()) - len(made.splitlines()) == 2  # user and group
    made = nginx_file(ADDRESSES, "127.0.0.1:9", "/t/c.pem", "/t/k.pem")
    assert "server 127.0.0.1:4003 max_fails" in made
    assert not re.search(r"10\.0\.0\.|/etc/", made)


def test_nothing_that_was_sent_is_sent_again() -> None:
    haproxy, nginx = block("# /etc/haproxy/haproxy.cfg"), block("# /etc/nginx/conf.d/teamclaude.conf")
    assert re.findall(r"retry-on (.*)", haproxy) == ["conn-failure"]
    assert re.findall(r"proxy_next_upstream (.*);", nginx) == ["error"]


def test_the_key_is_the_same_in_the_settings_and_for_the_clients() -> None:
    key = str(server_settings(ADDRESSES[0])["apiKey"])
    assert f"export TEAMCLAUDE_KEY={key}\n" in page("machines")
