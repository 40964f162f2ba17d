"""What `status` shows to the key of a client, which may read of itself alone."""

from __future__ import annotations

import sys
import time

from ...deck.text.cells import clean, printable, width
from ...deck.text.spans import ansi_text, plain_text
from ...deck.view.issues import client_row
from ...snapshot import ClientView
from ...typed_json import from_json
from ..proxy_client import ProxyClient, ProxyRefusedError
from ..terminal import has_color

__all__ = ["print_own_status"]

COLORS = 8
ROOM = 400  # cells: a line of its own may be longer than the terminal


def print_own_status(proxy: ProxyClient, refusal: ProxyRefusedError) -> int:
    """Print what the bearer of a client's key has used; raise `refusal` for any other caller."""
    if refusal.status != 403:
        raise refusal
    try:
        caller = proxy.get("/teamclaude/caller")
    except ProxyRefusedError:  # a server of an older version
        raise refusal from None
    if not isinstance(caller, dict) or caller.get("role") != "client":
        raise refusal
    name = clean(str(caller.get("name")))
    print(f"{proxy.url}: the key of {name} has the role client, and sees what it uses itself")
    if caller.get("usage") is None:
        print(f"  {name}  nothing yet")
        return 0
    view = printable(from_json(ClientView, caller["usage"]))
    row = client_row(view, width(name), time.time(), ROOM)
    print(ansi_text(row, COLORS).rstrip() if has_color(sys.stdout) else plain_text(row).rstrip())
    return 0
