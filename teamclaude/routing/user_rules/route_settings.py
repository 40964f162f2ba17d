"""The keys `routes` and `pins`: how they are written in the config file, and as values to apply.

1. A text in the place of a match is the model; a text in the place of a list of accounts is the only one.
2. A key of a route or of its match that is not known is an error: without that condition the route would
   match more.  A remark (name, note, comment) is none.
3. A directory is compared as it is written and with its symbolic links resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Optional

from ...settings import Settings, setting
from ...values import MISSING
from .patterns import is_absolute, is_glob, is_path, normalized_path
from .routes import RouteMatch, RouteSpec

__all__ = ["MAX_ROUTES", "RouteMatchSettings", "RouteSettings", "pinned_names", "route_specs"]

MAX_ROUTES = 1000  # all of them may be compared with one request, and each with each when the file is read
_REMARKS = ("name", "note", "comment")  # of a route: for people
Resolve = Callable[[str], str]  # a path without its symbolic links


class RouteMatchSettings(Settings):
    """What a route matches: all that is set."""

    all_keys_matter = True  # an unknown one is an error

    model: Optional[str] = setting(None, "The model that is asked for: claude-opus-*.", unit="glob")
    project: Optional[str] = setting(
        None, "The working directory or one above it, or the bare name of one.", unit="path"
    )
    client: Optional[str] = setting(None, "The name of a client in proxy.clients.", unit="glob")
    agent: Optional[str] = setting(
        None, "true: sub-agents alone; false: all but them; else a glob of their ids.", unit="agent"
    )
    path: Optional[str] = setting(None, "The path of the request: /v1/messages/count_tokens.", unit="glob")

    @classmethod
    def prepared(cls, raw: object) -> object:
        """Return the JSON with a text as the match of a model, and true and false of `agent` as text."""
        if isinstance(raw, str):
            return {"model": raw}
        if isinstance(raw, dict) and isinstance(raw.get("agent"), bool):
            return {**raw, "agent": "true" if raw["agent"] else "false"}
        return raw


class RouteSettings(Settings):
    """One route: what it matches, and who alone may serve that, or why nobody may."""

    all_keys_matter = True  # a condition beside the match would be none: the route would match more

    match: RouteMatchSettings = setting(MISSING, "What it matches: a glob of models, or an object.")
    accounts: tuple[str, ...] = setting((), "The only accounts that may serve it: names, or globs of names.")
    block: Optional[str] = setting(None, "Nobody may serve it: the words that the client gets.")
    priority: bool = setting(
        False, "Use the accounts in the order of the list; off: their own priorities decide."
    )

    @classmethod
    def prepared(cls, raw: object) -> object:
        """Return the JSON with a text in the place of the accounts as a list, and without remarks."""
        if not isinstance(raw, dict):
            return raw
        plain = {key: value for key, value in raw.items() if key not in _REMARKS}
        if isinstance(plain.get("accounts"), str):
            plain["accounts"] = [plain["accounts"]]
        return plain


def route_specs(routes: Sequence[RouteSettings], resolve: Resolve) -> tuple[RouteSpec, ...]:
    """Return the routes to apply."""
    return tuple(
        RouteSpec(f"routes[{n}]", _match(each.match, resolve), each.accounts, each.block or "", each.priority)
        for n, each in enumerate(routes)
    )


def _match(match: RouteMatchSettings, resolve: Resolve) -> RouteMatch:
    model, project, client, path = (
        None if glob == "*" else glob for glob in (match.model, match.project, match.client, match.path)
    )
    projects = () if project is None else _spellings(project, resolve)
    return RouteMatch(model, projects, client, match.agent, path)


def pinned_names(pins: Mapping[str, str], resolve: Resolve) -> dict[str, str]:
    """Return the account's name of each pinned directory, in all its spellings; as written counts first."""
    found = {normalized_path(directory): name for directory, name in pins.items()}
    for directory, name in pins.items():
        for place in _spellings(directory, resolve):
            found.setdefault(place, name)
    return found


def _spellings(pattern: str, resolve: Resolve) -> tuple[str, ...]:
    """Return a directory as it is compared: as written, and with its symbolic links resolved."""
    if not is_path(pattern):
        return (pattern,)
    written = normalized_path(pattern)
    if is_glob(pattern) or not is_absolute(written):
        return (written,)
    return tuple(dict.fromkeys((written, normalized_path(resolve(pattern)))))
