"""Write metrics as text: OpenMetrics 1.0, or the older format 0.0.4 that everything else reads, too.

Both are written from the same families.  They differ in how a counter's family is called (with `_total` in
0.0.4), in types that 0.0.4 does not know, in units, and in the last line.  Bounds of buckets are written
alike, so that a series stays the same when a scraper changes the format.

Sources: the specification of OpenMetrics 1.0.0; "Exposition formats" in the documentation of Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Optional, Union

from ..values import NamedTuple

__all__ = [
    "CLASSIC",
    "OPENMETRICS",
    "PROTOBUF",
    "Collection",
    "Family",
    "HistogramValue",
    "content_type_for",
    "render",
]

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# Written by protobuf.py.
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS_VERSIONS = ("", "1.0.0", "0.0.1")  # a scraper that names another one gets 0.0.4
MAX_LABEL_CHARS = 200
MAX_REMEMBERED = 2000  # labels, as they are written: they are the same with every scrape


class Family(NamedTuple):
    """A metric with its type; `name` is without the suffixes of samples: `_total`, `_bucket`, `_info`."""

    name: str
    kind: str  # `gauge`, `counter`, `histogram` or `info`
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""  # the end of the name, as OpenMetrics wants it

    @property
    def sample_name(self) -> str:
        """The name that queries use; of a histogram without `_bucket`, `_sum` and `_count`."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


class HistogramValue(NamedTuple):
    """Observations by bucket: `counts[n]` is of those at most `bounds[n]`, the last one of all others.

    `native` are the same observations in the buckets of a native histogram, by their index.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    sum: float
    native: Mapping[int, int] = {}


Value = Union[int, float, HistogramValue]


class Collection:
    """The samples of one scrape; a value of None is unknown and is not shown."""

    def __init__(self) -> None:
        self.families: dict[Family, dict[tuple[str, ...], Value]] = {}

    def add(self, family: Family, value: Optional[Value], *labels: str) -> None:
        """Add a sample; the first one of the same labels stands: two would fail the whole scrape."""
        if value is not None:
            samples = self.families.setdefault(family, {})
            samples.setdefault(tuple([visible(label) for label in labels]), value)


@lru_cache(maxsize=MAX_REMEMBERED)
def visible(text: str) -> str:
    """Return the text with control characters and lone surrogates spelled out, and not too long."""
    if len(text) > MAX_LABEL_CHARS:
        text = text[: MAX_LABEL_CHARS - 1] + "…"
    return text if text.isprintable() else "".join(map(_visible_char, text))


def _visible_char(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def content_type_for(accept: str) -> str:
    """Return the content type that an Accept field asks for: 0.0.4 unless it prefers another one."""
    best = {PROTOBUF: 0.0, OPENMETRICS: 0.0, CLASSIC: 0.0}
    for media_type, fields in _media_ranges(accept):
        found = _content_type(media_type, fields)
        if found is not None:
            best[found] = max(best[found], _quality(fields))
    preferred = max(best, key=lambda found: best[found])  # of equals the first
    return preferred if best[preferred] > 0 else CLASSIC


def _content_type(media_type: str, fields: Mapping[str, str]) -> Optional[str]:
    if media_type == "application/openmetrics-text":
        return OPENMETRICS if fields.get("version", "") in _OPENMETRICS_VERSIONS else None
    if media_type == "application/vnd.google.protobuf":
        asked = fields.get("proto"), fields.get("encoding")
        return PROTOBUF if asked == ("io.prometheus.client.metricfamily", "delimited") else None
    return CLASSIC if media_type in ("text/plain", "text/*") else None


def _media_ranges(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    for part in accept.lower().split(","):
        media_type, *fields = (piece.strip() for piece in part.split(";"))
        pairs = (field.partition("=") for field in fields)
        yield media_type, {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _quality(fields: Mapping[str, str]) -> float:
    """Return the weight of a media range (RFC 9110 12.4.2); 0 if it can't be read."""
    try:
        weight = float(fields.get("q", "1"))
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def render(collection: Collection, content_type: str) -> bytes:
    """Return the text of a scrape; `content_type` is OPENMETRICS or CLASSIC."""
    is_openmetrics = content_type == OPENMETRICS
    lines: list[str] = []
    for family, samples in collection.families.items():
        lines += _head(family) if is_openmetrics else _classic_head(family)
        for labels, value in samples.items():
            pairs = list(map(_pair, family.labels, labels))
            lines += _sample_lines(family, pairs, value)
    if is_openmetrics:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _head(family: Family) -> list[str]:
    unit = [f"# UNIT {family.name} {family.unit}"] if family.unit else []
    return [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}", *unit]


def _classic_head(family: Family) -> list[str]:
    name, kind = family.sample_name, "gauge" if family.kind == "info" else family.kind
    return [f"# HELP {name} {family.help}", f"# TYPE {name} {kind}"]


def _sample_lines(family: Family, pairs: list[str], value: Value) -> Iterable[str]:
    name = family.sample_name
    if not isinstance(value, HistogramValue):
        return [f"{name}{_braces(pairs)} {_number(value)}"]
    lines, total = [], 0
    for bound, count in zip((*value.bounds, math.inf), value.counts):
        total += count
        lines.append(f"{name}_bucket{_braces([*pairs, _bound(bound)])} {total}")
    return [
        *lines,
        f"{name}_sum{_braces(pairs)} {_number(value.sum)}",
        f"{name}_count{_braces(pairs)} {total}",
    ]


def _bound(bound: float) -> str:
    return f'le="{_number(float(bound))}"'


def _braces(pairs: Sequence[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


@lru_cache(maxsize=MAX_REMEMBERED)
def _pair(name: str, label: str) -> str:
    escaped = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'


def _number(value: Union[int, float]) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if isinstance(value, bool) else repr(value)
