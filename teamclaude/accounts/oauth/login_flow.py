"""One OAuth login: from the URL that a person opens to the authorization code.

The code arrives through the browser (`on_callback`) or pasted (`on_paste`), each from its own
thread; the first one with the right state wins.
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
    """One login attempt; `say` gets lines for the person, called by the thread that waits."""

    def __init__(self, oauth: OAuthConfig, redirect_uri: str, say: Callable[[str], None]) -> None:
        self._oauth = oauth
        self._redirect_uri = redirect_uri
        self.secrets = new_secrets()
        self.url = authorize_url(oauth, self.secrets, redirect_uri)
        self._say = say
        # A callback from the browser, a pasted line, or None once stdin has ended.
        self._inputs: queue.SimpleQueue[Union[Callback, str, None]] = queue.SimpleQueue()
        self._said: set[str] = set()  # any web page can send visitors here repeatedly: say it once

    def on_callback(self, callback: Callback) -> None:
        """Hand over what a browser was redirected with.  Any thread."""
        self._inputs.put(callback)

    def on_paste(self, line: str) -> None:
        """Hand over a line that a person typed.  Any thread."""
        self._inputs.put(line)

    def close_stdin(self) -> None:
        """Report the end of stdin.  Any thread."""
        self._inputs.put(None)

    def wait_for_code(
        self,
        limit_s: float,
        only_stdin: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> str:
        """Wait for the authorization code and return it.

        Raise TeamClaudeError when the login was refused, when no code came within `limit_s` seconds, and
        when `only_stdin` is set and stdin has ended.
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
        """Exchange the code for tokens.  Raise LoginRefusedError or TokenEndpointUnavailableError."""
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
                # Poll: Windows does not interrupt a wait for Ctrl-C, and elsewhere a Ctrl-C just before the
                # wait begins is not seen until it ends.
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
