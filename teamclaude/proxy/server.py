"""The server as a whole: start, config watch, ordered shutdown."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import Any, Optional

from ..accounts.config.config import Config
from ..accounts.config.config_file import ConfigFile, state_path
from ..errors import ConfigError, TeamClaudeError
from ..routing.view import states_of
from ..snapshot import Snapshot
from .listener import Listener, is_loopback_name, open_listeners, server_context
from .messages.redact import redact_text
from .net.event_loop import STALLED_SEC
from .records.exchange import Exchange
from .records.journal import Journal
from .records.notices import Notice, Notices
from .records.request_log import RequestLog
from .records.traffic_recorder import TrafficRecorder, trace_directory
from .runtime import Runtime
from .state_file import StateFile, StateSaver
from .warmup import warm_up

__all__ = ["ProxyServer"]

CONFIG_POLL_SEC = 2.0
SAVE_SEC = 10.0  # what a crash loses at most
MIN_DRAIN_SEC = 0.5  # even without a drain, waiting requests get their 503


class ProxyServer:
    """One proxy.  `clock` returns epoch seconds for routing; durations are always real.

    `on_end` is called with each finished request in the thread that served it: it must not block.
    `on_notice` is called with what happened to accounts and held requests, and its time: log lines.
    """

    def __init__(
        self,
        config_file: ConfigFile,
        *,
        host: Optional[str] = None,
        port: Optional[int] = None,
        log_dir: Optional[str] = None,
        drain_sec: Optional[float] = None,
        clock: Callable[[], float] = time.time,
        on_end: Optional[Callable[[Exchange], None]] = None,
        warn: Callable[[str], None] = lambda line: None,
        on_notice: Callable[[Notice, float], None] = lambda notice, now: None,
        save_sec: float = SAVE_SEC,
    ) -> None:
        self._config_file = config_file
        write = warn
        self._warn = warn = lambda line: write(redact_text(line))
        self._loaded_stamp = self._seen_stamp = config_file.stamp()
        self._last_config_error = ""  # of the config file, until it is valid again
        config = config_file.load_or_create()
        for danger in config_file.permission_warnings():
            warn(danger)
        self._drain_sec = drain_sec
        self._host = config.proxy.host if host is None else host
        self._requested_port = config.proxy.port if port is None else port
        self._tls = server_context(config.proxy.tls) if config.proxy.tls is not None else None
        if not is_loopback_name(self._host) and not config.proxy.api_key:
            raise ConfigError(f"{self._host} can be reached from other machines: set proxy.apiKey first")
        self._journal = Journal(_request_log(config, log_dir, warn, clock), on_end)
        state_file = StateFile(str(state_path(config_file.path)), warn)
        self._saver = StateSaver(state_file, lambda: self._runtime.router.dump(), warn, save_sec)
        self._runtime = Runtime(
            config_file, config, self._journal, clock, warn, self._saver.changed, self._host
        )
        self._journal.names = self._runtime.router.names
        self._journal.recorder = TrafficRecorder(trace_directory(config_file.path), warn, clock)
        self._journal.recorder.switch(config.record)
        for lost in self._runtime.router.restore(state_file.load()):
            warn(f"not restored from the state file: {lost}")
        # Credentials may have changed since the state was saved: a refused login is tried again.
        self._runtime.router.credentials_changed([account.key for account in config.accounts])
        self._notices = Notices(
            partial(self._runtime.router.read, states_of),
            self._runtime.held,
            lambda: self._runtime.router.changes,
            clock,
            on_notice,
            self._runtime.forward_proxy.tunnels.take_notices,
        )
        self._listeners: list[Listener] = []
        self._stop_lock = threading.Lock()
        self._stopped = threading.Event()

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen and serve in the background; raise ConfigError when the port is not available."""
        self._listeners = open_listeners(self._runtime, self._host, self._requested_port, self._tls)
        self._runtime.port = self.port
        for listener in self._listeners:
            listener.start()
        self._saver.start()
        self._runtime.token_manager.start()
        self._notices.poll()
        threading.Thread(target=self._watch_config, name="config-watch", daemon=True).start()
        if self._runtime.context.config.warm_on_startup:
            warm_up(self._runtime.context)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait up to `timeout` seconds; return True once the server has stopped."""
        return self._stopped.wait(timeout)

    def stop(self, drain_sec: Optional[float] = None) -> None:
        """Stop accepting, let running responses finish for up to `drain_sec`, save the state.

        Waiting requests are answered 503 at once.  A second call, from another thread, with 0 ends the
        drain of the first.
        """
        runtime = self._runtime
        wanted = self._drain_sec if drain_sec is None else drain_sec
        limit = runtime.context.config.drain_sec if wanted is None else wanted
        runtime.draining = True
        runtime.router.drain()
        if limit <= 0 and self._stop_lock.locked():
            runtime.connections.close_all()
        with self._stop_lock:
            if self._stopped.is_set():
                return
            for listener in self._listeners:
                listener.shutdown()
                listener.server_close()
            runtime.connections.close_idle()
            if not runtime.connections.wait_empty(max(limit, MIN_DRAIN_SEC)):
                runtime.connections.close_all()
                runtime.connections.wait_empty(1.0)
            runtime.token_manager.stop()
            with suppress(Exception):
                self._notices.poll()
            self._saver.stop()
            self._journal.close()
            runtime.context.pool.close()
            runtime.context.event_loop.close()
            runtime.close()
            self._stopped.set()

    def _watch_config(self) -> None:
        while not self._stopped.wait(CONFIG_POLL_SEC):
            if self._runtime.context.event_loop.cut_stalled():
                self._warn(f"a connection that kept all others waiting for {STALLED_SEC:g} s was cut")
            self._runtime.context.pool.close_stale()
            with suppress(Exception):  # a defect in a notice must not end the watch
                self._notices.poll()
            self._check_config()
            self._runtime.forward_proxy.check(self._runtime.context.config)

    def _check_config(self) -> None:
        """Read the file again when it has changed.

        An invalid or missing file has time until the next poll: editors truncate a file before they write it,
        or move it away first.
        """
        stamp = self._config_file.stamp()
        settled, self._seen_stamp = stamp == self._seen_stamp, stamp
        if stamp == self._loaded_stamp:
            return
        try:
            changes = self._runtime.reload(settled)
        except TeamClaudeError as error:
            if settled and str(error) != self._last_config_error:
                self._last_config_error = str(error)
                self._warn(self._last_config_error)
            return
        self._last_config_error = ""
        self._loaded_stamp = stamp
        self._report_changes(changes)

    def _report_changes(self, changes: dict[str, Any]) -> None:
        for what in ("added", "removed", "updated"):
            if changes[what]:
                self._warn(f"config read again: {what} {', '.join(changes[what])}")
        if changes["needsRestart"]:
            self._warn(f"in force after a restart only: {', '.join(changes['needsRestart'])}")

    # --- for the command line, the Deck and the demo ----------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listeners[0].server_port

    @property
    def urls(self) -> list[str]:
        """The URLs it listens on; clients get the first."""
        scheme = "http" if self._tls is None else "https"
        addresses = [(listener.server_name, listener.server_port) for listener in self._listeners]
        return [f"{scheme}://[{h}]:{p}" if ":" in h else f"{scheme}://{h}:{p}" for h, p in addresses]

    def snapshot(self) -> Snapshot:
        """Return all that is known now."""
        return self._runtime.snapshot()

    @property
    def revision(self) -> Hashable:
        """A cheap value that changes when the snapshot changes by more than the passing of time."""
        return self._runtime.router.changes, self._journal.revision, self._runtime.draining

    def reload(self) -> dict[str, Any]:
        """Read the config again; raise BadRequestError and keep the old one if it is invalid."""
        self._loaded_stamp = self._config_file.stamp()
        return self._runtime.reload()

    @property
    def config_file(self) -> ConfigFile:
        """The config file with its accounts."""
        return self._config_file

    @property
    def runtime(self) -> Runtime:
        """The live parts, for the Deck and tests."""
        return self._runtime


def _request_log(
    config: Config, log_dir: Optional[str], warn: Callable[[str], None], clock: Callable[[], float]
) -> Optional[RequestLog]:
    directory = log_dir or (config.log_dir if config.log_requests else None)
    if config.log_requests and not directory:
        raise ConfigError("logRequests needs logDir, the directory to write to")
    if not directory:
        return None
    path = os.path.expanduser(directory)
    return RequestLog(path, config.log_max_body_bytes, config.log_retention_hours, warn, clock)
