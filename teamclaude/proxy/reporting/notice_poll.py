"""The poll of a server for its log lines: accounts, holds, logins, APIs, tunnels and client keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...routing.view import AccountState, states_of
from ..records.login_notices import LoginNotices, login_states
from ..records.notices import Notice, Notices
from ..records.outages import OutageNotices

if TYPE_CHECKING:
    from ..runtime import Runtime

__all__ = ["notice_poll"]


def notice_poll(
    runtime: Runtime, clock: Callable[[], float], emit: Callable[[Notice, float], None]
) -> Notices:
    """Return the poll of all of them; `clock` returns epoch seconds."""
    logins, apis = LoginNotices(), OutageNotices(runtime.reachability)

    def accounts() -> Sequence[AccountState]:
        return runtime.router.read(states_of)

    return Notices(
        accounts,
        runtime.held,
        lambda: runtime.router.changes,
        clock,
        emit,
        (
            lambda now: runtime.forward_proxy.tunnels.take_notices(),
            lambda now: runtime.clients.take_notices(),
            lambda now: logins.update(login_states(accounts(), runtime.token_manager.statuses()), now),
            lambda now: apis.update(runtime.api_users(), now),
        ),
    )
