"""`run --check`: say how claude would be led, and prove it by one request that costs nothing."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from .... import __version__
from ....dial.connector import Connector
from ....dial.proxies import DIRECT, parse_proxy
from ....errors import ProxyRefusedError, TeamClaudeError
from ....values import NamedTuple
from ...claude_code.background_service import find_service, has_environment
from ...claude_code.environment import API_URL, HEADERS
from ...claude_code.proxy_variables import EXCLUSIONS, PROXIES, http_proxy
from ...claude_code.server_urls import shown_url
from ...claude_code.settings_files import Layer
from ...claude_code.trusted_file import VARIABLE as TRUSTED
from ...launch.client_plan import ClientPlan
from ...launch.wiring import Reach
from ...terminal import note, shown

PATH = "/v1/models"
TIMEOUT_S = 15.0
# Variables of a settings file that have to do with the way to the proxy, for the list of what it sets.
NAMES = ("ANTHROPIC_", "CLAUDE_CODE_USE", "CLAUDE_CODE_OAUTH", TRUSTED, *PROXIES, *EXCLUSIONS)


class Answer(NamedTuple):
    """What came back: the HTTP status, the API's or proxy's message for an error, and the time it took."""

    status: int
    message: str
    seconds: float


def check(plan: ClientPlan) -> int:
    """Print the wiring; return 0 if claude would use the proxy and a request did, else 1 with a line why."""
    for title, text in _lines(plan):
        print(f"{title:12}{shown(text)}")
    for finding in plan.findings:
        if not finding.stops:
            note(f"teamclaude: {finding.text}")
    for finding in plan.findings:
        if finding.stops:
            raise TeamClaudeError(finding.text)
    answer = _ask({name: value.text for name, value in plan.wiring.effective.items()})
    print(f"{'request':12}GET {PATH}: {answer.status} in {answer.seconds * 1000:.0f} ms")
    if answer.status != 200:
        raise TeamClaudeError(
            f"claude would reach the proxy, which answers {answer.status}: {answer.message}"
        )
    print(f"{'ok':12}claude uses the proxy")
    return 0


# --- the wiring -------------------------------------------------------------------------------------


def _lines(plan: ClientPlan) -> Iterator[tuple[str, str]]:
    texts = {name: value.text for name, value in plan.wiring.effective.items()}
    target = plan.target
    mode = f"first-party: claude keeps {API_URL}, with {target.url} as its HTTPS proxy"
    yield "mode", mode if target.ca_file else f"base URL {target.url}"
    yield "client", _client(plan, texts)
    if target.account is not None:
        yield "account", f"{target.account}, no other"
    if target.project is not None and not target.ca_file:
        yield "project", f"{target.project} (for routes and pins)"
    title = "settings"
    for layer in plan.layers:
        yield title, f"{layer.source}: {_summary(layer)}"
        title = ""
    if plan.reach is Reach.PROCESS:
        yield "--settings", f"claude {plan.words.words[0]} takes none: only the environment leads it"
    else:
        yield "--settings", "the same variables once more, above these files (not above managed ones)"
    yield "proxies", _proxies(plan, texts)
    trusted = texts.get(TRUSTED)
    if trusted:
        yield "trusts", trusted
    yield "background", _background(plan, texts)


def _client(plan: ClientPlan, texts: Mapping[str, str]) -> str:
    if texts.get("ANTHROPIC_API_KEY"):
        return "an API key of its own"
    if plan.logged_in:
        return (
            "Claude Code's own login, as a subscriber" if not texts.get("ANTHROPIC_AUTH_TOKEN") else "a token"
        )
    return "not logged in: the proxy's key is its token"


def _summary(layer: Layer) -> str:
    if layer.problem:
        return f"{layer.problem}; claude ignores it"
    names = [name for name in layer.variables if name.startswith(NAMES)]
    names += ["apiKeyHelper"] if layer.api_key_helper else []
    return f"sets {', '.join(names)}" if names else "sets nothing of this"


def _proxies(plan: ClientPlan, texts: Mapping[str, str]) -> str:
    name = http_proxy(texts)
    listed = ", ".join(f"{each}={texts[each]}" for each in EXCLUSIONS if texts.get(each))
    if plan.target.ca_file:
        return f"HTTPS_PROXY is the proxy{f'; {listed}' if listed else ''}"
    if name is None:
        return "none"
    return f"{name}={shown_url(texts[name])}, not for the proxy itself: {listed}"


def _background(plan: ClientPlan, texts: Mapping[str, str]) -> str:
    service = find_service(texts)
    if service is None:
        return "no background service of Claude Code runs"
    which = f"a background service runs ({service.version}, pid {service.pid})"
    if has_environment(service, texts):
        return f"{which}, with the same environment"
    return f"{which}, with another environment: --settings lead its new agents to the proxy"


# --- the request ------------------------------------------------------------------------------------


def _ask(texts: Mapping[str, str]) -> Answer:
    """Ask for the list of models as a client would for which `texts` count.

    Raise ConnectFailedError or ConfigError in one line.
    """
    base = urlsplit(texts.get("ANTHROPIC_BASE_URL") or API_URL)
    proxy = DIRECT
    if base.scheme == "https" and base.hostname == urlsplit(API_URL).hostname:
        proxy = parse_proxy(texts["HTTPS_PROXY"], "HTTPS_PROXY")
    connector = Connector(TIMEOUT_S, texts.get(TRUSTED), proxy, {})
    start = time.monotonic()
    port = base.port or (443 if base.scheme == "https" else 80)
    try:
        sock = connector.open(base.scheme, base.hostname or "", port)
    except ProxyRefusedError as error:  # here the proxy is ours
        raise TeamClaudeError(f"{error}; the server's log says why") from error
    sock.settimeout(TIMEOUT_S)
    connection = http.client.HTTPConnection(base.netloc.rpartition("@")[2])
    connection.sock = sock
    try:
        connection.request("GET", base.path.rstrip("/") + PATH, headers=_headers(texts))
        response = connection.getresponse()
        body = response.read(65536)
    except (OSError, http.client.HTTPException) as error:
        raise TeamClaudeError(f"no answer to GET {PATH} by the way of claude's: {error}") from error
    finally:
        connection.close()
    return Answer(response.status, _message(body), time.monotonic() - start)


def _headers(texts: Mapping[str, str]) -> dict[str, str]:
    """Return what the client would send, except for a login of its own, which is not read here."""
    headers = {"anthropic-version": "2023-06-01", "User-Agent": f"teamclaude/{__version__} (run --check)"}
    if texts.get("ANTHROPIC_AUTH_TOKEN"):
        headers["Authorization"] = f"Bearer {texts['ANTHROPIC_AUTH_TOKEN']}"
    for line in texts.get(HEADERS, "").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip():
            headers[name.strip()] = value.strip()
    return headers


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no message"
