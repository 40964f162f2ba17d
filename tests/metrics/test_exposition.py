"""The text of a scrape: both formats, escaping, and which one a scraper gets."""

from __future__ import annotations

import math

import pytest

from teamclaude.metrics.exposition import (
    CLASSIC,
    MAX_LABEL_CHARS,
    OPENMETRICS,
    PROTOBUF,
    Collection,
    Family,
    HistogramValue,
    content_type_for,
    render,
)

USED = Family("pool_used_ratio", "gauge", "Share used.", ("account",), "ratio")
SEEN = Family("pool_seen", "counter", "Requests seen.")
BUILD = Family("pool", "info", "The version.", ("version",))
TOOK = Family("pool_took_seconds", "histogram", "Time taken.", ("model",), "seconds")


def collection(*samples: tuple[Family, object, tuple[str, ...]]) -> Collection:
    found = Collection()
    for family, value, labels in samples:
        found.add(family, value, *labels)  # type: ignore[arg-type]
    return found


def text(content_type: str, *samples: tuple[Family, object, tuple[str, ...]]) -> str:
    return render(collection(*samples), content_type).decode()


ONE_OF_EACH = (
    (USED, 0.5, ("alice",)),
    (SEEN, 7, ()),
    (BUILD, 1, ("1.0",)),
    (TOOK, HistogramValue((0.5, 1.0), (1, 2, 3), 9.25), ("opus",)),
)


def test_openmetrics_names_units_and_ends_with_eof() -> None:
    assert (
        text(OPENMETRICS, *ONE_OF_EACH)
        == """\
# HELP pool_used_ratio Share used.
# TYPE pool_used_ratio gauge
# UNIT pool_used_ratio ratio
pool_used_ratio{account="alice"} 0.5
# HELP pool_seen Requests seen.
# TYPE pool_seen counter
pool_seen_total 7
# HELP pool The version.
# TYPE pool info
pool_info{version="1.0"} 1
# HELP pool_took_seconds Time taken.
# TYPE pool_took_seconds histogram
# UNIT pool_took_seconds seconds
pool_took_seconds_bucket{model="opus",le="0.5"} 1
pool_took_seconds_bucket{model="opus",le="1.0"} 3
pool_took_seconds_bucket{model="opus",le="+Inf"} 6
pool_took_seconds_sum{model="opus"} 9.25
pool_took_seconds_count{model="opus"} 6
# EOF
"""
    )


def test_the_older_format_has_the_same_samples_and_calls_a_counter_total() -> None:
    def samples(content_type: str) -> list[str]:
        lines = text(content_type, *ONE_OF_EACH).splitlines()
        return [line for line in lines if not line.startswith("#")]

    assert samples(CLASSIC) == samples(OPENMETRICS)
    lines = text(CLASSIC, *ONE_OF_EACH).splitlines()
    assert [line for line in lines if line.startswith("# TYPE")] == [
        "# TYPE pool_used_ratio gauge",
        "# TYPE pool_seen_total counter",
        "# TYPE pool_info gauge",
        "# TYPE pool_took_seconds histogram",
    ]
    assert not [line for line in lines if line.startswith(("# UNIT", "# EOF"))]


def test_nothing_at_all_is_a_valid_scrape() -> None:
    assert (text(OPENMETRICS), text(CLASSIC)) == ("# EOF\n", "")


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ('a"} 1\nevil 2', 'a\\"} 1\\\\n' + "evil 2"),
        ("a\\", "a\\\\"),
        ("\x1b[31m\0", "\\\\x1b[31m\\\\x00"),
        ("a\ud800b", "a\\\\ud800b"),
        ("a\u202eb", "a\\\\u202eb"),
        ("日本 é", "日本 é"),
        ("", ""),
    ],
)
def test_a_hostile_label_stays_one_value_on_one_line(label: str, shown: str) -> None:
    assert text(CLASSIC, (USED, 1, (label,))).splitlines()[2:] == [f'pool_used_ratio{{account="{shown}"}} 1']


def test_a_long_label_is_cut() -> None:
    line = text(CLASSIC, (USED, 1, ("a" * 100_000,))).splitlines()[2]
    assert line == f'pool_used_ratio{{account="{"a" * (MAX_LABEL_CHARS - 1)}…"}} 1'


def test_of_the_same_labels_the_first_stands_and_nothing_unknown_is_shown() -> None:
    long = "a" * MAX_LABEL_CHARS
    found = text(CLASSIC, (SEEN, 1, ()), (SEEN, 2, ()), (USED, 3, (long + "b",)), (USED, 4, (long + "c",)))
    assert [line.split()[-1] for line in found.splitlines() if not line.startswith("#")] == ["1", "3"]
    assert text(CLASSIC, (USED, None, ("a",))) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "1"), (False, "0"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (1e20, "1e+20")],
)
def test_numbers_are_written_as_the_formats_want(value: float, shown: str) -> None:
    assert text(OPENMETRICS, (SEEN, value, ())).splitlines()[2] == f"pool_seen_total {shown}"


# As the programs send them: Prometheus 2.42, with native histograms, 3.5; curl; a browser.
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75"
PROMETHEUS_2 += ",text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
NATIVE = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
PROMETHEUS_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
PROMETHEUS_3 += "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"


@pytest.mark.parametrize(
    "accept", [PROMETHEUS_2, PROMETHEUS_3, NATIVE.replace("delimited", "text") + PROMETHEUS_2]
)
def test_prometheus_gets_openmetrics(accept: str) -> None:
    assert content_type_for(accept) == OPENMETRICS


def test_prometheus_with_native_histograms_gets_them() -> None:
    assert content_type_for(NATIVE + PROMETHEUS_2) == PROTOBUF


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/plain;version=0.0.4",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0.3, text/plain;q=0.5",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=much",
        "application/openmetrics-text;q=nan",
        ";;,=;q,",
    ],
)
def test_everybody_else_gets_the_older_format(accept: str) -> None:
    assert content_type_for(accept) == CLASSIC
