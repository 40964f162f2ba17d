"""The config file as frozen values: every key with its default, unit and reason.

Keys are camelCase in the file.  `routing/quota/rules.py` declares the routing keys, which are at the
top level of the file beside the ones here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Optional

from ... import __version__
from ...errors import ConfigError
from ...routing.quota.model_prices import Pricing
from ...routing.quota.rules import Rules
from ...settings import setting
from .account_config import CAPS, AccountConfig, SpendConfig, program_problem, proxy_address_of
from .original_keys import adapt
from .original_values import MIN_PROBE_SEC
from .schema import COMMAND, INLINE, REQUIRED, TIMES, Section, read
from .value_types import one_line

if TYPE_CHECKING:
    from ...dial.proxies import ProxyAddress
    from ...routing.user_rules.caps import Caps
    from ...routing.user_rules.route_settings import RouteSettings
    from ...routing.user_rules.routes import RouteSpec

__all__ = [
    "AccountConfig",
    "AlertConfig",
    "ClientKey",
    "Config",
    "OAuthConfig",
    "ProxyConfig",
    "RoutingConfig",
    "TlsConfig",
    "parse_config",
]


class ClientKey(Section):
    """An additional proxy key; usage is reported under its name."""

    name: str = setting(REQUIRED, "Name under which this key's usage is reported.")
    key: str = setting(REQUIRED, "The key this client sends.", secret=True)
    max_inflight: Optional[int] = setting(
        None, "Simultaneous requests of this client; not set: no separate limit.", unit="requests"
    )
    daily_tokens: Optional[int] = setting(
        None,
        "Tokens that this client may use in a day of local time: new input, cache writes and output.",
        unit="tokens",
    )
    share: Optional[float] = setting(
        None,
        "Its part of the accounts' windows when others need the rest; those without have what is left of 1.",
        unit="fraction 0-1",
    )
    role: Literal["client", "observer", "operator"] = setting(
        "client",
        "client: sends requests, reads of its own; observer: reads all, changes and spends nothing; "
        "operator: all.",
    )


class TlsConfig(Section):
    """The certificate that the proxy serves HTTPS with."""

    cert: str = setting(REQUIRED, "Certificate chain (PEM) the proxy shows.", unit="path")
    key: str = setting(REQUIRED, "Private key (PEM) of that certificate.", unit="path")


class ProxyConfig(Section):
    """Where the proxy listens, who may use it and its limits."""

    host: str = setting("localhost", "Address to listen on; localhost is 127.0.0.1 and ::1.", unit="host")
    port: int = setting(3456, "Port to listen on; 0 takes any free one.", unit="port")
    api_key: Optional[str] = setting(None, "Key clients authenticate with; made at first use.", secret=True)
    clients: tuple[ClientKey, ...] = setting((), "Further proxy keys, each with a name.")
    allowed_hosts: tuple[str, ...] = setting(
        (), "Further host names of the proxy (Host header); *.example covers all below one.", unit="host"
    )
    trust_loopback: Literal[True, False, "any"] = setting(
        True,
        'Local processes of the same user need no key; "any" where the user can\'t be determined.',
    )
    agent_port: Optional[int] = setting(
        None,
        "Port of HAProxy's agent-check, beside the proxy's own: a weight by the room there is, or drain; not "
        "set: none.",
        unit="port",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Balancers and reverse proxies whose word on the caller's address is taken (PROXY protocol, "
        "X-Forwarded-For); none: no word is.",
        unit="network",
    )
    tls: Optional[TlsConfig] = setting(None, "Serve HTTPS with this certificate.")
    forward: bool = setting(
        False, "Serve clients that use this proxy as their HTTPS proxy, too (first-party mode)."
    )
    forward_hosts: tuple[str, ...] = setting(
        ("api.anthropic.com",),
        "Names of the API: a client's TLS connections to them are opened; all others pass as they are.",
        unit="host",
    )
    max_body_mib: int = setting(
        64, "Largest request body: above the API's own limit of 32.", unit="MiB", key="maxBodyMiB"
    )
    max_bodies_mib: int = setting(
        1024,
        "Memory that all request bodies may take together; beyond it they wait, then get a 503.",
        unit="MiB",
        key="maxBodiesMiB",
    )
    max_held: int = setting(256, "Requests that may wait for an account at once; bounds memory.")
    max_connections: int = setting(
        2048, "Client connections at once; fewer where the system allows few open files.", unit="connections"
    )

    def problem(self) -> str:
        """Return what is wrong between the limits, or between the clients' names and keys."""
        if self.max_bodies_mib < self.max_body_mib:
            return f"maxBodiesMiB ({self.max_bodies_mib}) is less than maxBodyMiB ({self.max_body_mib})"
        if self.agent_port and self.agent_port == self.port:
            return f"agentPort and port are the same ({self.port})"
        names = [client.name for client in self.clients]
        keys = [client.key for client in self.clients] + [self.api_key]
        if len(set(names)) < len(names):
            return "two clients have the same name"
        shares = sum(client.share or 0.0 for client in self.clients)
        if shares > 1.0 + 1e-9:
            return f"the shares of all clients together are {shares:.3g}, more than 1"
        return "two clients have the same key" if len(set(keys)) < len(keys) else ""


class OAuthConfig(Section):
    """How a login works.  Source of the defaults: what Claude Code 2.1.330 does."""

    client_id: str = setting("9d1c250a-e61b-44d9-88ed-5944d1962f5e", "Public client id of Claude Code.")
    authorize_url: str = setting(
        "https://claude.com/cai/oauth/authorize", "Page the browser opens to log in.", unit="URL"
    )
    token_url: str = setting(
        "https://platform.claude.com/v1/oauth/token",
        "Where codes and refresh tokens are exchanged.",
        unit="URL",
    )
    profile_url: str = setting(
        "https://api.anthropic.com/api/oauth/profile", "Who a token belongs to.", unit="URL"
    )
    usage_url: str = setting(
        "https://api.anthropic.com/api/oauth/usage",
        "Where quotaProbeSec asks.",
        unit="URL",
    )
    scopes: tuple[str, ...] = setting(
        (
            "org:create_api_key",
            "user:profile",
            "user:inference",
            "user:sessions:claude_code",
            "user:mcp_servers",
            "user:file_upload",
            "user:plugins",
            "user:privacy_consents:write",
            "org:desktop_config",
        ),
        "Rights a login asks for: the ones Claude Code itself asks for.",
    )
    # Our own name: no other program is imitated.
    user_agent: str = setting(
        f"teamclaude/{__version__}",
        "User-Agent at the token URL; it has been seen answering 429 to some names: then set another.",
    )


class RoutingConfig(Section):
    """How work is assigned to accounts."""

    policy: Literal["pace", "price", "sticky", "drain", "threshold", "round-robin", "least-used"] = setting(
        "price", "Rule that assigns conversations to accounts."
    )


class AlertConfig(Section):
    """One alert: when, and a program to run or a URL to post to."""

    when: str = setting(
        REQUIRED, "What is alerted of, as `7d above 90%`; help alerts has the forms.", unit="condition"
    )
    run: tuple[str, ...] = setting(
        (), "Program that gets the event as JSON on stdin; there is no shell.", unit=COMMAND
    )
    url: Optional[str] = setting(
        None, "Gets a POST with the event as JSON; Slack shows its text.", unit="POST URL", secret=True
    )
    topic: Optional[str] = setting(None, "Of ntfy; url is then the server's own, as https://ntfy.sh.")

    def problem(self) -> str:
        """Return what is wrong between the keys, or with the program's name."""
        if bool(self.run) == bool(self.url):
            return 'has to have either "run" or "url"'
        if self.topic and not self.url:
            return '"topic" goes with "url" alone'
        problem = program_problem(self.run)
        return f"run: {problem}" if problem else ""


class Config(Section):
    """The whole file, immutable; a reload makes a new value."""

    proxy: ProxyConfig = setting(ProxyConfig, "Where the proxy listens, who may use it, and its limits.")
    upstream: str = setting("https://api.anthropic.com", "The API all requests go to.", unit="base URL")
    upstream_proxy: Optional[str] = setting(
        None,
        "Proxy on the way to the API (direct: none); not set: HTTPS_PROXY, ALL_PROXY and NO_PROXY decide.",
        unit="proxy URL",
        secret=True,
    )
    upstream_ca_file: Optional[str] = setting(
        None, "Certificates (PEM) to trust besides the system's, for an inspecting proxy.", unit="path"
    )
    accounts: tuple[AccountConfig, ...] = setting((), "The accounts, one object each.")
    rules: Rules = setting(Rules, "The routing keys.", key=INLINE)
    routing: RoutingConfig = setting(RoutingConfig, "How work is assigned to accounts.")
    routes: tuple[RouteSettings, ...] = setting(
        (),
        "Which accounts alone may serve what; the first that matches counts (help rules).",
        module="routing.user_rules.route_settings",
    )
    pins: Mapping[str, str] = setting(
        {},
        "The account of the work in a directory and below it, as long as it can serve.",
        unit="{path: name}",
    )
    allow_extra_usage: bool = setting(
        False, "Let accounts with extra usage continue for money when a window is full, as a last resort."
    )
    max_usage: Optional[Caps] = setting(
        None,
        "Use no more of the windows of accounts that have no maxUsage of their own (help rules).",
        unit="fraction 0-1, or {5h, 7d, 7d_opus...}",
        module=CAPS,
    )
    max_spend: SpendConfig = setting(SpendConfig, "The most that all accounts may cost together.")
    all_throttled_hold_budget_sec: float = setting(
        86400.0,
        "How long a stream waits for an account when none is usable.",
        unit="s",
    )
    hold_commit_sec: float = setting(
        200.0, "When a waiting stream gets its first bytes: clients time out at 300.", unit="s"
    )
    apikey_fallback_deadline_sec: float = setting(
        290.0, "When a waiting request is given to a paid API key of last resort.", unit="s"
    )
    upstream_retry_budget_sec: float = setting(
        30.0, "How long failures of the API itself (500, 529) are retried.", unit="s"
    )
    connect_timeout_sec: float = setting(10.0, "Longest wait for a connection to the API.", unit="s, not 0")
    head_timeout_sec: float = setting(
        600.0, "Longest wait for the API's answer to begin: models think.", unit="s, not 0"
    )
    body_idle_timeout_sec: float = setting(
        300.0, "Longest silence inside an answer; a healthy stream sends pings.", unit="s, not 0"
    )
    header_read_sec: float = setting(
        30.0, "Longest a client may take to send its request head.", unit="s, not 0"
    )
    body_read_idle_sec: float = setting(
        60.0, "Longest silence inside a client's request body.", unit="s, not 0"
    )
    write_idle_sec: float = setting(300.0, "Longest a client may stop reading its response.", unit="s, not 0")
    drain_sec: float = setting(30.0, "How long running answers may finish at shutdown.", unit="s")
    drain_announce_sec: float = setting(
        5.0, "How long a drain is announced by /health/ready before it begins.", unit="s"
    )
    restart_drain_sec: float = setting(
        7200.0, "How long running answers may finish in the old process after a restart.", unit="s"
    )
    pricing: Mapping[str, Pricing] = setting(
        {},
        "Your prices by a name in the model id (opus, opus-4-8), the longest first; what you leave out is as "
        "in the built-in list.",
        unit="{name: {input, output, cacheRead, cacheWrite5m, cacheWrite1h}}, $ per million tokens",
    )
    log_dir: Optional[str] = setting(None, "Directory of the request logs.", unit="path")
    log_requests: bool = setting(False, "Write one file per request to logDir: it holds your conversations.")
    log_max_body_bytes: int = setting(262144, "Longer bodies are cut in the request log.", unit="bytes")
    log_retention_hours: float = setting(24.0, "Older request logs are deleted; 0 keeps all.", unit="h")
    log_max_mb: int = setting(
        1024,
        "Beyond it the oldest request logs are deleted, so that a busy day can't fill the disk.",
        unit="MB",
        key="logMaxMB",
    )
    history: bool = setting(
        True, "Keep what was used, quota readings and events in X.history.db: numbers and names, no text."
    )
    history_retention_days: float = setting(400.0, "Older history is deleted; 0 keeps all.", unit="days")
    history_max_mb: float = setting(
        100.0, "Above it the oldest history is deleted, too.", unit="MB", key="historyMaxMB"
    )
    alerts: tuple[AlertConfig, ...] = setting((), "Whom to tell of what happens; none: nobody.")
    record: bool = setting(False, "Record how much is requested when, for the lab: no text, no names.")
    warm_on_startup: bool = setting(
        False, "Ask each account for its quota at start; off: no requests but yours."
    )
    keep_warm: Mapping[str, tuple[str, ...]] = setting(
        {},
        "When to open an account's 5h window with one tiny request: a local time, or a list of them; none: "
        "no requests but yours.",
        unit=TIMES,
    )
    quota_probe_sec: float = setting(
        0.0,
        "How often to ask oauth.usageUrl for the quota of a login that no answer told of meanwhile, 300 or "
        "more; 0: no requests but yours.",
        unit="s",
    )
    rewrite_account_uuid: bool = setting(
        False, "Put the serving account's uuid into the request's metadata; off: bodies stay as sent."
    )
    limits_from_pool: bool = setting(
        False, "Show clients the pool's rate limits instead of those of the account that served."
    )
    refresh_imported: bool = setting(
        False, "Refresh importFrom accounts too; off: Claude Code, which shares the login, does."
    )
    oauth: OAuthConfig = setting(OAuthConfig, "How a login works.")

    def problem(self) -> str:
        """Return what is wrong with a value that its unit alone does not tell."""
        if 0 < self.quota_probe_sec < MIN_PROBE_SEC:
            return (
                f"quotaProbeSec: expected 0 (off) or at least {MIN_PROBE_SEC} s, got {self.quota_probe_sec:g}"
            )
        if self.routes:
            from ...routing.user_rules.route_settings import MAX_ROUTES

            if len(self.routes) > MAX_ROUTES:
                return f"routes: expected at most {MAX_ROUTES}, got {len(self.routes)}; use globs"
        return ""

    @property
    def proxy_address(self) -> Optional[ProxyAddress]:
        """The proxy of all accounts, None: the environment decides."""
        return proxy_address_of(self.upstream_proxy, "upstreamProxy")

    def route_specs(self) -> tuple[RouteSpec, ...]:
        """Return the routes for routing; resolves the symbolic links of their projects."""
        from ...routing.user_rules.route_settings import route_specs

        return route_specs(self.routes, os.path.realpath)

    def pinned_names(self) -> dict[str, str]:
        """Return the account's name of each pinned directory; resolves symbolic links, too."""
        from ...routing.user_rules.route_settings import pinned_names

        return pinned_names(self._pins_by_path(), os.path.realpath)

    def route_notes(self) -> list[str]:
        """Return a line on each route and pin that does not have its effect."""
        from ...routing.user_rules.route_notes import route_notes

        clients = [client.name for client in self.proxy.clients]
        return list(route_notes(self.route_specs(), self._pins_by_path(), self.accounts, clients))

    def _pins_by_path(self) -> dict[str, str]:
        return {os.path.expanduser(directory): name for directory, name in self.pins.items()}

    @property
    def policy(self) -> str:
        """The name of the routing policy."""
        return self.routing.policy


def parse_config(raw: object, source: str) -> Config:
    """Return the config of parsed JSON.  Raise ConfigError, `<source>: <path>: expected X, got Y`."""
    try:
        return read(Config, adapt(raw).raw)
    except ConfigError as error:
        raise ConfigError(f"{source}: {one_line(str(error))}") from None
