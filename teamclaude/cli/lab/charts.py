"""The charts of the accounts' windows that several subcommands of the lab can show."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import UsageError
from ...lab.heatmap import Heatmap, heatmap_lines, heatmap_svg
from ..terminal import has_color, width

__all__ = ["show_charts"]


def show_charts(args: argparse.Namespace, heatmaps: Sequence[tuple[str, Heatmap]]) -> None:
    """Print the charts of --chart and write the file of --svg; raise UsageError if that can't be written."""
    if args.chart and not args.json:
        for title, heatmap in heatmaps:
            print(f"\n{title}")
            print("\n".join(heatmap_lines(heatmap, width(), has_color(sys.stdout))))
    if args.svg:
        try:
            Path(args.svg).write_text(heatmap_svg(heatmaps), "utf-8")
        except OSError as error:
            raise UsageError(f"can't write {args.svg}: {error.strerror or error}") from error
