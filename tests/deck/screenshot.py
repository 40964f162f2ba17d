"""Render the picture of the Deck in README.md: one frame of the example model as SVG (`make screenshot`).

Each piece of text is placed at its column and stretched to its cells, so that columns align in any font.
Bars, rules and connectors are drawn as shapes: glyphs would leave gaps between rows.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from teamclaude.deck.text.cells import clusters, width
from teamclaude.deck.text.spans import Line
from teamclaude.deck.view.footer import footer_lines
from teamclaude.deck.view.frame import render_frame
from teamclaude.deck.view.ui_state import FrameOptions, ScreenContents, UiState
from tests.deck.example_model import example_model

PICTURE = Path(__file__).parents[2] / ".github" / "deck.svg"
COLUMNS, ROWS = 120, 37
CELL, ROW, MIDDLE, FONT_SIZE, BASELINE = 8.4, 18, 9, 14, 13.5  # pixels
MARGIN, TITLE, BAR = 16, 34, 14
BACKGROUND, TITLE_BACKGROUND, EDGE, TEXT, BRIGHT = "#12161d", "#1b212b", "#2b3340", "#cdd5e0", "#f4f6fa"
COLORS = {"good": "#4fc58b", "warn": "#e8a84f", "bad": "#f4676b", "accent": "#62a8f5", "dim": "#75808f"}
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, Liberation Mono, monospace"
BUTTONS = ((20, "bad"), (40, "warn"), (60, "good"))
PIECES = re.compile(
    "(?P<bar>█+)|(?P<rule>─+)|(?P<connector>[│├└])|(?P<blank> +)"
    "|(?P<words>[!-~·—…]+(?: [!-~·—…]+)*)|(?P<sign>[^ -~·—…█─│├└]+)"
)
CONNECTORS = {"│": "v18", "├": "v18m0-9h4.2", "└": "v9h4.2"}  # from the middle of the cell's upper edge


def picture() -> str:
    """Return the picture as SVG; its clock times are local."""
    options = FrameOptions(width=COLUMNS, height=ROWS, footer=footer_lines(UiState(), ScreenContents()))
    return svg(render_frame(example_model(), options).lines)


def svg(lines: Sequence[Line]) -> str:
    """Return the lines of a screen as a window with a title bar."""
    right, bottom = round(COLUMNS * CELL) + 2 * MARGIN, len(lines) * ROW + TITLE + 2 * MARGIN - 8
    styles = [f"text{{fill:{TEXT};white-space:pre}}", f".strong{{fill:{BRIGHT};font-weight:bold}}"]
    styles += [f".{name}{{fill:{color}}}" for name, color in COLORS.items()]
    styles += [f".reverse{{fill:{BACKGROUND}}}", "path{fill:none}", "rect{shape-rendering:crispEdges}"]
    title_bar = f"M1 {TITLE}V11A10 10 0 0 1 11 1H{right - 11}A10 10 0 0 1 {right - 1} 11V{TITLE}Z"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" width="{right}" '
        f'height="{bottom}" font-family="{FONTS}" font-size="{FONT_SIZE}" role="img" '
        'aria-label="The Deck of TeamClaude">',
        f"<style>{''.join(styles)}</style>",
        f'<rect x="1" y="1" width="{right - 2}" height="{bottom - 2}" rx="10" fill="{BACKGROUND}" '
        f'stroke="{EDGE}" style="shape-rendering:auto"/>',
        f'<path d="{title_bar}" style="fill:{TITLE_BACKGROUND}"/>',
        *(f'<circle cx="{x}" cy="17.5" r="6" class="{name}"/>' for x, name in BUTTONS),
        f'<text x="{right / 2:g}" y="22" text-anchor="middle" class="dim">teamclaude server</text>',
        f'<g transform="translate({MARGIN} {TITLE + MARGIN - 6})">',
    ]
    for row, line in enumerate(lines):
        out += _row(line, row * ROW)
    return "\n".join([*out, "</g>", "</svg>", ""])


def _row(line: Line, y: int) -> Iterator[str]:
    column = 0
    for text, style in line:
        names = style.split()
        color = next((COLORS[name] for name in names if name in COLORS), TEXT)
        if "reverse" in names:
            names = ["reverse"]
            yield _bar(column, y, width(text), color)
        style_of = f' class="{" ".join(names)}"' if names else ""
        for kind, piece in _pieces(text):
            cells, x = width(piece), column * CELL
            if kind == "bar":
                yield _bar(column, y, cells, color)
            elif kind == "rule":
                yield f'<path d="M{x:g} {y + MIDDLE}h{cells * CELL:g}" stroke="{color}" opacity=".6"/>'
            elif kind == "connector":
                yield f'<path d="M{x + CELL / 2:g} {y}{CONNECTORS[piece]}" stroke="{color}"/>'
            elif kind != "blank":
                place = f'x="{x:g}" y="{y + BASELINE:g}" textLength="{cells * CELL:g}"{style_of}'
                yield f'<text {place} lengthAdjust="spacingAndGlyphs">{escape(piece, quote=False)}</text>'
            column += cells


def _bar(column: int, y: int, cells: int, color: str) -> str:
    place = f'x="{column * CELL:g}" y="{y + MIDDLE - BAR // 2}"'
    return f'<rect {place} width="{cells * CELL:g}" height="{BAR}" fill="{color}"/>'


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text): runs of words, bars and rules; every other character alone."""
    for match in PIECES.finditer(text):
        kind = str(match.lastgroup)
        yield from ((kind, sign) for sign, _ in clusters(match[0])) if kind == "sign" else [(kind, match[0])]


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    PICTURE.write_text(picture(), "utf-8")
