"""The environment that points Claude Code (or an SDK) at the proxy.  Pure.

Claude Code behaves as a subscriber's client only while it uses its own login: it then requests the 1-hour
prompt cache and shows the plan's limits.  A key or token in the environment overrides that login, so with
a login the proxy key is sent as a custom header.  Measured with Claude Code 2.1.112 to 2.1.330.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple, Optional
from urllib.parse import quote, urlsplit

__all__ = [
    "SHELLS",
    "ClientTarget",
    "account_header",
    "client_environment",
    "conflicting_variables",
    "export_statements",
    "sdk_environment",
]

HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
OUR_HEADERS = ("x-teamclaude-key", "x-teamclaude-account")
# These override the account that the client is logged in with, or open a dialog.
CONFLICTING = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


class ClientTarget(NamedTuple):
    """The proxy as a client sees it."""

    url: str
    key: str
    certificate: Optional[str] = None  # path, when the proxy serves TLS
    account: Optional[str] = None  # name, when one account is wanted
    ca_file: Optional[str] = None  # path; when set, the client is to be a first-party one


def client_environment(target: ClientTarget, existing: Mapping[str, str], logged_in: bool) -> dict[str, str]:
    """Return the variables to set; `existing` is the environment they are added to.

    With `target.ca_file` the client keeps https://api.anthropic.com and reaches the proxy as its HTTP proxy,
    else the proxy is its base URL.  ANTHROPIC_BASE_URL must then be unset (`conflicting_variables` says so).
    """
    variables = _as_http_proxy(target, existing) if target.ca_file else _as_base_url(target, existing)
    if not logged_in:
        variables["ANTHROPIC_AUTH_TOKEN"] = target.key
    # Headers of a first-party client reach the API itself whenever the proxy is bypassed: no key in them.
    own = [("x-teamclaude-key", target.key)] if logged_in and not target.ca_file else []
    if target.account is not None:
        own.append(("x-teamclaude-account", account_header(target.account)))
    users = _user_headers(existing.get(HEADERS, ""))
    headers = users + [f"{name}: {value}" for name, value in own]
    if own or headers != existing.get(HEADERS, "").splitlines():
        variables[HEADERS] = "\n".join(headers)
    return variables


def _as_base_url(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": target.url,
        **_certificate(target, existing),
        **_no_proxy(target, existing),
    }


def _as_http_proxy(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    parts = urlsplit(target.url)
    proxy = f"{parts.scheme}://teamclaude:{quote(target.key, safe='')}@{parts.netloc}"
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NODE_EXTRA_CA_CERTS": target.ca_file or "",
    }


def account_header(name: str) -> str:
    """Return an account's name as a header value, percent-encoded to ASCII."""
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


def _no_proxy(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    """Return NO_PROXY for our host: Claude Code would send requests and key to an HTTP proxy (measured)."""
    if not any(existing.get(name) or existing.get(name.lower()) for name in PROXIES):
        return {}
    listed = existing.get("NO_PROXY") or existing.get("no_proxy") or ""
    host = urlsplit(target.url).hostname or ""
    hosts = [entry.strip() for entry in listed.split(",") if entry.strip()]
    if "*" in hosts or host in hosts:
        return {}
    return {"NO_PROXY": ",".join([*hosts, host])}


def _certificate(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    # The client reads one extra file: a company's certificates there take precedence over ours.
    if target.certificate is None or existing.get("NODE_EXTRA_CA_CERTS"):
        return {}
    return {"NODE_EXTRA_CA_CERTS": target.certificate}


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
