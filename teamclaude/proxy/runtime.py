"""What lives as long as the server: the current configuration, routing, journal and controls.

A reload builds a new RequestContext and swaps it in one assignment: requests see the old one or the new one,
never a mixture.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any, Optional

from .. import __version__
from ..accounts.config.config import Config
from ..accounts.config.config_file import ConfigFile
from ..accounts.config.edits import edit_account
from ..accounts.config.identity import find_name
from ..accounts.tokens.last_good import LastGoodConfig
from ..accounts.tokens.token_manager import TokenManager
from ..errors import BadRequestError, ConfigError, NotFoundError, UsageError
from ..routing.fleet import Fleet
from ..routing.policies.registry import POLICIES
from ..settings import camel_case
from ..snapshot import HeldView, Snapshot, SystemView
from ..typed_json import to_json
from .clients import ClientUsage
from .connect.forward_proxy import ForwardProxy
from .forwarding.account_targets import AccountTargets, CurrentTargets
from .forwarding.context import RecentlyRefused, RequestContext
from .forwarding.router import Router
from .http.origin import Origin, parse_origin
from .messages.access import AccessPolicy
from .messages.redact import KNOWN_SECRETS, redact_text, secrets_of
from .net.body_limit import BodyLimiter
from .net.body_reader import Spool
from .net.connections import Connections
from .net.event_loop import EventLoop
from .net.transport import UpstreamPool
from .records.exchange import Exchange
from .records.journal import Journal

__all__ = ["Runtime", "resident_mb"]

SPOOL_NAME = "teamclaude.spool"  # beside the config file

# Read once, when the server starts.
_NEEDS_RESTART = (
    "proxy.host",
    "proxy.port",
    "proxy.tls",
    "proxy.max_held",
    "log_dir",
    "log_requests",
    "log_max_body_bytes",
    "log_retention_hours",
)


class Runtime:
    """What all connections share, and the controls of the operator."""

    def __init__(
        self,
        config_file: ConfigFile,
        config: Config,
        journal: Journal,
        clock: Callable[[], float],
        warn: Callable[[str], None],
        changed: threading.Event,
        listens_on: str = "",
    ) -> None:
        self._config_file = config_file
        self._listens_on = listens_on
        self._started_with = config
        self._reloading = threading.Lock()  # one reload at a time
        self.clock = clock
        self.warn = warn
        self.journal = journal
        self.connections = Connections()
        self.clients = ClientUsage()
        self.forward_proxy = ForwardProxy(config_file.path, warn)
        self.forward_proxy.configure(config)
        self.body_limiter = BodyLimiter(lambda: self.context.config.proxy.max_bodies_mib << 20)
        self.spool = Spool(str(config_file.path.parent / SPOOL_NAME))
        # Returns what a session works on, as read from disk elsewhere; does no I/O.
        self.issue_of: Optional[Callable[[str], Optional[str]]] = None
        self.draining = False
        self.port = 0
        # Returns what the disk says of the sessions in a snapshot; set by the program that starts the server.
        self.sessions_on_disk: Callable[[Snapshot], dict[str, Any]] = lambda snapshot: {}
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
        fleet = Fleet(config.rules, POLICIES[config.policy](), config.pricing)
        fleet.configure(targets.specs)
        router = Router(fleet, clock, max_held=config.proxy.max_held, changed=changed)
        self.access_policy = AccessPolicy(config.proxy, listens_on)
        self._recently_refused = RecentlyRefused()
        self._event_loop = EventLoop()
        self._targets = CurrentTargets(targets)
        self.context = self._make_context(config, router, _make_pool(config))
        _check_proxies(config, self.context.pool)
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

    # --- readers ----------------------------------------------------------------------------------

    def snapshot(self, requests: bool = True, model: Optional[str] = None) -> Snapshot:
        """Return all that is known now; `requests`: with those that run and the last ones that ended.

        `model`: as of `snapshot_of`.
        """
        held = tuple(one for _, one in self.held())
        found = self.router.snapshot(self.token_manager.statuses(), model)
        longest = max((one.held_sec for one in held), default=0.0)
        return replace(
            found,
            capacity=replace(found.capacity, held=len(held), held_sec=longest),
            system=self._system(len(held)),
            held=held,
            clients=self.clients.view(),
            tunnels=self.forward_proxy.tunnels.view(),
            activity=self.journal.recent() if requests else (),
            inflight=self.journal.inflight() if requests else (),
        )

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
            upstream=self.context.config.upstream,
            held=held,
        )

    # --- controls ---------------------------------------------------------------------------------

    def reload(self, settled: bool = True) -> dict[str, Any]:
        """Read the config file again; raise BadRequestError and keep the old one if it is invalid.

        `settled`: no program is about to write the file, so a lost one may be written again.
        """
        with self._reloading:
            try:
                config = self._last_good.load(settled)
                targets = AccountTargets(config, config.accounts, self.token_manager)
                policy = AccessPolicy(config.proxy, self._listens_on)
                same = _same_pool_settings(self.context.config, config)
                pool = self.context.pool if same else _make_pool(config)
                _check_proxies(config, pool)
                self.forward_proxy.configure(config)
            except ConfigError as error:
                raise BadRequestError(f"Not reloaded, the running configuration stays: {error}") from error
            self._last_good.accept()
            old = self.context
            renewed = [
                *targets.changed_api_keys(self._targets.current),
                *self.token_manager.configure(config),
            ]
            self.access_policy = policy
            self._targets.current = targets
            self.context = self._make_context(config, old.router, pool)
            self._register_secrets()
            if pool is not old.pool:
                old.pool.close()
            changes = old.router.configure(
                targets.specs, config.rules, POLICIES[config.policy](), config.pricing, renewed
            )
            if self.journal.recorder is not None:
                self.journal.recorder.switch(config.record)
            names = targets.names()
            updated = {*changes.updated, *(names[key] for key in renewed)}
        return {
            "reloaded": True,
            "added": list(changes.added),
            "removed": list(changes.removed),
            "updated": sorted(updated),
            "needsRestart": _keys_needing_restart(self._started_with, config),
        }

    def switch(self, account: Optional[str], session: Optional[str]) -> dict[str, Any]:
        """Pin all traffic, or one session, to an account; None removes the pin."""
        name = None if account is None else self._full_name(account)
        self.router.pin(None if name is None else self._targets.current.key_of(name), session)
        pins = [to_json(pin) for pin in self.router.snapshot({}).pins]
        return {"account": name, "session": session, "pins": pins}

    def set_enabled(self, account: str, enabled: bool) -> dict[str, Any]:
        """Enable or disable an account, at once and in the config file."""
        name = self._full_name(account)
        try:
            self._config_file.update(lambda raw: edit_account(raw, name, disabled=not enabled))
        except (ConfigError, UsageError) as error:
            raise BadRequestError(str(error)) from error
        self.reload()
        key = self._targets.current.key_of(name)
        if enabled and key is not None:
            self.router.reset_benches(key)
        return {"account": name, "enabled": enabled}

    def record(self, on: Optional[bool]) -> dict[str, Any]:
        """Switch the recording of traffic, at once and in the config file; None only returns its state."""
        recorder = self.journal.recorder
        assert recorder is not None
        if on is not None:
            try:
                self._config_file.update(lambda raw: raw.__setitem__("record", on))
            except ConfigError as error:
                raise BadRequestError(str(error)) from error
            self.reload()
        return recorder.status()

    def _full_name(self, account: str) -> str:
        try:
            return find_name(list(self._targets.current.names().values()), account)
        except UsageError as error:
            raise NotFoundError(str(error)) from None

    def report_internal_error(self, request: str, error: BaseException) -> None:
        """Warn of an unforeseen error in one line; with TEAMCLAUDE_DEBUG also with its traceback."""
        self.warn(
            f"internal error in request {request}: {type(error).__name__} (TEAMCLAUDE_DEBUG=1 shows where)"
        )
        if os.environ.get("TEAMCLAUDE_DEBUG"):
            import traceback

            lines = traceback.format_exception(type(error), error, error.__traceback__)
            self.warn(redact_text("".join(lines)))


def _make_pool(config: Config) -> UpstreamPool:
    return UpstreamPool(
        connect_timeout=config.connect_timeout_sec,
        ca_file=config.upstream_ca_file,
        proxy=config.proxy_address,
    )


def _check_proxies(config: Config, pool: UpstreamPool) -> None:
    """Raise ConfigError if the proxy on the way to one of our servers can't be used."""
    own = [account.upstream for account in config.accounts if account.upstream]
    for url in (config.upstream, config.oauth.token_url, config.oauth.profile_url, *own):
        pool.check_proxy(parse_origin(url)[0])
    if config.proxy.forward:
        pool.check_proxy(Origin("https", "any.other.host", 443))


def _same_pool_settings(a: Config, b: Config) -> bool:
    return (a.connect_timeout_sec, a.upstream_ca_file, a.upstream_proxy) == (
        b.connect_timeout_sec,
        b.upstream_ca_file,
        b.upstream_proxy,
    )


def _keys_needing_restart(started_with: Config, new: Config) -> list[str]:
    changed = [name for name in _NEEDS_RESTART if attrgetter(name)(started_with) != attrgetter(name)(new)]
    return [camel_case(name) for name in changed]


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
