"""The config file as frozen values: every key with its default, unit and reason.

Keys are camelCase in the file.  `routing/quota/rules.py` declares the routing keys, which are at the
top level of the file beside the ones here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Optional

from ... import __version__
from ...errors import ConfigError
from ...routing.quota.model_prices import Pricing
from ...routing.quota.rules import Rules
from ...settings import setting
from .schema import INLINE, REQUIRED, Section, read

if TYPE_CHECKING:
    from ...dial.proxies import ProxyAddress

__all__ = [
    "AccountConfig",
    "ClientKey",
    "Config",
    "OAuthConfig",
    "ProxyConfig",
    "RoutingConfig",
    "TlsConfig",
    "parse_config",
]

MAX_NAME_LENGTH = 200  # characters of an account's name: it stands in lines, logs and headers


class ClientKey(Section):
    """An additional proxy key; usage is reported under its name."""

    name: str = setting(REQUIRED, "Name under which this key's usage is reported.")
    key: str = setting(REQUIRED, "The key this client sends.", secret=True)
    max_inflight: Optional[int] = setting(
        None, "Simultaneous requests of this client; not set: no separate limit.", unit="requests"
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
        names = [client.name for client in self.clients]
        keys = [client.key for client in self.clients] + [self.api_key]
        if len(set(names)) < len(names):
            return "two clients have the same name"
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


class AccountConfig(Section):
    """One account: identity, credentials and routing options.  Times: ms in the file, epoch seconds here."""

    name: str = setting(REQUIRED, "The account's name everywhere.")
    type: Literal["oauth", "apikey"] = setting("oauth", "A subscription login or a paid API key.")
    account_uuid: Optional[str] = setting(None, "The person's id at the API.")
    org_uuid: Optional[str] = setting(None, "Their organisation: a person in two has two accounts.")
    org_name: Optional[str] = setting(None, "For display; distinguishes accounts of one person.")
    access_token: Optional[str] = setting(None, "Sent to the API.", secret=True)
    refresh_token: Optional[str] = setting(None, "Exchanged for the next access token, once.", secret=True)
    expires_at: Optional[float] = setting(None, "End of the access token.", unit="ms")
    api_key: Optional[str] = setting(None, "Sent to the API (type apikey).", secret=True)
    import_from: Optional[str] = setting(
        None, "Claude Code's credentials file to follow instead of refreshing here.", unit="path"
    )
    priority: int = setting(0, "Accounts with the smallest number are used first.", unit="rank")
    disabled: bool = setting(False, "Keep the account but give it no work.")
    last_resort: bool = setting(True, "Use this API key only when no subscription can serve (type apikey).")
    allow_extra_usage: Optional[bool] = setting(
        None,
        "Let this account continue with paid extra usage when a window is full; not set: allowExtraUsage.",
    )
    upstream: Optional[str] = setting(None, "API of this account alone.", unit="base URL")
    proxy: Optional[str] = setting(
        None,
        "Proxy of this account alone, for its requests and the renewal of its login; not set: upstreamProxy.",
        unit="proxy URL",
        secret=True,
    )
    source: Optional[str] = setting(
        None, "How the account was added: login, import or token (claude setup-token)."
    )
    subscription_type: Optional[str] = setting(None, "The plan (max, pro, team...), for display.")
    rate_limit_tier: Optional[str] = setting(None, "The plan's size, for display.")
    refresh_token_expires_at: Optional[float] = setting(
        None, "End of the login itself: log in again before it.", unit="ms"
    )
    issued_at: Optional[float] = setting(
        None,
        "When the access token was issued: short-lived ones are refreshed closer to their end.",
        unit="ms",
    )

    @property
    def key(self) -> str:
        """The account's identity for routing: person and organisation, else the name."""
        if self.type == "apikey" or not self.account_uuid:
            return self.name
        return f"{self.account_uuid}/{self.org_uuid}" if self.org_uuid else self.account_uuid

    @property
    def proxy_address(self) -> Optional[ProxyAddress]:
        """The account's own proxy, None: the one of all accounts."""
        source = f"the proxy of account {self.name}" if self.name else "--proxy"
        return _proxy_address(self.proxy, source)

    @property
    def is_last_resort(self) -> bool:
        """Whether this is a paid API key that serves only when no other account can."""
        return self.type == "apikey" and self.last_resort

    def problem(self) -> str:
        """Return what is wrong with the name or the credentials."""
        if len(self.name) > MAX_NAME_LENGTH:
            size = len(self.name)
            return f'the name "{self.name[:20]}..." has {size} characters; {MAX_NAME_LENGTH} are the most'
        if self.type == "apikey" and not self.api_key:
            return f'API-key account "{self.name}" has no apiKey; add one or remove the account'
        if self.type == "oauth" and not (self.access_token or self.refresh_token or self.import_from):
            other = ' (or set "type": "apikey")' if self.api_key else ""
            return f'account "{self.name}" has neither accessToken nor importFrom; log in again{other}'
        return ""


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
    allow_extra_usage: bool = setting(
        False, "Let accounts with extra usage continue for money when a window is full, as a last resort."
    )
    all_throttled_hold_budget_sec: float = setting(
        1800.0, "How long a request waits for an account when none is usable.", unit="s"
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
    record: bool = setting(False, "Record how much is requested when, for the lab: no text, no names.")
    warm_on_startup: bool = setting(
        False, "Ask each account for its quota at start; off: no requests but yours."
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

    @property
    def proxy_address(self) -> Optional[ProxyAddress]:
        """The proxy of all accounts, None: the environment decides."""
        return _proxy_address(self.upstream_proxy, "upstreamProxy")

    @property
    def policy(self) -> str:
        """The name of the routing policy."""
        return self.routing.policy


def parse_config(raw: object, source: str) -> Config:
    """Return the config of parsed JSON.  Raise ConfigError, `<source>: <path>: expected X, got Y`."""
    try:
        return read(Config, raw)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _proxy_address(url: Optional[str], source: str) -> Optional[ProxyAddress]:
    if not url:
        return None
    from ...dial.proxies import parse_proxy  # 3 ms that most commands do without

    return parse_proxy(url, source)
