"""A fake Claude Code session: thinks, sends turns, starts sub-agents, retries, and counts the outcomes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable

from ..fakeapi.clock import real_seconds
from ..values import dataclass, field
from .claude_client import AttemptError, Conversation, ProxyConnection, ReceivedReply
from .plan import SONNET, SessionPlan, Turn
from .retry import RetryStep, next_retry

__all__ = ["FakeSession", "SessionCounts", "VisibleError"]

_HEAD_TIMEOUT = 360.0
_LEAST_TIMEOUT = 10.0
_SHORT_PAUSE, _LONGEST_PAUSE = 20.0, 1800.0


@dataclass(frozen=True)
class VisibleError:
    """An error that the user of a session saw; `began` to `ended` is the turn, in seconds of the clock.

    `avoidable`: an account could have served the turn at the time of the error.
    """

    label: str
    model: str
    began: float
    ended: float
    avoidable: bool


@dataclass
class SessionCounts:
    """Counts of one session, its sub-agents included.

    `requests` are turns; `attempts` are HTTP requests, retries included.
    """

    requests: int = 0
    attempts: int = 0
    served: int = 0
    visible_errors: list[VisibleError] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)

    @property
    def errors(self) -> Counter[str]:
        """Client-visible errors by status (or by how the connection broke)."""
        return Counter(error.label for error in self.visible_errors)

    def add(self, other: SessionCounts) -> None:
        """Add the counts of another session."""
        self.requests += other.requests
        self.attempts += other.attempts
        self.served += other.served
        self.visible_errors += other.visible_errors
        self.tokens.update(other.tokens)


class FakeSession:
    """Run a plan against a proxy (or the API itself) until `stop` is set.

    `clock` paces think times and retries; `key` is the proxy's; `any_account_usable(model)` tells
    whether an error could have been avoided.  `run` blocks; `start` and `join` use a thread.
    """

    def __init__(
        self,
        url: str,
        plan: SessionPlan,
        clock: Callable[[], float],
        *,
        key: str = "",
        stop: threading.Event | None = None,
        any_account_usable: Callable[[str], bool] = lambda model: True,
    ) -> None:
        self.plan = plan
        self._url = url
        self._clock = clock
        self._key = key
        self._stop = stop or threading.Event()
        self._any_account_usable = any_account_usable
        self._timeout = max(_LEAST_TIMEOUT, real_seconds(clock, _HEAD_TIMEOUT))
        self._thread: threading.Thread | None = None
        # Guards the counts: sub-agents run in threads of their own.
        self._lock = threading.Lock()
        self._counts = SessionCounts()

    # --- start and stop ------------------------------------------------------------------

    def start(self) -> FakeSession:
        """Run in a thread; return the session itself."""
        self._thread = threading.Thread(target=self.run, name=f"session {self.plan.id[:8]}", daemon=True)
        self._thread.start()
        return self

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; False after `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def run(self, turns: Iterable[Turn] | None = None) -> SessionCounts:
        """Run the whole session: the plan's turns, or these."""
        if self._pause(self.plan.start_sec):
            return self.counts
        conversation = Conversation(self.plan)
        connection = ProxyConnection(self._url, self._timeout)
        connection.hello()
        try:
            self._run_turns(
                conversation, connection, self.plan.turns() if turns is None else turns, self.plan.seed
            )
        finally:
            connection.close()
        return self.counts

    @property
    def counts(self) -> SessionCounts:
        """A copy of the counts so far."""
        with self._lock:
            copy = SessionCounts()
            copy.add(self._counts)
            return copy

    # --- turns ---------------------------------------------------------------------------

    def _run_turns(
        self, conversation: Conversation, connection: ProxyConnection, turns: Iterable[Turn], seed: str
    ) -> None:
        rng = random.Random(f"retry/{seed}")
        for number, turn in enumerate(turns):
            if self._pause(turn.think_sec):
                return
            conversation.add_user_turn(turn.new_tokens, turn.reply_tokens)
            pause = self._run_turn(conversation, connection, rng)
            if self._pause(pause):
                return
            if turn.agents and not pause:
                self._fan_out(turn, number)

    def _run_turn(self, conversation: Conversation, connection: ProxyConnection, rng: random.Random) -> float:
        """Run one turn with all its retries; return the seconds its user waits after an error."""
        began = self._clock()
        tries = 0
        step = RetryStep(0.0)
        with self._lock:
            self._counts.requests += 1
        while not self._pause(step.delay):
            tries += 1
            with self._lock:
                self._counts.attempts += 1
            try:
                reply = connection.send_turn(conversation, self._key, stream=step.stream)
            except AttemptError as failed:
                next_step = next_retry(
                    failed.failure,
                    tries,
                    subscription=self.plan.subscription,
                    model=conversation.model,
                    rng=rng,
                )
                if next_step is None:
                    self._count_failed(conversation, failed, began)
                    return _pause_after_error(failed)
                if next_step.resume:
                    conversation.continue_from(failed.text)
                step = next_step
            else:
                self._count_served(conversation, reply)
                return 0.0
        # Stopped between two tries: the turn has no outcome.
        with self._lock:
            self._counts.requests -= 1
        return 0.0

    def _count_served(self, conversation: Conversation, reply: ReceivedReply) -> None:
        conversation.add_reply(reply.text)
        with self._lock:
            self._counts.served += 1
            self._counts.tokens.update(reply.usage)

    def _count_failed(self, conversation: Conversation, failed: AttemptError, began: float) -> None:
        conversation.drop_user_turn()
        if self._stop.is_set():
            with self._lock:
                self._counts.requests -= 1
            return
        model = conversation.model
        error = VisibleError(
            failed.failure.label, model, began, self._clock(), self._any_account_usable(model)
        )
        with self._lock:
            self._counts.visible_errors.append(error)

    def _fan_out(self, turn: Turn, number: int) -> None:
        """Run the turn's sub-agents at once; wait for the last one."""
        threads = []
        for index, turns in enumerate(turn.agents):
            name = random.Random(f"agent/{self.plan.seed}/{number}/{index}").getrandbits(64)
            agent = f"a{name:016x}"
            threads.append(threading.Thread(target=self._run_agent, args=(agent, turns), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run_agent(self, agent: str, turns: Iterable[Turn]) -> None:
        connection = ProxyConnection(self._url, self._timeout)
        try:
            self._run_turns(Conversation(self.plan, agent=agent, model=SONNET), connection, turns, agent)
        finally:
            connection.close()

    def _pause(self, seconds: float) -> bool:
        """Wait `seconds` of the clock; return whether the session is to stop."""
        return self._stop.wait(real_seconds(self._clock, seconds))


def _pause_after_error(failed: AttemptError) -> float:
    """Return the seconds until the user tries again: retry-after (at most half an hour), else 20 s."""
    retry_after = failed.failure.headers.get("retry-after", "")
    return min(float(retry_after), _LONGEST_PAUSE) if retry_after.isdigit() else _SHORT_PAUSE
