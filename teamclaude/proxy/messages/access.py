"""Access control: one decision per request, pure, before anything of the body is read.

Rules that hold in this file:

1. A request must be addressed to this proxy, else 421 (DNS rebinding: a web page whose name was pointed at
   127.0.0.1 sends its own name).  Its Host is localhost or a loopback address; the IP address on which the
   connection arrived (an address can't be rebound); the configured or `--host` name; or one of allowedHosts.
   Any Host is accepted for health checks, and with a key of ours, which a rebound page does not have.
2. A request that a web page may have caused is refused with 403, except calls of our own page with a key, and
   links to its document.  Browsers send Origin or Sec-Fetch-Site; pages can neither forge nor remove them
   (Fetch standard).
3. A request with a key of ours is authorized, to do what the key's role allows (roles.py).
4. A request without one, or with somebody else's token (Claude Code sends its own login's), is exempt from
   the key only over loopback, from our own user, not forwarded by a reverse proxy (one of trustedProxies,
   or the request says so) and not from a browser.

5. A CONNECT is authorized by Proxy-Authorization in place of the other fields, else by rule 4, or answered
   407.  Its Host names where it goes, so rule 1 does not apply; no web page can cause one (Fetch standard).
6. A request inside a tunnel to the API is the tunnel's caller's, unless it carries a key of ours itself.  Its
   Host must be the tunnel's (421), and rule 2 holds where an account's credential would be spent.
7. At the proxy's own endpoints alone, the cookie of a signed-in page stands for what vouched for it, as long
   as that is valid.  Such a request must name us (rule 1, without the exception for keys) and come from our
   own page (rule 2).  One that changes something needs Origin and the field x-teamclaude-page, too, which a
   page of another origin can't add without being asked for by CORS.  A page that was signed in by a process
   of our own user serves such processes alone: cookies don't tell ports apart (RFC 6265 8.5), so another
   user's server on this machine gets to see them.

`same_user` and the local address are facts of the connection; everything else is per request, without a
system call.  A reload makes a new AccessPolicy; connections need not know.
"""

from __future__ import annotations

from typing import Callable

from ...accounts.config.config import ProxyConfig
from ...errors import (
    ForbiddenError,
    MisdirectedRequestError,
    ProxyKeyNeededError,
    UnauthorizedError,
)
from ..balancer.trusted_proxies import TrustedProxies
from ..http.head import RequestHead
from ..net.peer_user import is_loopback
from .proxy_keys import OPERATOR, Caller, ProxyKeys
from .web_origin import (
    DEFAULT_PORT,
    Authority,
    canonical_host,
    configured_host,
    follows_link,
    from_own_page,
    named_host,
    refuse_web_pages,
)

__all__ = ["PAGE_FIELD", "AccessPolicy", "Caller"]

PAGE_FIELD = "x-teamclaude-page"  # "1" in the calls of our page that change something
_SAFE_METHODS = ("GET", "HEAD")

# Added by programs that forward for others, whose clients are not on this host (RFC 9110 7.6.3, RFC 7239,
# and by custom).
_FORWARDED = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
)
_KEY_HINT = (
    "this proxy needs its key: send it as 'Authorization: Bearer <key>' (Claude Code: ANTHROPIC_AUTH_TOKEN) "
    "or as 'x-teamclaude-key: <key>' (x-api-key works too); `teamclaude env` prints it"
)
_PROXY_KEY_HINT = (
    "this proxy needs its key: put it into the proxy's URL, HTTPS_PROXY=http://teamclaude:<key>@host:port; "
    "`teamclaude env --first-party` prints it"
)


_NOBODY = Caller(None, False)
_OWN_USER = Caller(None, False, OPERATOR)


class AccessPolicy:
    """Decide about requests by one configuration.

    `trust_loopback`: False exempts nobody, True exempts our own user, "any" also a local process whose user
    can't be determined.  `listens_on` is the host of the command line, if it is not the configured one.
    Raises ConfigError for a host that is none.
    """

    def __init__(self, config: ProxyConfig, listens_on: str = "") -> None:
        self.keys = ProxyKeys(config)
        self.trusted_proxies = TrustedProxies(config.trusted_proxies)
        self._trust_loopback = config.trust_loopback
        allowed = [configured_host("allowedHosts", name) for name in config.allowed_hosts]
        self._host_names = {"localhost", *(name for name in allowed if not name.startswith("."))}
        self._host_suffixes = tuple(name for name in allowed if name.startswith("."))
        for host in (config.host, listens_on):
            # A wildcard address is no name: in some browsers a page reaches us as http://0.0.0.0.
            if host not in ("", "0.0.0.0", "::", "[::]"):
                self._host_names.add(configured_host("host", host))

    def authorize(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None], local_ip: str = ""
    ) -> Caller:
        """Return who sends the request; `same_user` is called only when the decision depends on it.

        `local_ip` is the address on which the connection arrived.  Raises BadRequestError,
        MisdirectedRequestError, ForbiddenError, UnauthorizedError, or what `same_user` raises.
        """
        caller = self.check_origin(head, local_ip)
        if not caller.authenticated:
            refusal = self._why_not_exempt(head, peer_ip, same_user)
            if refusal is not None:
                raise UnauthorizedError(_KEY_HINT + refusal)
            return _OWN_USER
        return caller

    def check_origin(
        self, head: RequestHead, local_ip: str = "", any_host: bool = False, is_document: bool = False
    ) -> Caller:
        """Apply rules 1 and 2 alone, for endpoints that need no key; `is_document`: that of our page.

        Raises BadRequestError, MisdirectedRequestError or ForbiddenError.
        """
        host = named_host(head)
        caller = self.keys.identify(head) or _NOBODY
        if not caller.authenticated and not any_host:
            self._check_host(host, local_ip)
        if caller.authenticated and from_own_page(head, host):
            return caller
        if not (is_document and follows_link(head)):
            refuse_web_pages(head)
        return caller

    def check_page_call(self, head: RequestHead, local_ip: str) -> None:
        """Apply rule 7 to a request of our page, as far as it is about the request alone.

        Raises BadRequestError, MisdirectedRequestError or ForbiddenError.
        """
        host = named_host(head)
        self._check_host(host, local_ip)
        if not from_own_page(head, host):
            refuse_web_pages(head)
            raise ForbiddenError("the cookie of the page is for the page alone")
        if head.method not in _SAFE_METHODS and not ("origin" in head and head.get_all(PAGE_FIELD) == ["1"]):
            raise ForbiddenError(f"calls of the page that change something need Origin and {PAGE_FIELD}: 1")

    def accepts_name(self, name: str) -> bool:
        """Return whether rule 1 lets a request without a key name this host, which is no IP address."""
        return self.is_own_host(Authority(name.lower().rstrip("."), None, False), "")

    def is_own_process(self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None]) -> bool:
        """Return whether the request comes from a process of our own user: never if it was forwarded."""
        return self._is_from_here(head, peer_ip) and same_user() is True

    def _check_host(self, host: Authority | None, local_ip: str) -> None:
        """Raise MisdirectedRequestError by rule 1."""
        if host is not None and not self.is_own_host(host, local_ip):
            raise MisdirectedRequestError(
                f"'{host.host[:80]}' is not a name of this proxy; if it should be, add it to "
                "proxy.allowedHosts, or send the key"
            )

    def authorize_connect(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None]
    ) -> Caller:
        """Return who asks for a tunnel (rule 5).

        Raises BadRequestError, ForbiddenError, ProxyKeyNeededError, or what `same_user` raises.
        """
        named_host(head)
        caller = self.keys.identify_connect(head)
        if caller is not None:
            return caller
        refuse_web_pages(head)
        refusal = self._why_not_exempt(head, peer_ip, same_user)
        if refusal is not None:
            raise ProxyKeyNeededError(_PROXY_KEY_HINT + refusal)
        return _OWN_USER

    def authorize_inside(self, head: RequestHead, host: str, tunnel: Caller, spends: bool) -> Caller:
        """Return who sends a request inside the tunnel to `host` that `tunnel` opened (rule 6).

        `spends`: it would get an account's credential.  Raises BadRequestError, MisdirectedRequestError or
        ForbiddenError.
        """
        named = named_host(head)
        if named is not None and (named.host != host or named.port not in (None, DEFAULT_PORT["https"])):
            raise MisdirectedRequestError(
                f"this connection goes to {host}; the Host header names another host"
            )
        if spends:
            refuse_web_pages(head)
        return self.keys.identify(head) or tunnel

    def is_local_user(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None], caller: Caller
    ) -> bool:
        """Return whether a tunnel may reach this machine and its network: the caller could without us.

        That is a process of our own user.  Where its user can't be determined it is one that has the proxy's
        own key, which only our user can read; not a named key, which was given away.
        """
        if not self._is_from_here(head, peer_ip) or "sec-fetch-site" in head:
            return False
        same = same_user()
        if same is None:
            return self._trust_loopback == "any" or (caller.authenticated and caller.name is None)
        return same

    def is_proxy_secret(self, value: str) -> bool:
        """Return whether a credential field's value is one of our own keys, whatever its scheme."""
        return self.keys.is_own(value)

    def is_own_host(self, host: Authority, local_ip: str) -> bool:
        """Return whether rule 1 lets a request without a key name this host."""
        name = host.host
        if host.loopback or name in self._host_names or name.endswith(self._host_suffixes):
            return True
        return bool(local_ip) and name == canonical_host(local_ip)

    def _is_from_here(self, head: RequestHead, peer_ip: str) -> bool:
        """Return whether a process of this machine sent the request itself."""
        if not is_loopback(peer_ip) or self.trusted_proxies.covers(peer_ip):
            return False
        return _forwarded_by(head) is None

    def _why_not_exempt(
        self, head: RequestHead, peer_ip: str, same_user: Callable[[], bool | None]
    ) -> str | None:
        """Return None for an exempt request, else what to add to the refusal."""
        if not self._trust_loopback or not is_loopback(peer_ip):
            return ""
        if self.trusted_proxies.covers(peer_ip):
            return " (what comes by one of proxy.trustedProxies is not exempt)"
        field = _forwarded_by(head)
        if field is not None:
            return f" (a request with '{field}' counts as forwarded and is not exempt)"
        # undici sends Sec-Fetch-Mode for plain Node programs; only -Site means a browser.
        if "sec-fetch-site" in head:
            return " (a browser is not exempt)"
        same = same_user()
        if same is None and self._trust_loopback != "any":
            return ' (whose process this is can\'t be told here; proxy.trustLoopback "any" exempts it)'
        if same is False:
            return " (another user's process is not exempt)"
        return None


def _forwarded_by(head: RequestHead) -> str | None:
    """Return the field that says that another program forwards this request, or None."""
    return next((field for field in _FORWARDED if field in head), None)
