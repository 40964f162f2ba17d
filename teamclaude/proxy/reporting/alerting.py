"""Look at the snapshot every few seconds, and tell of what the configured alerts wait for.

Without alerts in the config file nothing is looked at, and nothing of alerts/ is loaded.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ...accounts.config.config import AlertConfig, Config
from ...snapshot import Snapshot
from ...values import NamedTuple
from ..messages.redact import redact_body
from .reporter import Observer

if TYPE_CHECKING:
    from ...alerts.delivery import Delivery
    from ...alerts.event import Event
    from ...alerts.rules import ConditionState

__all__ = ["AlertCounts", "Alerting"]

LOOK_SEC = 4.0  # between two looks
SAVE_SEC = 60.0  # between two times that what does not decide whether an alert is repeated is saved
MAX_EVENTS = 10  # within FLOOD_SEC; more are counted only
FLOOD_SEC = 60.0


class AlertCounts(NamedTuple):
    """Since the start of the server."""

    told: int = 0  # events that receivers were to be told of
    dropped: int = 0  # events beyond MAX_EVENTS in a minute
    delivered: int = 0  # to one receiver each
    failed: int = 0


class Alerting(Observer):
    """The alerts of a running server.

    `config` and `snapshot` return the current ones; `path`: the file of the state; `warn` gets one line at a
    time.  `delivery` takes the place of the threads in tests.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        snapshot: Callable[[], Snapshot],
        path: Path,
        warn: Callable[[str], None],
        delivery: Optional[Delivery] = None,
    ) -> None:
        self._config, self._snapshot = config, snapshot
        self._path = path
        self._warn = warn
        self._delivery = delivery
        self._paused = False
        self._states: Optional[dict[str, ConditionState]] = None  # None: before the first look
        self._alerts: tuple[AlertConfig, ...] = ()  # of the last look
        self._looked_at = float("-inf")
        self._unsaved = self._save_failed = False
        self._saved_at = float("-inf")
        self._flood_began = float("-inf")
        self._events = self._dropped = 0  # since then
        self._told = self._dropped_in_all = 0

    def pause(self) -> None:
        """Look no more: another process does."""
        self._paused = True

    def tick(self, now: float) -> None:
        """Look if that is due; a changed list of alerts is looked at once."""
        if self._paused:
            return
        config = self._config()
        if config.alerts or self._alerts:
            if config.alerts != self._alerts or not 0 <= now - self._looked_at < LOOK_SEC:
                self._looked_at, self._alerts = now, config.alerts
                self._look(config, now)
            self._count_dropped(now)

    def counts(self) -> AlertCounts:
        """Return what has happened so far; any thread."""
        delivery = self._delivery
        done = (0, 0) if delivery is None else (delivery.delivered, delivery.failed)
        return AlertCounts(self._told, self._dropped_in_all, *done)

    def save(self) -> None:
        """Save what has changed since the last time."""
        self._save()

    def close(self) -> None:
        """Save what has changed, and end the deliveries."""
        self._save()
        if self._delivery is not None:
            self._delivery.close()

    def _look(self, config: Config, now: float) -> None:
        from ...accounts.config.alert_condition import parse_condition
        from ...alerts.alert_state import load_states
        from ...alerts.rules import advance

        restarted = self._states is None
        before = load_states(self._path) if self._states is None else self._states
        after: dict[str, ConditionState] = {}
        snapshot = self._snapshot()
        for text in dict.fromkeys(alert.when for alert in config.alerts):
            after[text], events = advance(parse_condition(text), before.get(text), snapshot, now, restarted)
            for event in events:
                self._tell(config, event, now)
        self._states = after
        self._unsaved |= after != before
        if _decisive(after) != _decisive(before) or not 0 <= now - self._saved_at < SAVE_SEC:
            self._saved_at = now
            self._save()

    def _save(self) -> None:
        if not self._unsaved or self._paused:
            return
        from ...alerts.alert_state import save_states

        try:
            save_states(self._path, self._states or {})
        except OSError as error:
            if not self._save_failed:
                reason = error.strerror or error
                self._warn(f"can't save {self._path} ({reason}); after a restart alerts may be repeated")
            self._unsaved = self._save_failed = True
        else:
            self._unsaved = self._save_failed = False

    def _tell(self, config: Config, event: Event, now: float) -> None:
        from ...alerts.delivery import Delivery, Job
        from ...alerts.event import event_json

        if not 0 <= now - self._flood_began < FLOOD_SEC:
            self._count_dropped(now)
            self._flood_began, self._events = now, 0
        self._events += 1
        if self._events > MAX_EVENTS:
            self._dropped += 1
            self._dropped_in_all += 1
            return
        self._told += 1
        if self._delivery is None:
            self._delivery = Delivery(self._warn)
        host = socket.gethostname()
        for place, alert in enumerate(config.alerts, 1):
            if alert.when == event.when:
                payload = redact_body(event_json(event, host, topic=alert.topic).encode())
                self._delivery.put(Job(place, alert, event.kind, payload, config))

    def _count_dropped(self, now: float) -> None:
        if self._dropped and not 0 <= now - self._flood_began < FLOOD_SEC:
            self._warn(f"{self._dropped} alerts were dropped: there were more than {MAX_EVENTS} in a minute")
            self._dropped = 0


def _decisive(states: Mapping[str, ConditionState]) -> set[tuple[str, str]]:
    """Return what must not fire again."""
    return {
        (text, subject)
        for text, state in states.items()
        for subject, episode in state.episodes.items()
        if episode.known
    } | {(text, "") for text in states}
