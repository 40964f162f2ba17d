"""The environment that leads Claude Code (or an SDK) to the proxy.  Pure.

Claude Code is a subscriber's client only while it uses its own login: then it asks for the 1-hour prompt
cache and shows the plan's limits.  A key or token in the environment beats that login, so there the
proxy key travels as a custom header.  Measured with Claude Code 2.1.112 to 2.1.330.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional
from urllib.parse import quote, urlsplit

__all__ = ["ClientTarget", "account_header", "client_environment", "sdk_environment", "conflicting_variables"]

HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
OUR_HEADERS = ("x-teamclaude-key", "x-teamclaude-account")
# These take the client away from the account it is logged in with, or raise a dialog.
CONFLICTING = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


class ClientTarget(NamedTuple):
    """The proxy as a client sees it."""

    url: str
    key: str
    certificate: Optional[str] = None  # path, when the proxy serves TLS
    account: Optional[str] = None  # name, when one account is wanted


def client_environment(target: ClientTarget, existing: Mapping[str, str], logged_in: bool) -> dict[str, str]:
    """The variables to set; `existing` is the environment they are added to."""
    ours = [("x-teamclaude-key", target.key)] if logged_in else []
    if target.account is not None:
        ours.append(("x-teamclaude-account", account_header(target.account)))
    variables = {
        "ANTHROPIC_BASE_URL": target.url,
        **_certificate(target, existing),
        **_no_proxy(target, existing),
    }
    if not logged_in:
        variables["ANTHROPIC_AUTH_TOKEN"] = target.key
    foreign = _user_headers(existing.get(HEADERS, ""))
    headers = foreign + [f"{name}: {value}" for name, value in ours]
    if ours or headers != existing.get(HEADERS, "").splitlines():
        variables[HEADERS] = "\n".join(headers)
    return variables


def account_header(name: str) -> str:
    """An account's name as a header value: any name is ASCII then, whatever carries it."""
    return quote(name, safe=" !$&'()*+,/:;=?@[]")


def sdk_environment(target: ClientTarget) -> dict[str, str]:
    """For programs with an Anthropic SDK, which know a key and a base URL and nothing else."""
    return {"ANTHROPIC_BASE_URL": target.url, "ANTHROPIC_API_KEY": target.key}


def conflicting_variables(existing: Mapping[str, str], logged_in: bool) -> list[str]:
    """Variables that are set and must not reach Claude Code."""
    return [name for name in CONFLICTING if existing.get(name) and (logged_in or name == "ANTHROPIC_API_KEY")]


def _user_headers(text: str) -> list[str]:
    """The user's own headers; ours from an outer shell are replaced, not doubled."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and line.partition(":")[0].strip().lower() not in OUR_HEADERS]


def _no_proxy(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    """Claude Code would send what is for us, the key included, to a proxy of the environment (measured)."""
    if not any(existing.get(name) or existing.get(name.lower()) for name in PROXIES):
        return {}
    listed = existing.get("NO_PROXY") or existing.get("no_proxy") or ""
    host = urlsplit(target.url).hostname or ""
    hosts = [entry.strip() for entry in listed.split(",") if entry.strip()]
    if "*" in hosts or host in hosts:
        return {}
    return {"NO_PROXY": ",".join([*hosts, host])}


def _certificate(target: ClientTarget, existing: Mapping[str, str]) -> dict[str, str]:
    # The client reads one extra file; a company's own certificates there are worth more than ours.
    if target.certificate is None or existing.get("NODE_EXTRA_CA_CERTS"):
        return {}
    return {"NODE_EXTRA_CA_CERTS": target.certificate}
