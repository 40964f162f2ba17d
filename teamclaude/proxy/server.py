"""The server as a whole: start, config watch, ordered shutdown."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Optional

from .. import __version__
from ..accounts.config.config import Config
from ..accounts.config.config_file import ConfigFile
from ..accounts.config.state_place import alert_state_path, state_path
from ..accounts.tokens.hand_over import unfinished
from ..dial.authority import authority
from ..errors import ConfigError
from ..snapshot import CapacityView, Snapshot
from .lifecycle.config_check import ConfigCheck
from .lifecycle.ending import DRAINING
from .lifecycle.server_presence import ServerPresence, warning_of
from .lifecycle.service_manager import ServiceManager, pool_status
from .lifecycle.state_file import StateFile
from .lifecycle.state_move import answers_at, prepare_state_directory
from .lifecycle.state_saver import StateSaver
from .listener import Listener, is_loopback_name, open_listeners, server_context
from .messages.redact import redact_text
from .net.event_loop import STALLED_SEC
from .observed_state import ObservedState
from .own_requests.worker import OwnRequests
from .records.exchange import Exchange
from .records.journal import Journal
from .records.notices import SERVER, Notice
from .records.request_log import open_request_log
from .records.traffic_recorder import TrafficRecorder, trace_directory
from .reporting.notice_poll import notice_poll
from .reporting.observers import add_history, add_observers
from .reporting.reporter import Reporter
from .restart.own_command import OwnCommand
from .restart.predecessor import Predecessor
from .runtime import Runtime
from .succession import ServerParts, Succession

if TYPE_CHECKING:
    from .balancer.agent_check import AgentCheck

__all__ = ["ProxyServer"]

CONFIG_POLL_SEC = 2.0
SAVE_SEC = 10.0  # what a crash loses at most
STOP_SEC = 60.0  # for what follows the drain: token refreshes, alerts, files
MIN_DRAIN_SEC = 0.5  # even without a drain, waiting requests get their 503


class ProxyServer:
    """One proxy.  `clock` returns epoch seconds for routing; durations are always real.

    `on_end` is called with each finished request in the thread that served it: it must not block.
    `on_notice` is called with what happened to accounts and held requests, and its time: log lines.
    `manager` is told when the server answers, how the pool is, that it is alive, and when it ends.
    `inherited` are sockets that listen already: they are served, as of `open_listeners`.  `command` starts
    the program again, None: it can't be restarted.  From a `predecessor` this server takes over.
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
        manager: Optional[ServiceManager] = None,
        inherited: Sequence[socket.socket] = (),
        command: Optional[OwnCommand] = None,
        predecessor: Optional[Predecessor] = None,
    ) -> None:
        self._config_file = config_file
        self._manager = manager or ServiceManager(None)
        write = warn
        self._warn = warn = lambda line: write(redact_text(line))
        self._config_check = ConfigCheck(
            config_file, lambda settled: self._runtime.reload(settled, asked=False), warn
        )
        self._check_config = self._config_check.check
        config = config_file.load_or_create()
        for line in _config_notes(config_file, config):
            warn(line)
        self._drain_sec = drain_sec
        self._host = config.proxy.host if host is None else host
        self._requested_port = config.proxy.port if port is None else port
        self._tls = server_context(config.proxy.tls) if config.proxy.tls is not None else None
        if not is_loopback_name(self._host) and not config.proxy.api_key:
            raise ConfigError(f"{self._host} can be reached from other machines: set proxy.apiKey first")
        prepare_state_directory(config_file.path, os.environ, lambda: answers_at(config.proxy), warn)
        self._reporter = Reporter(clock, warn)
        self._journal = Journal(
            open_request_log(config, log_dir, warn, clock),
            [self._reporter.put] if on_end is None else [self._reporter.put, on_end],
        )
        self._state_file = StateFile(str(state_path(config_file.path)), warn)
        self._saver = StateSaver(self._state_file, lambda: self._observed.collect(), warn, save_sec)
        self._runtime = Runtime(
            config_file, config, self._journal, clock, warn, self._saver.changed, self._host
        )
        self._journal.names = self._runtime.router.names
        self._journal.recorder = TrafficRecorder(trace_directory(config_file.path), warn, clock)
        self._journal.recorder.switch(config.record)
        alert_state = alert_state_path(config_file.path)
        self._forecasting, self._alerting = add_observers(self._reporter, self._runtime, alert_state, warn)
        self._observed = ObservedState(self._runtime, self._forecasting, warn)
        if predecessor is None:
            self._observed.restore(self._state_file.claim(self._saver.name))
        self._emit = _both(self._reporter.put_notice, on_notice)
        self._clock = clock
        self._notices = notice_poll(self._runtime, clock, self._emit)
        self._presence = ServerPresence(config_file.path)
        self._runtime.save_soon = self._saver.save_soon
        self._runtime.other_servers = lambda: tuple(map(str, self._presence.others))
        life = self._runtime.life
        self._own_requests = OwnRequests(
            lambda: self._runtime.context, lambda: bool(life.ending.phase), warn, self._reporter.put
        )
        self._runtime.probes = self._own_requests.probes
        self._inherited, self._predecessor = inherited, predecessor
        self._listeners: list[Listener] = []
        self._agent: Optional[AgentCheck] = None
        self._stop_lock = threading.Lock()
        self._stopped = threading.Event()
        self.succession = Succession(self._parts(), command, predecessor)

    def _parts(self) -> ServerParts:
        return ServerParts(
            runtime=self._runtime,
            reporter=self._reporter,
            saver=self._saver,
            state_file=self._state_file,
            alerting=self._alerting,
            forecasting=self._forecasting,
            manager=self._manager,
            observed=self._observed,
            presence=self._presence,
            tell=self._tell_of_server,
            warn=self._warn,
            stop=self.stop,
            finish=self._finish,
        )

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen and serve in the background.

        Raises ConfigError when the port is not available, RestartFailedError when a predecessor goes on.
        """
        before, host, port = self._predecessor, self._host, self._requested_port
        inherited = self._inherited if before is None else before.sockets_for(host, port)
        self._listeners = open_listeners(self._runtime, host, port, self._tls, inherited)
        managed = bool(self._inherited) or (before is not None and before.told.get("managed") is True)
        told = {"host": host, "port": port, "managed": managed}
        self.succession.listens(self._listeners, told)
        self._runtime.port = self.port
        self._runtime.page.listens_at(self.port)
        self._agent = self._start_agent()
        if before is not None:
            state = self.succession.take_over()
            self._observed.restore(self._state_file.claim(self._saver.name, state))
        for listener in self._listeners:
            listener.start()
        from .forwarding import early_upload, forwarder, passthrough  # noqa: F401 - the first request needs it

        self.succession.serving()
        self._saver.start()
        add_history(self._reporter, self._runtime)
        self._runtime.live_history.start()
        self._reporter.start()
        self._runtime.token_manager.start()
        self._tell_of_server(f"started on {' and '.join(self.urls)}")
        self._notices.poll()
        self._presence.begin(self.port)
        self._tell_of_others()
        threading.Thread(target=self._watch_config, name="config-watch", daemon=True).start()
        self._own_requests.check()
        if self._runtime.context.config.warm_on_startup:
            from .own_requests.warm_up import warm_up

            warm_up(self._runtime.context, self._reporter.put)
        self._manager.ready(self._pool_status())

    def _start_agent(self) -> Optional[AgentCheck]:
        runtime = self._runtime
        port, hosts = runtime.context.config.proxy.agent_port, [each.server_name for each in self._listeners]
        if port is None:
            return None
        from .balancer.agent_check import start_agent

        def look() -> tuple[CapacityView, str]:
            phase = DRAINING if runtime.draining else runtime.life.ending.phase
            return runtime.pool().capacity, phase

        try:
            agent = start_agent(hosts, port, look, self._warn, runtime.context.monotonic)
        except ConfigError:
            for listener in self._listeners:
                listener.server_close()
            raise
        self.succession.let_go = agent.close
        return agent

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait up to `timeout` seconds; return True once the server has stopped."""
        return self._stopped.wait(timeout)

    @property
    def is_over(self) -> bool:
        """Whether it has stopped, or another process serves in its place."""
        return self._stopped.is_set() or self.succession.successor is not None

    def stop(self, drain_sec: Optional[float] = None) -> None:
        """Stop accepting, let running responses finish for up to `drain_sec`, save the state.

        Waiting requests are answered 503 at once.  A second call, from another thread, with 0 ends the
        drain of the first.
        """
        runtime = self._runtime
        limit = self._drain_limit(drain_sec)
        self.succession.begin_stop(max(limit, MIN_DRAIN_SEC))
        self._manager.stopping(limit + STOP_SEC, f"running answers may take {limit:g} s")
        self._presence.ending()
        runtime.router.drain()
        runtime.page.publisher.close()
        if runtime.life.handed_over:
            runtime.connections.close_idle()
            if limit <= 0:
                runtime.connections.close_all()
            self._stopped.wait()
        if limit <= 0 and self._stop_lock.locked():
            runtime.connections.close_all()
        with self._stop_lock:
            if self._stopped.is_set():
                return
            for listener in self._listeners:
                listener.server_close()
            self._saver.begin_end()
            runtime.connections.drain(max(limit, MIN_DRAIN_SEC))
            self._finish(self._saver.stop)

    def _drain_limit(self, drain_sec: Optional[float]) -> float:
        wanted = self._drain_sec if drain_sec is None else drain_sec
        return self._runtime.context.config.drain_sec if wanted is None else wanted

    def _finish(self, save: Callable[[], None]) -> None:
        """Cut the connections that are left, end all threads, and `save` what was learned."""
        runtime = self._runtime
        if runtime.life.handed_over:  # what is held here still is told so
            runtime.router.drain()
            runtime.connections.wait_empty(MIN_DRAIN_SEC)
        if not runtime.connections.wait_empty(0):
            runtime.connections.close_all()
            runtime.connections.wait_empty(1.0)
        if self._agent is not None:
            self._agent.close()
        self._own_requests.stop()
        runtime.token_manager.stop()
        with suppress(Exception):
            if not runtime.life.handed_over:
                self._notices.poll()
            self._tell_of_server("stopped")
        self._reporter.close()
        save()
        self._journal.close()
        runtime.context.pool.close()
        runtime.context.event_loop.close()
        runtime.threads.close()
        runtime.close()
        self._presence.end()
        self._stopped.set()

    def _pool_status(self) -> str:
        if not self._manager.present:
            return ""
        return pool_status(self.urls[0], self._runtime.pool().capacity)

    def _tell_of_server(self, text: str) -> None:
        self._emit(Notice(SERVER, __version__, text), self._clock())

    def _tell_of_others(self) -> None:
        for other in self._presence.look():
            self._warn(warning_of(other))

    def _watch_config(self) -> None:
        while not self._stopped.wait(CONFIG_POLL_SEC):
            if self._runtime.context.event_loop.cut_stalled():
                self._warn(f"a connection that kept all others waiting for {STALLED_SEC:g} s was cut")
            self._runtime.context.pool.close_stale()
            self._runtime.threads.retry()
            self._reporter.wake()
            self._check_config()
            if self._runtime.life.handed_over:  # all that follows is done by the successor
                continue
            self._own_requests.check()
            with suppress(Exception):  # a defect in a notice must not end the watch
                self._notices.poll()
            self._tell_of_others()
            self._manager.alive()
            if self._manager.present and not self._runtime.life.ending.phase:
                self._manager.status(self._pool_status())
            self._runtime.forward_proxy.check(self._runtime.context.config)
            self.succession.adopt_left()

    # --- for the command line, the Deck and the demo ----------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listeners[0].server_port

    @property
    def urls(self) -> list[str]:
        """The URLs it listens on; clients get the first."""
        scheme = "http" if self._tls is None else "https"
        return [f"{scheme}://{authority(each.server_name, each.server_port)}" for each in self._listeners]

    def snapshot(self) -> Snapshot:
        """Return all that is known now."""
        return self._runtime.snapshot()

    @property
    def revision(self) -> Hashable:
        """A cheap value that changes when the snapshot changes by more than the passing of time."""
        return self._runtime.revision

    def reload(self) -> dict[str, Any]:
        """Read the config again; raise BadRequestError and keep the old one if it is invalid."""
        self._config_check.loaded()
        self._manager.reloading()
        try:
            return self._runtime.reload()
        finally:
            self._manager.ready(self._pool_status())

    def drain(self, announce_sec: Optional[float] = None) -> dict[str, Any]:
        """Announce the end, and stop later, as of `Succession.drain`."""
        return self.succession.drain(announce_sec)

    def restart(self) -> dict[str, Any]:
        """Have another process serve in place of this one, as of `Succession.restart`."""
        return self.succession.restart()

    @property
    def config_file(self) -> ConfigFile:
        """The config file with its accounts."""
        return self._config_file

    @property
    def runtime(self) -> Runtime:
        """The live parts, for the Deck and tests."""
        return self._runtime


def _config_notes(file: ConfigFile, config: Config) -> list[str]:
    """Return what a person should know of the config file: one line each."""
    return [*file.permission_warnings(), *file.new_notes(), *map(str, unfinished(file, config))]


def _both(first: Callable[..., None], second: Optional[Callable[..., None]]) -> Callable[..., None]:
    """Return what calls both with the same arguments."""
    if second is None:
        return first

    def call(*args: object) -> None:
        first(*args)
        second(*args)

    return call
