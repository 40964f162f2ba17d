"""What lives as long as the server: the current configuration, routing and journal.

A reload builds a new RequestContext and swaps it in one assignment: requests see the old one or the new one,
never a mixture.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

from .. import __version__
from ..accounts.config.changes import changed_keys, keys_needing_restart
from ..accounts.config.config import Config
from ..accounts.config.config_file import ConfigFile
from ..accounts.tokens.last_good import LastGoodConfig
from ..accounts.tokens.token_manager import TokenManager
from ..dial.reachability import Reachability
from ..errors import BadRequestError, ConfigError
from ..forecast.views import PoolForecast, with_forecast
from ..request_views import AccountTrend
from ..routing.pool.fair_share import PoolWindow, pool_windows
from ..routing.quota.usage import Price
from ..routing.view import snapshot_of
from ..snapshot import HeldView, NeedsYouView, ProbeView, Snapshot, SystemView
from ..threads import Signal, WorkerThreads
from ..values import replace
from .answers.page import Page
from .clients.usage import ClientUsage
from .connect.forward_proxy import ForwardProxy
from .forwarding.account_targets import AccountTargets, CurrentTargets
from .forwarding.context import RecentlyRefused, RequestContext, check_proxies, has_same_pool, make_pool
from .forwarding.router import Router
from .forwarding.user_rules import configured_by, new_fleet
from .lifecycle.life import Life
from .lifecycle.readiness import ReadinessProbe
from .messages.access import AccessPolicy
from .messages.redact import KNOWN_SECRETS, redact_text, secrets_of
from .net.bodies.body_limit import BodyLimiter
from .net.bodies.spool import Spool
from .net.connections import Connections
from .net.event_loop import EventLoop
from .net.transport import UpstreamPool
from .operator_controls import OperatorControls
from .records.exchange import Exchange
from .records.journal import Journal
from .records.outages import ApiUsers, cut_off, outage_views
from .reporting.alerting import AlertCounts
from .reporting.live_history import LiveHistory
from .reporting.request_metrics import RequestMetrics

if TYPE_CHECKING:
    from ..history.writer import HistoryWriter

__all__ = ["Runtime", "resident_mb"]

SPOOL_NAME = "teamclaude.spool"  # beside the config file


class Reloads:
    """How reloads of the config file went; changed under `Runtime._reloading`."""

    done = failed = 0
    last_ok = True
    at: Optional[float] = None  # of the last good one, epoch seconds


class Runtime:
    """What all connections share."""

    def __init__(
        self,
        config_file: ConfigFile,
        config: Config,
        journal: Journal,
        clock: Callable[[], float],
        warn: Callable[[str], None],
        changed: Signal,
        listens_on: str = "",
    ) -> None:
        self._config_file = config_file
        self._listens_on = listens_on
        self._started_with = config
        self._reloading = threading.Lock()  # one reload at a time
        self.clock = clock
        self.warn = warn
        self.journal = journal
        self.connections, self.threads = Connections(), WorkerThreads("connection")
        self.clients = ClientUsage(clock, self._pool_windows)
        self.clients.configure(config.proxy.clients)
        self.request_metrics = RequestMetrics()
        self.reloads = Reloads()
        self.reachability = Reachability(clock)
        self.alert_counts: Callable[[], AlertCounts] = AlertCounts
        self.forward_proxy = ForwardProxy(config_file.path, warn)
        self.forward_proxy.configure(config)
        self.body_limiter = BodyLimiter(lambda: self.context.config.proxy.max_bodies_mib << 20)
        self.spool = Spool(str(config_file.path.parent / SPOOL_NAME))
        # What a session works on, and in which directory, as read from disk elsewhere: these do no I/O.
        self.issue_of: Callable[[str], Optional[str]] = lambda session: None
        self.project_of: Callable[[str], Optional[str]] = lambda session: ""
        self.live_history = LiveHistory(config_file.path, config, warn, clock)
        # Set by the server: counts the requests that have just ended; saves what a person decided.
        self.flush_reports: Callable[[], None] = lambda: None
        self.save_soon: Callable[[], None] = lambda: None
        self.draining = False  # nothing new is taken any more
        self.life = Life()
        self.readiness = ReadinessProbe(lambda: self.snapshot(requests=False), config.proxy.max_held)
        self.port = 0
        self.page = Page(self.snapshot, lambda: self.revision, warn)
        # Returns what the disk says of the sessions in a snapshot; set by the program that starts the server.
        self.sessions_on_disk: Callable[[Snapshot], dict[str, Any]] = lambda snapshot: {}
        self.other_servers: Callable[[], tuple[str, ...]] = lambda: ()  # with the same file, in words
        self.forecast = PoolForecast()  # the latest, replaced as a whole by the reporter's thread
        # Returns who waits for a person, by the disk and a snapshot; set there, too; does no I/O.
        self.needs_you_of: Callable[[Snapshot], tuple[NeedsYouView, ...]] = lambda snapshot: ()
        # Returns the accounts' last hour by name, at a time; set when it is recorded.
        self.trends: Callable[[float], Mapping[str, AccountTrend]] = lambda now: {}
        self.probes: Callable[[], Mapping[str, ProbeView]] = lambda: {}  # how asking goes, by account
        self._started_at = time.monotonic()
        self.token_manager = TokenManager(
            config_file,
            config,
            on_new_tokens=self._on_new_tokens,
            on_auth_failed=self._on_auth_failed,
            warn=warn,
            clock=clock,
        )
        targets = AccountTargets(config, config.accounts, self.token_manager)
        router = Router(
            new_fleet(config, targets.specs), clock, max_held=config.proxy.max_held, changed=changed
        )
        self.access_policy = AccessPolicy(config.proxy, listens_on)
        self._recently_refused = RecentlyRefused()
        self._event_loop = EventLoop()
        self._targets = CurrentTargets(targets)
        self.controls = OperatorControls(self, config_file, self._targets)
        self.context = self._make_context(config, router, make_pool(config))
        check_proxies(config, self.context.pool)
        self._last_good = LastGoodConfig(config_file, config, self.token_manager.pairs, warn)
        self._register_secrets()

    def _make_context(self, config: Config, router: Router, pool: UpstreamPool) -> RequestContext:
        return RequestContext(
            config,
            self._targets,
            self.token_manager,
            router,
            pool,
            self._event_loop,
            self.access_policy.is_proxy_secret,
            self._recently_refused,
            self.clock,
            project_of=lambda session: self.project_of(session),
            reachability=self.reachability,
        )

    def _register_secrets(self) -> None:
        KNOWN_SECRETS.set_values(self, secrets_of(self.context.config, self.token_manager.pairs().values()))

    def close(self) -> None:
        """Write the config file again if it was lost just before the end, and forget the secrets."""
        try:
            with self._reloading:
                self._last_good.load()
        except ConfigError as error:
            self.warn(str(error))
        KNOWN_SECRETS.forget(self)

    def _on_new_tokens(self, key: str) -> None:
        self._register_secrets()
        self.router.credentials_changed([key])

    def _on_auth_failed(self, key: str, reason: str) -> None:
        self.router.mark_account_auth_failed(key, reason)

    @property
    def router(self) -> Router:
        """The router, which survives reloads."""
        return self.context.router

    def price_of(self, model: Optional[str]) -> Optional[Price]:
        """Return the list price of a model; None if it is unknown."""
        return self.context.prices[model]

    @property
    def history(self) -> Optional[HistoryWriter]:
        """The history, for its `view` and `reader`; None when it is off or can't be kept."""
        return self.live_history.writer if self.live_history.view.on else None

    # --- readers ----------------------------------------------------------------------------------

    @property
    def revision(self) -> Hashable:
        """A cheap value that changes when the snapshot changes by more than the passing of time."""
        return self.router.changes, self.journal.revision, self.draining, self.life.revision

    def snapshot(self, requests: bool = True, model: Optional[str] = None) -> Snapshot:
        """Return all that is known now; `requests`: with those that run and the last ones that ended.

        `model`: as of `snapshot_of`.
        """
        self.flush_reports()
        held = tuple(one for _, one in self.held())
        found = self.pool(model)
        longest = max((one.held_sec for one in held), default=0.0)
        inflight = self.journal.inflight() if requests else ()
        found = with_forecast(replace(found, inflight=inflight), self.forecast)
        probes = self.probes()
        if probes:
            accounts = (replace(each, quota_probe=probes.get(each.name)) for each in found.accounts)
            found = replace(found, accounts=tuple(accounts))
        return replace(
            found,
            capacity=replace(found.capacity, held=len(held), held_sec=longest),
            system=self._system(len(held)),
            history=self.live_history.view,
            usage_by_issue=self.live_history.issues.view(),
            held=held,
            clients=self.clients.view(),
            tunnels=self.forward_proxy.tunnels.view(),
            needs_you=self.needs_you_of(found),
            activity=self.journal.recent() if requests else (),
        )

    def pool(self, model: Optional[str] = None) -> Snapshot:
        """Return what routing knows, and which APIs can't be reached; `model` as of `snapshot_of`."""
        users, outages = self.api_users(), self.reachability.outages
        tokens, unreachable = self.token_manager.statuses(), cut_off(outages, users, self.clock())
        found = self.router.read(lambda fleet, now: snapshot_of(fleet, now, tokens, model, unreachable))
        return replace(found, outages=outage_views(outages, users)) if outages else found

    def api_users(self) -> Mapping[Hashable, ApiUsers]:
        """Return the accounts by the API that their requests go to."""
        return self._targets.current.api_users

    def _pool_windows(self) -> Mapping[str, Sequence[PoolWindow]]:
        """Return what is left of the accounts' windows, in tokens."""
        return self.router.read(lambda fleet, now: pool_windows(fleet.accounts.values(), fleet.rules, now))

    def held(self) -> list[tuple[Exchange, HeldView]]:
        """Return the requests that are held, in the order they came."""
        waiting = self.journal.waiting_exchanges() if self.router.waiting else []
        return [(exchange, held) for exchange in waiting if (held := exchange.held()) is not None]

    def _system(self, held: int) -> SystemView:
        return SystemView(
            version=__version__,
            pid=os.getpid(),
            port=self.port,
            proxy_rss_mb=resident_mb(),
            proxy_uptime_sec=time.monotonic() - self._started_at,
            threads=threading.active_count(),
            connections=len(self.connections),
            waiting=self.router.waiting,
            draining=self.draining,
            ending=self.life.view(self.journal.running),
            predecessors=self.life.predecessors,
            upstream=self.context.config.upstream,
            held=held,
            other_servers=self.other_servers(),
        )

    # --- reloads ----------------------------------------------------------------------------------

    def reload(self, settled: bool = True, asked: bool = True) -> dict[str, Any]:
        """Read the config file again; raise BadRequestError and keep the old one if it is invalid.

        `settled`: no program is about to write the file, so a lost one may be written again.  `asked`: a
        person wants it, so programs that print credentials are run again.
        """
        with self._reloading:
            try:
                config, targets, policy, pool = self._read_again(settled)
            except Exception as error:  # also a defect of ours: a bad file must not end a server
                self.reloads.failed, self.reloads.last_ok = self.reloads.failed + 1, False
                defect = f"internal error: {type(error).__name__} (teamclaude doctor looks at the file)"
                why = error if isinstance(error, ConfigError) else defect
                raise BadRequestError(f"Not reloaded, the running configuration stays: {why}") from error
            self._last_good.accept()
            for line in self._config_file.new_notes():
                self.warn(line)
            old = self.context
            renewed = [
                *targets.changed_api_keys(self._targets.current),
                *self.token_manager.configure(config, asked),
            ]
            self.access_policy = policy
            self.connections.close_forbidden(policy)
            self.clients.configure(config.proxy.clients)
            self._targets.current = targets
            self.context = self._make_context(config, old.router, pool)
            self._register_secrets()
            if pool is not old.pool:
                old.pool.close()
            changes = old.router.configure(configured_by(config, targets.specs, renewed))
            if self.journal.recorder is not None:
                self.journal.recorder.switch(config.record)
            self.live_history.configure(config)
            names = targets.names()
            self.reloads.done += 1
            self.reloads.last_ok, self.reloads.at = True, self.clock()
            updated = {*changes.updated, *(names[key] for key in renewed)}
        return {
            "reloaded": True,
            "added": list(changes.added),
            "removed": list(changes.removed),
            "updated": sorted(updated),
            "settings": changed_keys(old.config, config),
            "needsRestart": keys_needing_restart(self._started_with, config),
        }

    def _read_again(self, settled: bool) -> tuple[Config, AccountTargets, AccessPolicy, UpstreamPool]:
        """Read the config file and make what may fail; raises ConfigError."""
        config = self._last_good.load(settled)
        targets = AccountTargets(config, config.accounts, self.token_manager)
        policy = AccessPolicy(config.proxy, self._listens_on)
        pool = self.context.pool if has_same_pool(self.context.config, config) else make_pool(config)
        check_proxies(config, pool)
        self.forward_proxy.configure(config)
        return config, targets, policy, pool

    def report_internal_error(self, request: str, error: BaseException) -> None:
        """Warn of an unforeseen error in one line; with TEAMCLAUDE_DEBUG also with its traceback."""
        self.warn(
            f"internal error in request {request}: {type(error).__name__} (TEAMCLAUDE_DEBUG=1 shows where)"
        )
        if os.environ.get("TEAMCLAUDE_DEBUG"):
            import traceback

            lines = traceback.format_exception(type(error), error, error.__traceback__)
            self.warn(redact_text("".join(lines)))


def resident_mb() -> Optional[float]:
    """Return the resident memory of this process in MB, None where it can't be read."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
