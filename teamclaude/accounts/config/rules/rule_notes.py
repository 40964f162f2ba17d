"""What a person should know of rules that are valid and do not have their effect: all of them in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .keep_warm import keep_warm_notes
from .usage_notes import usage_notes

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["rule_notes"]


def rule_notes(config: Config) -> list[str]:
    """Return one line, with its path, on each rule that contradicts another, names nobody or can't match."""
    return [*keep_warm_notes(config), *usage_notes(config), *config.route_notes()]
