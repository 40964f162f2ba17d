"""The charts of the accounts' windows that several subcommands of the lab can show."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import UsageError
from ...lab.heatmap import Heatmap, heatmap_lines, heatmap_svg
from ..terminal import has_color, width

__all__ = ["check_svg_path", "show_charts"]


def check_svg_path(args: argparse.Namespace) -> None:
    """Raise UsageError if the file of --svg can't be written, before runs of minutes; nothing is created."""
    if not args.svg:
        return
    path = Path(args.svg)
    if path.is_dir():
        raise _not_written(args.svg, errno.EISDIR)
    if not path.exists() and not path.parent.is_dir():
        raise _not_written(args.svg, errno.ENOTDIR if path.parent.exists() else errno.ENOENT)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise _not_written(args.svg, errno.EACCES)


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


def _not_written(path: str, number: int) -> UsageError:
    return UsageError(f"can't write {path}: {os.strerror(number)}")
