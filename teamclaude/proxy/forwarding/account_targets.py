"""Credential and address of each account, as the current configuration has them.

A request's head is rendered for an account here, and the account's uuid is put into its body.
"""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Optional, Union

from ...accounts.config.config import AccountConfig, Config
from ...accounts.tokens.token_manager import TokenManager
from ...accounts.tokens.token_pair import TokenPair
from ...routing.state.account import AccountSpec
from ...routing.user_rules.caps import NO_CAPS, NO_RESERVES
from ...values import NamedTuple
from ..http.framing import BodyKind, Framing
from ..http.head import RequestHead
from ..http.header_rewrite import Credential, render_request, upstream_request_headers
from ..http.origin import Origin, parse_origin
from ..messages.body_scan import BodyFacts
from ..records.exchange import SeriesMemo
from ..records.outages import ApiUsers

__all__ = ["AccountTargets", "CurrentTargets", "UpstreamTarget", "with_account_uuid"]


# Of one series of heads: one rendering for each account, and again for each new token of it.
MAX_RENDERED = 64

Buffer = Union[bytes, bytearray, memoryview]

_USER_ID_FIELD = re.compile(
    rb'"metadata"\s{0,8}:\s{0,8}\{\s{0,8}"user_id"\s{0,8}:\s{0,8}"((?:[^"\\]|\\.){1,2048})"'
)
_UUID = re.compile(rb'\\"account_uuid\\"\s?:\s?\\"([0-9a-fA-F-]{36})\\"')


class UpstreamTarget(NamedTuple):
    """How a request reaches the API for one account."""

    name: str
    credential: Credential
    origin: Origin
    prefix: str  # path prefix of the base URL
    account_uuid: Optional[str] = None

    def request_head(self, head: RequestHead, memo: SeriesMemo, identity: bool) -> bytes:
        """Return a client's head for the upstream, as of a request without a body.

        With `identity` the response must have no content-encoding: the client has been sent a head of ours,
        which names none.
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
    """The target of every account.  Any thread; a reload replaces the whole.

    Access tokens change more often than targets: they are read from `token_manager`.
    """

    def __init__(
        self, config: Config, accounts: Sequence[AccountConfig], token_manager: TokenManager
    ) -> None:
        self._token_manager = token_manager
        self.origin, self.prefix = parse_origin(config.upstream)
        self._targets = {account.key: self._make_target(account) for account in accounts}
        self._with_token: dict[str, tuple[TokenPair, UpstreamTarget]] = {}  # of logins: with the last tokens
        self.specs = [_spec(account, config) for account in accounts]

    def _make_target(self, account: AccountConfig) -> UpstreamTarget:
        if account.type == "apikey":
            credential = Credential("apikey", account.api_key or "")
        else:
            credential = Credential("oauth", "")
        origin, prefix = parse_origin(account.upstream) if account.upstream else (self.origin, self.prefix)
        origin = origin._replace(via=account.proxy_address)
        return UpstreamTarget(account.name, credential, origin, prefix, account.account_uuid)

    def target(self, key: str) -> Optional[UpstreamTarget]:
        """Return the target with the current credential; None when the account is no longer configured."""
        return self.fresh_target(key, 0.0)[0]

    def fresh_target(self, key: str, now: float) -> tuple[Optional[UpstreamTarget], bool]:
        """Return what `target` does, and whether its token is certain to be good at `now`."""
        target = self._targets.get(key)
        tokens = self._token_manager.tokens.get(key)
        if target is None or tokens is None:  # an API key of the config file has no tokens
            return target, True
        # Before the pair is read: it may be replaced meanwhile, but can't have expired.
        is_fresh = now <= tokens.fresh_until
        pair = tokens.pair
        latest = self._with_token.get(key)
        if latest is None or latest[0] is not pair:
            credential = Credential(target.credential.kind, pair.access_token or "")
            latest = self._with_token[key] = pair, target._replace(credential=credential)
        return latest[1], is_fresh

    def key_of(self, name: str) -> Optional[str]:
        """Return the key of the account called `name`, or None."""
        for key, target in self._targets.items():
            if target.name == name:
                return key
        return None

    def names(self) -> dict[str, str]:
        """Return account names by key."""
        return {key: target.name for key, target in self._targets.items()}

    @cached_property
    def api_users(self) -> dict[Hashable, ApiUsers]:
        """The accounts by the origin that their requests go to."""
        found: dict[Hashable, ApiUsers] = {}
        for key, target in self._targets.items():
            users = found.setdefault(target.origin, ApiUsers(target.origin.authority, {}))
            found[target.origin] = users._replace(accounts={**users.accounts, key: target.name})
        return found

    def changed_api_keys(self, older: AccountTargets) -> list[str]:
        """Return the keys of accounts whose API key differs from `older`; logins are the token manager's."""
        return [
            key
            for key, target in self._targets.items()
            if key in older._targets and older._targets[key].credential != target.credential
        ]


class CurrentTargets:
    """Hold the newest targets: a request may wait longer than a configuration lasts."""

    def __init__(self, targets: AccountTargets) -> None:
        self.current = targets


def local_calendar(at: float) -> tuple[int, int]:
    """Return the day of the week (0: Monday) and the minute of an instant in local time."""
    moment = time.localtime(at)
    return moment.tm_wday, moment.tm_hour * 60 + moment.tm_min


def _spec(account: AccountConfig, config: Config) -> AccountSpec:
    own = account.allow_extra_usage
    caps = account.max_usage or config.max_usage or NO_CAPS
    reserves = (account.reserve if account.type == "oauth" else None) or NO_RESERVES
    is_closed = not account.disabled and caps.lowest <= 0.0
    return AccountSpec(
        key=account.key,
        name=account.name,
        kind=account.type,
        priority=account.priority,
        enabled=not account.disabled and not is_closed,
        disabled_by=f"maxUsage {caps.describe()}" if is_closed else AccountSpec.disabled_by,
        last_resort=account.is_last_resort,
        allow_extra_usage=config.allow_extra_usage if own is None else own,
        caps=caps,
        max_spend=account.max_spend.limits,
        reserves=reserves._replace(calendar=local_calendar) if reserves.items else NO_RESERVES,
    )


def with_account_uuid(body: Buffer, facts: BodyFacts, uuid: Optional[str]) -> Buffer:
    """Return the body with `uuid` as its account (`rewriteAccountUuid`); the same object if nothing changes.

    Off by default: bodies stay as the client sent them.  Claude Code puts a JSON text into `metadata.user_id`
    with the uuid of its own login; it is replaced in place by one of the same length, nothing else changes.
    Only the metadata that was scanned is rewritten: its session must be that of `facts`.
    """
    if not uuid or len(uuid) != 36 or not facts.session_id:
        return body
    data = bytes(body)
    at = data.rfind(b'"metadata"')
    user_id = _USER_ID_FIELD.match(data, at) if at >= 0 else None
    if user_id is None or facts.session_id.encode() not in user_id[1]:
        return body
    found = _UUID.search(data, user_id.start(1), user_id.end(1))
    if found is None or found[1] == uuid.encode():
        return body
    return data[: found.start(1)] + uuid.encode() + data[found.end(1) :]
