"""Draw a short history as one line of blocks: `▁▂▅█▃`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

__all__ = ["sparkline"]

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[Optional[float]], cells: int, highest: Optional[float] = None) -> str:
    """Return the values in at most `cells` characters, the newest at the right; unknown ones are blanks.

    Neighbours share a character when there are more values than cells; the larger one is shown.  `highest` is
    the value of a full block (default: the largest of them); more is drawn as full, above zero never as zero.
    """
    if cells <= 0 or not values:
        return ""
    count = min(cells, len(values))
    edges = [round(place * len(values) / count) for place in range(count + 1)]
    groups = [[v for v in values[start:end] if v is not None] for start, end in zip(edges, edges[1:])]
    peaks = [max(group) if group else None for group in groups]
    top = highest if highest is not None else max((peak for peak in peaks if peak is not None), default=0.0)
    return "".join(" " if peak is None else _block(peak, top) for peak in peaks)


def _block(value: float, top: float) -> str:
    if value <= 0 or top <= 0:
        return BLOCKS[0]
    return BLOCKS[max(1, min(len(BLOCKS) - 1, round(value / top * (len(BLOCKS) - 1))))]
