"""The accounts' credentials and addresses, as the current configuration has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

from ...accounts.config.config import AccountConfig, Config
from ...routing.state.account import AccountSpec
from ..http.framing import BodyKind, Framing
from ..http.head import RequestHead
from ..http.header_rewrite import Credential, render_request, upstream_request_headers
from ..http.origin import Origin, parse_origin
from ..records.exchange import SeriesMemo

__all__ = ["AccountTargets", "UpstreamTarget"]


MAX_RENDERED = 64  # of one series of heads: one for each account, and again when that has a new token


class UpstreamTarget(NamedTuple):
    """How a request reaches the API for one account."""

    name: str
    credential: Credential
    origin: Origin
    prefix: str  # path prefix of the base URL
    account_uuid: Optional[str] = None

    def request_head(self, head: RequestHead, memo: SeriesMemo, identity: bool) -> bytes:
        """Return a client's head as it goes upstream for a request without a body.

        With `identity` the response must come without a content-encoding: the client has been sent a head of
        the proxy's own, which names none.
        """
        key = (self, identity)
        rendered = memo.rendered.get(key)
        if rendered is not None:
            return rendered
        if len(memo.rendered) >= MAX_RENDERED:
            memo.rendered.clear()
        headers = upstream_request_headers(
            head, self.credential, self.origin.authority, Framing(BodyKind.NONE), lambda value: False
        )
        if identity:
            headers = [field for field in headers if field[0].lower() != "accept-encoding"]
            headers.append(("Accept-Encoding", "identity"))
        rendered = memo.rendered[key] = render_request(head.method, self.prefix + head.target, headers)
        return rendered


class AccountTargets:
    """Read by request threads, replaced as a whole by a reload.

    `token_of` gives the access token of a login by account key: it changes more often than this.
    """

    def __init__(
        self, config: Config, accounts: Sequence[AccountConfig], token_of: Callable[[str], Optional[str]]
    ) -> None:
        self._token_of = token_of
        self.origin, self.prefix = parse_origin(config.upstream)
        self._targets = {account.key: self._make_target(account) for account in accounts}
        self._with_token: dict[str, UpstreamTarget] = {}  # of logins, with the last token asked for
        self.specs = [_spec(account, config.allow_extra_usage) for account in accounts]

    def _make_target(self, account: AccountConfig) -> UpstreamTarget:
        if account.type == "apikey":
            credential = Credential("apikey", account.api_key or "")
        else:
            credential = Credential("oauth", "")
        origin, prefix = parse_origin(account.upstream) if account.upstream else (self.origin, self.prefix)
        return UpstreamTarget(account.name, credential, origin, prefix, account.account_uuid)

    def target(self, key: str) -> Optional[UpstreamTarget]:
        """With the credential of now; None when the account is no longer configured."""
        way = self._targets.get(key)
        if way is None or way.credential.kind != "oauth":
            return way
        token = self._token_of(key) or ""
        latest = self._with_token.get(key)
        if latest is None or latest.credential.secret != token:
            latest = self._with_token[key] = way._replace(credential=Credential("oauth", token))
        return latest

    def key_of(self, name: str) -> Optional[str]:
        """The identity of the account called `name`."""
        for key, way in self._targets.items():
            if way.name == name:
                return key
        return None

    def names(self) -> dict[str, str]:
        """Account names by key."""
        return {key: way.name for key, way in self._targets.items()}

    def changed_api_keys(self, older: AccountTargets) -> list[str]:
        """Accounts whose API key differs from the one in `older`; logins are the keeper's business."""
        return [
            key
            for key, way in self._targets.items()
            if key in older._targets and older._targets[key].credential != way.credential
        ]


def _spec(account: AccountConfig, allow_extra_usage: bool) -> AccountSpec:
    own = account.allow_extra_usage
    return AccountSpec(
        key=account.key,
        name=account.name,
        kind=account.type,
        priority=account.priority,
        enabled=not account.disabled,
        last_resort=account.is_last_resort,
        allow_extra_usage=allow_extra_usage if own is None else own,
    )
