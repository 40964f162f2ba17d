"""One account in the config file: its identity, its credentials and its routing options."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Optional

from ...settings import setting
from .schema import COMMAND, REQUIRED, Section
from .value_types import mask_keys, safe_repr

if TYPE_CHECKING:
    from ...dial.proxies import ProxyAddress
    from ...routing.user_rules.caps import Caps, Reserves
    from ...routing.user_rules.spend import SpendLimits

__all__ = ["AccountConfig", "SpendConfig", "program_name", "program_problem", "proxy_address_of"]

# Rules are loaded for those who have them: 8 ms of each command.
CAPS = "routing.user_rules.caps"
MAX_NAME_LENGTH = 200  # characters of an account's name: it stands in lines, logs and headers


class SpendConfig(Section):
    """The most dollars for what is billed: API keys, and extra usage."""

    all_keys_matter = True  # without an unknown one, as of a week, it would be no limit

    day: Optional[float] = setting(None, "In a day of local time; not set: no limit.", unit="$")
    month: Optional[float] = setting(None, "In a month of local time; not set: no limit.", unit="$")

    @property
    def is_set(self) -> bool:
        """Whether there is a limit."""
        return self.day is not None or self.month is not None

    @property
    def limits(self) -> SpendLimits:
        """What routing gets of it."""
        from ...routing.user_rules.spend import SpendLimits  # with datetime 4 ms, which commands do without

        return SpendLimits(self.day, self.month)


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
    credential_command: tuple[str, ...] = setting(
        (),
        "Program that prints the API key or setup token, in place of it here; there is no shell.",
        unit=COMMAND,
    )
    credential_ttl_sec: float = setting(
        0.0,
        "When credentialCommand is run again; 0: at the start, a reload, a 401 and the end it names.",
        unit="s",
    )
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
    max_usage: Optional[Caps] = setting(
        None,
        "Use no more of its windows, under any policy (help rules); not set: maxUsage.",
        unit="fraction 0-1, or {5h, 7d, 7d_opus...}",
        module=CAPS,
    )
    reserve: Optional[Reserves] = setting(
        None,
        "Keep this part of its windows for these hours, local time (help rules).",
        unit='{"Mon-Fri 9-17": fraction or {5h, 7d...}}',
        module=CAPS,
    )
    max_spend: SpendConfig = setting(SpendConfig, "The most that this account may cost (help rules).")
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
        return proxy_address_of(self.proxy, source)

    @property
    def is_last_resort(self) -> bool:
        """Whether this is a paid API key that serves only when no other account can."""
        return self.type == "apikey" and self.last_resort

    def problem(self) -> str:
        """Return what is wrong with the name or the credentials."""
        if len(self.name) > MAX_NAME_LENGTH:
            size = len(self.name)
            return f'the name "{self.name[:20]}..." has {size} characters; {MAX_NAME_LENGTH} are the most'
        if self.credential_command:
            return self._command_problem()
        if self.type == "apikey" and not self.api_key:
            return f'API-key account "{self.name}" has no apiKey; add one or remove the account'
        if self.type == "oauth" and not (self.access_token or self.refresh_token or self.import_from):
            other = ' (or set "type": "apikey")' if self.api_key else ""
            return f'account "{self.name}" has neither accessToken nor importFrom; log in again{other}'
        return ""

    def _command_problem(self) -> str:
        """Return what is wrong with the command; its account has no credential in the file."""
        stored = {
            "accessToken": self.access_token,
            "refreshToken": self.refresh_token,
            "apiKey": self.api_key,
            "importFrom": self.import_from,
        }
        for key, value in stored.items():
            if value:
                return f'account "{self.name}" has credentialCommand and {key}; remove one of them'
        problem = program_problem(self.credential_command)
        return f"credentialCommand: {problem}" if problem else ""


def program_problem(command: Sequence[str]) -> str:
    """Return what is wrong with the name of a program; an empty text for none, and for no program.

    A relative path would mean another program in each directory that the server is started in.
    """
    name = os.path.expanduser(command[0]) if command else ""
    if os.path.dirname(name) and not os.path.isabs(name):
        return f"{safe_repr(command[0])} is a relative path; write the whole path, or a name on PATH"
    return ""


def program_name(command: Sequence[str]) -> str:
    """Return the name of a program for a line of text; somebody may have written a key in its place."""
    text = "".join(char for char in command[0] if char.isprintable())
    return mask_keys(text)[:80]


def proxy_address_of(url: Optional[str], source: str) -> Optional[ProxyAddress]:
    """Return the proxy of a URL, None without one; `source` names the setting in errors."""
    if not url:
        return None
    from ...dial.proxies import parse_proxy  # 3 ms that most commands do without

    return parse_proxy(url, source)
