"""One login, from the address that a person opens to the code that comes back.

The browser and the person may bring it, each from a thread of its own; the first that fits counts.
"""

from __future__ import annotations

import queue
import time
from typing import Callable, Optional, Union

from ...errors import TeamClaudeError
from ..config.config import OAuthConfig
from .callback import Callback, from_paste
from .pkce import authorize_url, new_secrets
from .token_endpoint import DEFAULT_ROUTE, OutboundRoute, exchange_code
from .token_response import TokenGrant

__all__ = ["MANUAL_REDIRECT", "LoginFlow"]

POLL_S = 0.5
# Shows the code to the person, who pastes it.  Source: Claude Code 2.1.330.
MANUAL_REDIRECT = "https://platform.claude.com/oauth/code/callback"
NOT_A_CODE = "that is not a login code: copy all of it, with the # in its middle, or the whole address"
WRONG_STATE = "that code is of another login: paste the one that the address above leads to"
FOREIGN_CALLBACK = "a browser came back from some other login; still waiting for this one"


class LoginFlow:
    """`say` gets a line for the person, from whichever thread waits."""

    def __init__(self, oauth: OAuthConfig, redirect_uri: str, say: Callable[[str], None]) -> None:
        self._oauth = oauth
        self._redirect_uri = redirect_uri
        self.secrets = new_secrets()
        self.url = authorize_url(oauth, self.secrets, redirect_uri)
        self._say = say
        # What arrived: from the browser, a pasted line, or None when no more lines come.
        self._inputs: queue.SimpleQueue[Union[Callback, str, None]] = queue.SimpleQueue()
        self._said: set[str] = set()  # any web page can send its visitors here, a thousand times

    def on_callback(self, callback: Callback) -> None:
        """What a browser came back with.  Any thread."""
        self._inputs.put(callback)

    def on_paste(self, line: str) -> None:
        """What a person typed.  Any thread."""
        self._inputs.put(line)

    def close_stdin(self) -> None:
        """Nobody can type any more.  Any thread."""
        self._inputs.put(None)

    def wait_for_code(
        self,
        limit_s: float,
        only_stdin: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> str:
        """The code.

        Raises TeamClaudeError when the login was refused, when nothing came within `limit_s` seconds, and
        when pastes are the only way and there are no more.
        """
        deadline = clock() + limit_s
        while True:
            arrival = self._next_input(deadline, clock, limit_s)
            if arrival is not None:
                code = self._code_in(arrival)
                if code:
                    return code
            elif only_stdin:
                raise TeamClaudeError("no login code came in; run the command again and paste the code")

    def exchange(self, code: str, route: OutboundRoute = DEFAULT_ROUTE) -> TokenGrant:
        """Spend the code.  Raises LoginRefused or TokenEndpointBusy."""
        proof = self.secrets
        return exchange_code(self._oauth, code, proof.verifier, self._redirect_uri, proof.state, route=route)

    def _next_input(
        self, deadline: float, clock: Callable[[], float], limit_s: float
    ) -> Union[Callback, str, None]:
        while True:
            left = deadline - clock()
            if left <= 0:
                raise TeamClaudeError(
                    f"nobody logged in within {limit_s / 60:g} minutes; run teamclaude login again"
                )
            try:
                # Windows does not interrupt a wait for Ctrl-C, and elsewhere one that comes just before the
                # wait begins is not seen until it ends: so it looks up now and then.
                return self._inputs.get(timeout=min(left, POLL_S))
            except queue.Empty:
                continue

    def _code_in(self, arrival: Union[Callback, str]) -> Optional[str]:
        if isinstance(arrival, Callback):
            return self._code_of_callback(arrival, FOREIGN_CALLBACK)
        if not arrival.strip():
            return None
        callback = from_paste(arrival)
        if callback.code or callback.error:
            return self._code_of_callback(callback, WRONG_STATE)
        self._say(NOT_A_CODE)
        return None

    def _code_of_callback(self, callback: Callback, complaint: str) -> Optional[str]:
        if not self.secrets.matches_state(callback.state):
            if complaint is not FOREIGN_CALLBACK or FOREIGN_CALLBACK not in self._said:
                self._say(complaint)
            self._said.add(complaint)
            return None
        if callback.error:
            raise TeamClaudeError(f"the login was refused: {callback.error_text}; run teamclaude login again")
        return callback.code
