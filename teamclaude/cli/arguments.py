"""Argparse types for numbers within limits, and the options that several commands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

__all__ = ["add_account_name", "add_port_option", "number", "port_number", "whole_number"]


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from {low} to {high}')
        return value

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """Return an argparse type for numbers from `low` to `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # NaN fails too
            raise argparse.ArgumentTypeError(f'"{text}" is not a number from {low:g} to {high:g}')
        return value

    return read


def port_number(text: str) -> int:
    """Parse a port; the argparse type of --port."""
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port from 0 to 65535')
    return port


def add_port_option(parser: argparse._ActionsContainer) -> None:
    """Add --port, for commands that talk to a running server."""
    parser.add_argument(
        "--port", type=port_number, metavar="N", help="port of the server, if not the config file's"
    )


def add_account_name(parser: argparse.ArgumentParser) -> None:
    """Add the positional NAME of an account."""
    parser.add_argument("name", metavar="NAME", help="the account, or the beginning of its name")
