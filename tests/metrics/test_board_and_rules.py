"""The board and the alert rules ask for nothing that the server does not have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from teamclaude.manual import page
from teamclaude.metrics.families import all_families

FAMILIES = list(all_families())
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count", "")}  # "": as a native histogram
LABELS = {
    f"{family.sample_name}{suffix}": {*family.labels, *(["le"] if suffix == "_bucket" else [])}
    for family in FAMILIES
    for suffix in SUFFIXES.get(family.kind, ("",))
}
LABELS["up"] = set()  # Prometheus' own
OF_EVERY_SERIES = {"job", "instance"}  # added by Prometheus
FUNCTIONS = {"sum", "min", "max", "rate", "increase", "time", "histogram_quantile"}
FUNCTIONS |= {"histogram_count", "label_values"}
WORDS = FUNCTIONS | {"by", "on", "and", "or"}


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page("metrics-board"))
    return found


def queries(value: Any) -> Iterator[str]:
    """Yield every expression of the board, its variables among them."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in ("expr", "query") and isinstance(each, str) and each != "prometheus":
                yield each
            else:
                yield from queries(each)
    elif isinstance(value, list):
        for each in value:
            yield from queries(each)


def rules() -> list[tuple[str, str]]:
    """Return (name, expression) of each alert."""
    return re.findall(r"- alert: (\w+)\n(?: +#.*\n)? +expr: (.+)\n", page("metrics-rules"))


def problems(expression: str) -> list[str]:
    """Return the metrics, labels and words of an expression that don't exist."""
    found = []
    rest = re.sub(r"\[[^\]]+\]", "", expression)
    for name, matchers in re.findall(r"([a-z_]+)\{([^}]*)\}", rest):
        used = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers))
        found += [f"{name} has no {label}" for label in used - LABELS.get(name, set()) - OF_EVERY_SERIES]
    rest = re.sub(r"\{[^}]*\}", "", rest)
    grouped = {
        word for group in re.findall(r"\b(?:by|on) ?\(([^)]*)\)", rest) for word in re.findall(r"\w+", group)
    }
    rest = re.sub(r"\b(?:by|on) ?\([^)]*\)", "", rest)
    names = set(re.findall(r"[a-z_]{2,}", rest)) - WORDS - OF_EVERY_SERIES
    found += [f"no {name}" for name in names - set(LABELS)]
    known = set().union(OF_EVERY_SERIES, *(LABELS.get(name, set()) for name in names))
    return found + [f"nothing has {label}" for label in grouped - known]


def test_every_query_of_the_board_asks_for_what_exists() -> None:
    asked = list(queries(board()))
    assert len(asked) > 30
    assert {query: found for query in asked if (found := problems(query))} == {}


def test_every_rule_asks_for_what_exists() -> None:
    assert len(rules()) == page("metrics-rules").count("- alert:") > 10
    assert {name: found for name, query in rules() if (found := problems(query))} == {}


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(teamclaude_nothing)", "no teamclaude_nothing"),
        ('teamclaude_accounts{account="a"}', "teamclaude_accounts has no account"),
        ("sum by (model) (teamclaude_connections)", "nothing has model"),
        ("sum by (le) (rate(teamclaude_request_ttfb_seconds[5m]))", "nothing has le"),
        ("rate(teamclaude_requests[5m])", "no teamclaude_requests"),
    ],
)
def test_the_check_sees_what_does_not_exist(expression: str, problem: str) -> None:
    assert problem in problems(expression)


def test_the_board_is_one_that_grafana_reads() -> None:
    found = board()
    panels = found["panels"]
    assert {"title", "uid", "schemaVersion", "templating", "time"} <= set(found)
    assert len({panel["id"] for panel in panels}) == len(panels)
    placed = [tuple(panel["gridPos"][key] for key in "xywh") for panel in panels]
    assert all(x >= 0 and x + w <= 24 for x, _, w, _ in placed)
    cells = [(x + dx, y + dy) for x, y, w, h in placed for dx in range(w) for dy in range(h)]
    assert len(set(cells)) == len(cells), "no two panels overlap"
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH")[
                : len(panel["targets"])
            ]


def test_variables_that_queries_use_are_declared() -> None:
    declared = {variable["name"] for variable in board()["templating"]["list"]}
    used = {name for query in queries(board()) for name in re.findall(r"\$(\w+)", query)}
    assert used - {"__rate_interval"} == declared - {"datasource"}
