"""What leads a client past the proxy, found in the variables that count for it in the end.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from ..claude_code.environment import (
    API_HOST,
    API_URL,
    HEADERS,
    ClientTarget,
    client_environment,
    own_headers,
    proxy_host,
)
from ..claude_code.proxy_variables import EXCLUSIONS, http_proxy, is_excluded, strangely_excluded
from ..claude_code.server_urls import is_same_server, shown_url
from ..claude_code.settings_files import Layer
from ..claude_code.trusted_file import VARIABLE as TRUSTED
from .wiring import GATEWAY, PROVIDERS, SOCKET, Finding, Reach, Value, is_on

__all__ = ["obstacles"]


class _Obstacles:
    """One client: `effective` is what counts for it, `texts` the same without the sources."""

    def __init__(
        self, effective: Mapping[str, Value], target: ClientTarget, logged_in: bool, reach: Reach
    ) -> None:
        self.effective = effective
        self.texts = {name: value.text for name, value in effective.items()}
        self.target = target
        self.logged_in = logged_in
        self.reach = reach

    def found(self) -> Iterator[Finding]:
        yield from self._base_url()
        yield from self._providers()
        yield from self._first_party_proxy() if self.target.ca_file else self._http_proxy()
        yield from self._trust()
        yield from self._headers()
        yield from self._credential()

    def _base_url(self) -> Iterator[Finding]:
        wanted = API_URL if self.target.ca_file else self.target.url
        url = self.texts.get("ANTHROPIC_BASE_URL") or API_URL
        if not is_same_server(url, wanted):
            cure = self._cure("ANTHROPIC_BASE_URL", f"remove it there or set it to {wanted}")
            where = self._place("ANTHROPIC_BASE_URL")
            yield Finding(
                f"{where} sets ANTHROPIC_BASE_URL to {shown_url(url)}, which overrides the environment: "
                f"claude will not use the proxy; {cure}",
                stops=True,
                topic="base-url",
            )

    def _providers(self) -> Iterator[Finding]:
        switches = (*PROVIDERS, GATEWAY) if self.target.ca_file else PROVIDERS
        names = [name for name in switches if is_on(self.texts.get(name, ""))]
        # In a settings file the client ignores it.
        if self.texts.get(SOCKET) and not self.effective[SOCKET].source:
            names.append(SOCKET)
        for name in names:
            yield Finding(
                f"{self._sets(name)}: claude will not use the proxy; {self._cure(name)}", True, "provider"
            )

    def _http_proxy(self) -> Iterator[Finding]:
        host, name = proxy_host(self.target), http_proxy(self.texts)
        if name is None or is_excluded(self.texts, host):
            return
        yield Finding(
            f"{self._sets(name)} to {shown_url(self.texts[name])}, and claude would ask it for {host}: "
            f"prompts and the proxy's key would go there; {self._cure_of_lists(name, host)}",
            stops=True,
            topic="http-proxy",
        )

    def _cure_of_lists(self, proxy: str, host: str) -> str:
        """Return what to do where the HTTP proxy in the variable `proxy` would get what is for `host`."""
        lists = {each: self.texts[each] for each in EXCLUSIONS if self.texts.get(each)}
        lacking = next((each for each, text in lists.items() if not is_excluded({each: text}, host)), None)
        if lacking is None:
            return self._cure(proxy, f"add {host} to NO_PROXY")
        source = self.effective[lacking].source
        return self._cure(lacking, f"add {host} to {lacking}{f' in {source}' if source else ''}")

    def _first_party_proxy(self) -> Iterator[Finding]:
        ours = client_environment(self.target, {}, self.logged_in)["HTTPS_PROXY"]
        name = next((each for each in ("https_proxy", "HTTPS_PROXY") if self.texts.get(each)), "HTTPS_PROXY")
        if self.texts.get(name) != ours:
            yield Finding(
                f"{self._sets(name)} to {shown_url(self.texts.get(name, ''))}: claude would reach the API "
                f"through it, not through us; {self._cure(name)}",
                stops=True,
                topic="http-proxy",
            )
        for entry in strangely_excluded(self.texts, API_HOST, 443):
            place = next((each for each in EXCLUSIONS if entry in self.texts.get(each, "")), EXCLUSIONS[0])
            yield Finding(
                f"{self._sets(place)} with {entry}: claude would reach the API past the proxy; "
                f"{self._cure(place, f'take {entry} out')}",
                stops=True,
                topic="http-proxy",
            )

    def _trust(self) -> Iterator[Finding]:
        needed = self.target.ca_file or self.target.certificate
        if needed and self.texts.get(TRUSTED) != needed:
            yield Finding(
                f"{self._sets(TRUSTED)} to another file: claude would not trust the proxy; "
                f"{self._cure(TRUSTED, f'set it to {needed}, which holds both')}",
                stops=True,
                topic="trust",
            )

    def _headers(self) -> Iterator[Finding]:
        present = [line.strip() for line in self.texts.get(HEADERS, "").splitlines()]
        missing = [line for line in own_headers(self.target, self.logged_in) if line not in present]
        for line in missing:
            pinned = line.startswith("x-teamclaude-account")
            effect = (
                "the account that was named would not be asked for" if pinned else "the proxy's key is lost"
            )
            yield Finding(f"{self._sets(HEADERS)}: {effect}; {self._cure(HEADERS)}", pinned, "headers")

    def _credential(self) -> Iterator[Finding]:
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
            text = self.texts.get(name)
            ours = not self.logged_in and name == "ANTHROPIC_AUTH_TOKEN" and text == self.target.key
            if not text or ours:
                continue
            instead = "your login" if self.logged_in else "the proxy's key"
            if self.logged_in or name == "ANTHROPIC_AUTH_TOKEN":
                effect = f" and would be used instead of {instead}"
            else:
                effect = ", about which claude would ask"
            yield Finding(f"{self._sets(name)}{effect}; {self._cure(name)}", topic="credential")

    # --- words ------------------------------------------------------------------------------------------

    def _place(self, name: str) -> str:
        value = self.effective.get(name)
        return (value.source if value else "") or "the environment"

    def _sets(self, name: str) -> str:
        value = self.effective.get(name)
        return f"{value.source} sets {name}" if value and value.source else f"{name} is set"

    def _cure(self, name: str, cure: str = "remove it there") -> str:
        value = self.effective.get(name)
        if value is not None and value.is_managed:
            return "only who manages this machine can change that"
        if value is None or not value.source:
            return "unset it for claude" if cure == "remove it there" else cure
        return cure if self.reach is not Reach.SHELL else f"{cure}, or use: teamclaude run"


def obstacles(
    effective: Mapping[str, Value],
    layers: Sequence[Layer],
    target: ClientTarget,
    logged_in: bool,
    reach: Reach,
) -> list[Finding]:
    """Return what stands in the way of a client for which `effective` counts; files that are broken first."""
    found = [
        Finding(f"{each.source} {each.problem}: claude ignores it", topic="settings")
        for each in layers
        if each.problem
    ]
    other = _other_mode(effective, target, logged_in)
    if other is not None:
        found.append(_about_mode(effective, other))
    return [*found, *_Obstacles(effective, other or target, logged_in, reach).found()]


def _other_mode(
    effective: Mapping[str, Value], target: ClientTarget, logged_in: bool
) -> Optional[ClientTarget]:
    """Return the same proxy in the other mode, if a settings file leads the client to it that way."""
    nothing = Value("")
    url = effective.get("ANTHROPIC_BASE_URL", nothing)
    if target.ca_file:
        by_url = url.source and is_same_server(url.text, target.url)
        return target._replace(ca_file=None) if by_url else None
    other = target._replace(certificate=None, ca_file=effective.get(TRUSTED, nothing).text or None)
    if other.ca_file is None or not is_same_server(url.text or API_URL, API_URL):
        return None
    ours = client_environment(other, {}, logged_in)["HTTPS_PROXY"]
    proxy = effective.get("HTTPS_PROXY", nothing)
    return other if proxy.source and proxy.text == ours else None


def _about_mode(effective: Mapping[str, Value], target: ClientTarget) -> Finding:
    value = effective["HTTPS_PROXY" if target.ca_file else "ANTHROPIC_BASE_URL"]
    mode, option = ("in first-party mode", "") if target.ca_file else ("by its base URL", " --first-party")
    cure = "" if value.is_managed else f" (teamclaude setup claude{option} --write changes that)"
    return Finding(
        f"{value.source} leads claude to the proxy {mode}, whatever the environment says{cure}", topic="mode"
    )
