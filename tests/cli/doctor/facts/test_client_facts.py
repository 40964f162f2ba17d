"""Claude Code's settings and versions as they are examined."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from teamclaude.accounts.config.config import parse_config
from teamclaude.cli.doctor.facts.client_facts import ClientFacts, client_facts, verified_versions
from teamclaude.cli.doctor.subject import Subject
from teamclaude.manual import page
from tests.cli.support import KEY
from tests.e2e.packages import CLAUDE_VERSIONS


def test_the_table_has_the_versions_that_are_tried() -> None:
    assert sorted(verified_versions().versions) == sorted(CLAUDE_VERSIONS)
    assert verified_versions().oldest in CLAUDE_VERSIONS


def test_the_manual_measured_the_same_versions() -> None:
    (row,) = re.findall(r"^Measured with Claude Code ([\d.]+) and ([\d.]+), logged in", page("clients"), re.M)
    assert sorted(row) == sorted(verified_versions().versions)


def look(project: Path, key: str | None = KEY) -> ClientFacts:
    config = parse_config({"proxy": {"port": 3456, "apiKey": key}}, "")
    return client_facts(Subject(dict(os.environ), project, time.time(), project / "c.json", config), config)


def test_settings_and_what_counts(tmp_path: Path, private_home: Path) -> None:
    settings = private_home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}}))
    facts = look(tmp_path)
    assert facts.target is not None
    assert (facts.target.url, facts.target.key) == ("http://127.0.0.1:3456", KEY)
    assert facts.effective["ANTHROPIC_BASE_URL"].source == str(settings)
    assert [remark.topic for remark in facts.remarks] == ["base-url"]


def test_without_a_key_only_the_program_is_looked_at(tmp_path: Path) -> None:
    assert look(tmp_path, None).target is None


def test_authorities_are_combined_only_in_name(tmp_path: Path) -> None:
    cert, other = tmp_path / "cert.pem", tmp_path / "other.pem"
    block = "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
    cert.write_text(block % "QQ==")
    other.write_text(block % "Qg==")
    raw = {"proxy": {"port": 3456, "apiKey": KEY, "tls": {"cert": str(cert), "key": str(cert)}}}
    config = parse_config(raw, "")
    env = {**os.environ, "NODE_EXTRA_CA_CERTS": str(other)}
    facts = client_facts(Subject(env, tmp_path, time.time(), tmp_path / "c.json", config), config)
    assert facts.target is not None
    assert facts.target.certificate is not None
    assert "trusted-" in facts.target.certificate
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cert.pem", "other.pem"]
