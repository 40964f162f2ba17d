"""What a person should know of rules that are valid and do not have their effect: all of them in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["rule_notes"]


def rule_notes(config: Config) -> list[str]:
    """Return one line, with its path, on each rule that contradicts another, names nobody or can't match.

    What looks for them is loaded for the rules that there are: 20 ms of each command.
    """
    notes: list[str] = []
    if config.keep_warm:
        from .keep_warm import keep_warm_notes

        notes += keep_warm_notes(config)
    if _has_limits(config):
        from .usage_notes import usage_notes

        notes += usage_notes(config)
    if config.routes or config.pins:
        notes += config.route_notes()
    return notes


def _has_limits(config: Config) -> bool:
    return (config.max_usage is not None or config.max_spend.is_set) or any(
        account.max_usage is not None or account.reserve is not None or account.max_spend.is_set
        for account in config.accounts
    )
