"""Whether output is coloured: one decision for every command.

The variables are asked in this order, which is also CPython's own (3.13); an empty one is not set:
1. NO_COLOR (https://no-color.org): no colours, whatever else is set.
2. FORCE_COLOR (https://force-color.org): colours, also into a pipe or file; `0` and `false` mean none.
3. CLICOLOR_FORCE: colours, unless it is `0`; CLICOLOR=0: none (https://bixense.com/clicolors).
4. TERM=dumb: none.
5. Otherwise a terminal gets colours, a pipe or file none.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["wants_color"]

OFF = ("0", "false")


def wants_color(env: Mapping[str, str], by_default: bool) -> bool:
    """Return whether to print colours; `by_default`: whether the output is a terminal that shows them."""
    if env.get("NO_COLOR"):
        return False
    forced = env.get("FORCE_COLOR", "")
    if forced:
        return forced.lower() not in OFF
    if env.get("CLICOLOR_FORCE", "") not in ("", "0"):
        return True
    if env.get("CLICOLOR") == "0" or env.get("TERM") == "dumb":
        return False
    return by_default
