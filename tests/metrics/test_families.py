"""The names of metrics follow Prometheus' conventions."""

from __future__ import annotations

import re

import pytest

from teamclaude.metrics.exposition import Family
from teamclaude.metrics.families import all_families

FAMILIES = list(all_families())
UNITS = {"seconds", "bytes", "ratio", "dollars", "tokens"}
# What promtool takes for a label of its own, or a server adds to every sample.
RESERVED = {"le", "quantile", "job", "instance", "__name__"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_units_and_labels_are_by_the_conventions(family: Family) -> None:
    assert re.fullmatch(r"(teamclaude|process|python)(_[a-z0-9]+)*", family.name)
    assert family.kind in ("gauge", "counter", "histogram", "info")
    assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_info", "_created"))
    assert all(re.fullmatch(r"[a-z_]+", label) for label in family.labels)
    assert not RESERVED & set(family.labels)
    # "# UNIT": the name ends with it; a name that ends with a unit says so.
    ending = family.name.rpartition("_")[2]
    assert family.unit == (ending if ending in UNITS else "")
    assert family.unit == "seconds" or family.kind != "histogram"
    assert family.help.endswith(".")
    assert not set(family.help) & set('\\"\n')


def test_no_two_families_have_the_same_series() -> None:
    names = [family.sample_name for family in FAMILIES]
    assert len(set(names)) == len(names) == len({family.name for family in FAMILIES})


def test_nothing_unbounded_is_a_label() -> None:
    labels = {label for family in FAMILIES for label in family.labels}
    assert labels <= {
        *("account", "window", "model", "client", "kind", "outcome", "code", "state", "verdict", "result"),
        *("type", "last_resort", "percentile", "limit", "version", "policy", "implementation", "generation"),
    }
