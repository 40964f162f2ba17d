"""What Claude Code does with its variables, as it was measured: the other side of the wiring's tests.

It is written from the measurements (2.1.332 native, 2.1.112 JavaScript), not from the product's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from teamclaude.cli.claude_code.settings_files import Layer

__all__ = ["NATIVE", "SCRIPT", "VERSIONS", "Sent", "send", "variables_of"]

NATIVE, SCRIPT = "2.1.332", "2.1.112"
VERSIONS = (NATIVE, SCRIPT)
_ORDER = ("global", "user", "project", "local", "flag", "managed", "remote")


class Sent(NamedTuple):
    """Where a request goes first (an HTTP proxy, else the server), and what is in it."""

    to: str
    server: str
    headers: tuple[str, ...]
    token: str
    trusts: str
    is_subscriber: bool


def variables_of(environment: Mapping[str, str], layers: Iterable[Layer]) -> dict[str, str]:
    """Return the variables that count: each layer over the one below it."""
    found = dict(environment)
    for layer in sorted(layers, key=lambda each: _ORDER.index(each.scope)):
        obeyed = layer.variables.keys() - {"ANTHROPIC_UNIX_SOCKET"}
        found.update({name: layer.variables[name] for name in obeyed})
    return found


def send(variables: Mapping[str, str], version: str, logged_in: bool, helper: str = "") -> Sent:
    """Return what one request of the client is."""
    server = _server(variables, version)
    token = variables.get("ANTHROPIC_AUTH_TOKEN") or helper
    key = variables.get("ANTHROPIC_API_KEY")
    headers = tuple(variables.get("ANTHROPIC_CUSTOM_HEADERS", "").splitlines())
    proxy = _proxy(variables, version)
    via = proxy if proxy and not _excluded(server, variables, version) else ""
    trusts = variables.get("NODE_EXTRA_CA_CERTS", "")
    return Sent(via or server, server, headers, token or "", trusts, logged_in and not token and not key)


def _server(variables: Mapping[str, str], version: str) -> str:
    if version == NATIVE and variables.get("ANTHROPIC_UNIX_SOCKET"):
        return "unix:" + variables["ANTHROPIC_UNIX_SOCKET"]
    for name in ("BEDROCK", "FOUNDRY", "ANTHROPIC_AWS", "ANTHROPIC_GOOGLE_CLOUD", "MANTLE", "VERTEX"):
        on = variables.get(f"CLAUDE_CODE_USE_{name}", "").lower() in ("1", "true", "yes", "on")
        if on and (version == NATIVE or name != "ANTHROPIC_GOOGLE_CLOUD"):
            return f"https://{name.lower()}.example"
    return (variables.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com").rstrip("/")


def _proxy(variables: Mapping[str, str], version: str) -> str:
    names = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]
    names += ["all_proxy", "ALL_PROXY"] if version == NATIVE else []
    return next((variables[name] for name in names if variables.get(name)), "")


def _excluded(server: str, variables: Mapping[str, str], version: str) -> bool:
    names = ("no_proxy", "NO_PROXY") if version == NATIVE else ("NO_PROXY", "no_proxy")
    listed = next((variables[name] for name in names if variables.get(name)), "")
    parts = urlsplit(server)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return any(_names(entry.lower(), host, port, version) for entry in listed.replace(",", " ").split())


def _names(entry: str, host: str, port: int, version: str) -> bool:
    if entry in ("*", host, f"{host}:{port}"):
        return True
    suffixes: Sequence[str] = (entry.lstrip("*"),) if entry.startswith((".", "*.")) else ()
    if version == NATIVE and not suffixes:
        suffixes = (f".{entry}",)
    if any(len(suffix) > 1 and host.endswith(suffix) for suffix in suffixes):
        return True
    if version != NATIVE:
        return False
    if entry == host.strip("[]") or (entry.startswith(".") and entry[1:] == host):
        return True
    try:
        return ip_address(host.strip("[]")) in ip_network(entry, strict=False)
    except ValueError:
        return False
