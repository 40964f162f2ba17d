"""Prometheus' own checks of what is written, where its program promtool is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from teamclaude.manual import page
from teamclaude.metrics.exposition import CLASSIC, Collection, HistogramValue, render
from teamclaude.metrics.families import all_families

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")


def promtool(*words: str, text: bytes = b"") -> tuple[int, str]:
    ended = subprocess.run(
        [PROMTOOL or "", *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
    )
    return ended.returncode, ended.stdout.decode()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(page("metrics-rules"))
    return path


def test_every_family_passes_the_check_of_metrics() -> None:
    found = Collection()
    for family in all_families():
        value = HistogramValue((1.0, 2.0), (1, 2, 3), 9.0) if family.kind == "histogram" else 1
        found.add(family, value, *(f'a "{label}" \\ é\n' for label in family.labels))
    assert promtool("check", "metrics", text=render(found, CLASSIC)) == (0, "")


def test_the_rules_are_valid(rules: Path) -> None:
    status, said = promtool("check", "rules", str(rules))
    assert (status, "SUCCESS" in said) == (0, True), said


def test_each_alert_fires_when_it_should(rules: Path, tmp_path: Path) -> None:
    cases = (Path(__file__).parent / "rules_test.yml").read_text()
    names = {line.split(": ")[1] for line in page("metrics-rules").splitlines() if "- alert:" in line}
    assert [name for name in names if name not in cases] == []
    cases_here = tmp_path / "cases.yml"
    cases_here.write_text(cases.replace("RULES", str(rules)))
    status, said = promtool("test", "rules", str(cases_here))
    assert status == 0, said
