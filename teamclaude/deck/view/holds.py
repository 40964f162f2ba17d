"""The held requests: for how long, until when, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.model import HeldRequest, Node
from ..text.format import format_duration, session_emoji
from ..text.spans import Line, Span, clip_line, line
from .options import FrameOptions
from .wording import model_name

__all__ = ["hold_row"]


def hold_row(hold: HeldRequest, nodes: Mapping[str, Node], options: FrameOptions) -> Line:
    """`held 5m, alice back 23:22  🦜 Fix the login  opus-4-8`."""
    words = line("  ", (f"held {format_duration(int(hold.held_sec))}, {hold.expected}", "warn"), "  ")
    who: Line = line((hold.request, "dim"))
    if hold.session:
        node = nodes.get(hold.node_key) or nodes.get(hold.session)
        animal = node.emoji if node is not None and node.emoji else session_emoji(hold.session)
        mark = hold.session[:2] if options.ascii else animal
        who = line(f"{mark} ", (node.label if node is not None else hold.session[:8], "strong"))
    return clip_line((*words, *who, Span(f"  {model_name(hold.model)}", "dim")), options.width)
