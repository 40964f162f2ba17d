"""The way to the API, as this shell has it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.cli.doctor.facts.network_facts import NetworkFacts, network_facts
from teamclaude.cli.doctor.subject import Subject
from tests.cli.support import KEY


def look(env: dict[str, str], **config: object) -> NetworkFacts:
    parsed = parse_config({"proxy": {"port": 3456, "apiKey": KEY}, **config}, "")
    return network_facts(Subject(env, Path("/"), time.time(), Path("/c.json"), parsed), parsed)


def test_the_proxy_on_the_way() -> None:
    assert look({}).via == ""
    assert look({"HTTPS_PROXY": "http://u:secret@corp:3128"}).via == "corp:3128 (HTTPS_PROXY)"
    assert look({"HTTPS_PROXY": "http://corp:3128", "NO_PROXY": "*"}).via == ""
    assert look({}, upstreamProxy="socks5h://s:1080").via == "s:1080 (upstreamProxy)"
    assert look({"HTTPS_PROXY": "socks4://u:secret@corp"}).problem.startswith("HTTPS_PROXY: socks4:// is not")


def test_a_variable_that_leads_to_this_proxy() -> None:
    facts = look({"HTTPS_PROXY": f"http://teamclaude:{KEY}@127.0.0.1:3456"})
    assert (facts.own, facts.via) == (("HTTPS_PROXY",), "")


@pytest.mark.parametrize(
    ("lower", "upper", "differs"),
    [("a,b", "b, a", False), ("a", "b", True), ("", "b", False), ("A", "a", False), ("a;b", "a,b", False)],
)
def test_spellings(lower: str, upper: str, differs: bool) -> None:
    assert look({"no_proxy": lower, "NO_PROXY": upper}).differing == (("no_proxy",) if differs else ())
    facts = look({"https_proxy": "http://a:1/", "HTTPS_PROXY": "http://b:1"})
    assert facts.differing == ("https_proxy",)


def test_files_of_authorities(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("nothing")
    (tmp_path / "bad").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    os.mkfifo(tmp_path / "pipe")
    problems = {
        name: look({"SSL_CERT_FILE": str(tmp_path / name)}).files[0].problem
        for name in ("empty", "bad", "pipe", "missing")
    }
    assert problems["empty"] == "has no certificate (PEM)"
    assert problems["bad"] == "has a certificate that is damaged"
    assert problems["pipe"].startswith("can't be read (")
    assert problems["missing"].startswith("can't be read (")
    assert look({"SSL_CERT_FILE": "/dev/zero"}).authorities is None
    assert look({}, upstreamCaFile=str(tmp_path / "missing")).files[0].source == "upstreamCaFile"
