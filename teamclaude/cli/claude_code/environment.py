"""The environment that points Claude Code (or an SDK) at the proxy.  Pure.

Claude Code behaves as a subscriber's client only while it uses its own login: it then requests the 1-hour
prompt cache and shows the plan's limits.  A key or token in the environment overrides that login, so with
a login the proxy key is sent as a custom header.  Measured with Claude Code 2.1.112 to 2.1.332.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Optional
from urllib.parse import quote, urlsplit

from ...values import NamedTuple
from .proxy_variables import excluding, http_proxy, including, is_excluded

__all__ = [
    "API_HOST",
    "API_URL",
    "SHELLS",
    "ClientTarget",
    "account_header",
    "client_environment",
    "conflicting_variables",
    "export_statements",
    "own_headers",
    "proxy_host",
    "sdk_environment",
]

HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
OUR_HEADERS = ("x-teamclaude-key", "x-teamclaude-account", "x-teamclaude-project")
# These override the account that the client is logged in with, or open a dialog.
CONFLICTING = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
API_HOST = "api.anthropic.com"
API_URL = f"https://{API_HOST}"


class ClientTarget(NamedTuple):
    """The proxy as a client sees it.

    `certificate` and `ca_file` are paths of all that the client is to trust beside its own authorities: it
    reads one such file, so that what it trusted before must be in it.
    """

    url: str
    key: str
    certificate: Optional[str] = None  # when the proxy serves TLS
    account: Optional[str] = None  # name, when one account is wanted
    project: Optional[str] = None  # the working directory, when the proxy is to know it
    ca_file: Optional[str] = None  # when set, the client is to be a first-party one


def client_environment(target: ClientTarget, existing: Mapping[str, str], logged_in: bool) -> dict[str, str]:
    """Return the variables to set; `existing` is the environment they are added to.

    With `target.ca_file` the client keeps https://api.anthropic.com and reaches the proxy as its HTTP proxy,
    else the proxy is its base URL.  An ANTHROPIC_BASE_URL elsewhere must then be unset
    (`conflicting_variables` says so).
    """
    variables = _as_http_proxy(target, existing) if target.ca_file else _as_base_url(target, existing)
    if not logged_in:
        variables["ANTHROPIC_AUTH_TOKEN"] = target.key
    own = own_headers(target, logged_in)
    users = _user_headers(existing.get(HEADERS, ""))
    headers = [*users, *own]
    if own or headers != existing.get(HEADERS, "").splitlines():
        variables[HEADERS] = "\n".join(headers)
    return variables


def own_headers(target: ClientTarget, logged_in: bool) -> list[str]:
    """Return the lines of ANTHROPIC_CUSTOM_HEADERS that are ours."""
    # Headers of a first-party client reach the API itself whenever the proxy is bypassed: no key in them.
    own = [("x-teamclaude-key", target.key)] if logged_in and not target.ca_file else []
    if target.account is not None:
        own.append(("x-teamclaude-account", account_header(target.account)))
    # Nor a path of this machine.
    if target.project is not None and not target.ca_file:
        own.append(("x-teamclaude-project", account_header(target.project)))
    return [f"{name}: {value}" for name, value in own]


def _as_base_url(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    variables = {"ANTHROPIC_BASE_URL": target.url}
    if target.certificate is not None:
        variables["NODE_EXTRA_CA_CERTS"] = target.certificate
    host = proxy_host(target)
    if http_proxy(existing) and not is_excluded(existing, host):
        variables.update(excluding(existing, host))
    return variables


def proxy_host(target: ClientTarget) -> str:
    """Return the proxy's host as it stands in its URL: an IPv6 address in brackets."""
    return urlsplit(target.url).netloc.rpartition(":")[0]


def _as_http_proxy(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    parts = urlsplit(target.url)
    proxy = f"{parts.scheme}://teamclaude:{quote(target.key, safe='')}@{parts.netloc}"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NODE_EXTRA_CA_CERTS": target.ca_file or "",
        **including(existing, API_HOST, 443),
    }


def account_header(name: str) -> str:
    """Return an account's name, or a path, as a header value, percent-encoded to ASCII."""
    return quote(name, safe=" !$&'()*+,/:;=?@[]")


def sdk_environment(target: ClientTarget) -> dict[str, str]:
    """Return the variables for an Anthropic SDK, which knows only a base URL and a key."""
    return {"ANTHROPIC_BASE_URL": target.url, "ANTHROPIC_API_KEY": target.key}


def conflicting_variables(
    existing: Mapping[str, str], logged_in: bool, first_party: bool = False
) -> list[str]:
    """Return the names of variables that are set and must not reach Claude Code."""
    names = [name for name in CONFLICTING if logged_in or name == "ANTHROPIC_API_KEY"]
    names += ["ANTHROPIC_BASE_URL"] if first_party else []
    return [name for name in names if existing.get(name)]


def _user_headers(text: str) -> list[str]:
    """Return the user's own headers; ours, from an outer shell, are replaced, not repeated."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and line.partition(":")[0].strip().lower() not in OUR_HEADERS]


def export_statements(variables: Mapping[str, str], shell: str) -> str:
    """Return the statements that set `variables`; `shell` is a key of SHELLS."""
    return SHELLS[shell](variables)


def _sh(variables: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}={_sh_value(value)};" for name, value in variables.items())


def _sh_value(value: str) -> str:
    lines = ["'" + line.replace("'", "'\"'\"'") + "'" for line in value.split("\n")]
    if len(lines) == 1:
        return lines[0]
    return f"\"$(printf '%s\\n' {' '.join(lines)})\""


def _fish(variables: Mapping[str, str]) -> str:
    return "\n".join(f"set -gx {name} {_fish_value(value)};" for name, value in variables.items())


def _fish_value(value: str) -> str:
    # In fish's single quotes a backslash escapes a quote and itself, nothing else.
    lines = ("'" + line.replace("\\", "\\\\").replace("'", "\\'") + "'" for line in value.split("\n"))
    return "\\n".join(lines)


def _powershell(variables: Mapping[str, str]) -> str:
    return "\n".join(f"$env:{name} = {_powershell_value(value)};" for name, value in variables.items())


def _powershell_value(value: str) -> str:
    # PowerShell treats typographic single quotes as plain ones: double each.
    doubled = "".join(char * 2 if char in "'\u2018\u2019\u201a\u201b" else char for char in value)
    return ' + "`n" + '.join(f"'{line}'" for line in doubled.split("\n"))


def _json(variables: Mapping[str, str]) -> str:
    return json.dumps(dict(variables), indent=2)


SHELLS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "sh": _sh,
    "fish": _fish,
    "powershell": _powershell,
    "json": _json,
}
