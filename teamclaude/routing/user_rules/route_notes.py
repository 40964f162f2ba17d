"""What a person should know of routes and pins that do not have their effect: one line each, with its path.

1. A route that names nobody refuses what it matches; nothing leaks to the accounts that it leaves out.
2. A route can never match where an earlier one takes all that it matches, or where nothing is so named.
3. Where a route has accounts and `block`, it blocks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Optional, Protocol

from ...brief import brief_list
from .patterns import covers, is_absolute, is_glob, is_path, matches_project, normalized_path
from .routes import ANY_AGENT, NO_AGENT, NamedAccount, RouteMatch, RouteSpec, accounts_named

__all__ = ["forbidding_route", "route_notes"]

# `?` is a wildcard; before NAME= it is the begin of a query, which is no part of a path.
_QUERY = re.compile(r"\?[\w.%-]*=")
_SET = re.compile(r"\[!?\]?[^\]]*\]")  # of characters, of which a comma may be one


class ConfiguredAccount(NamedAccount, Protocol):
    """What a note has to know of an account."""

    @property
    def disabled(self) -> bool:
        """Whether its owner keeps it out of service."""


def route_notes(
    routes: Sequence[RouteSpec],
    pins: Mapping[str, str],
    accounts: Sequence[ConfiguredAccount],
    clients: Collection[str],
) -> Iterator[str]:
    """Yield the lines; `pins` as written, `clients` are the names in proxy.clients."""
    for number, route in enumerate(routes):
        yield from _about_accounts(route, accounts)
        yield from _about_match(route, clients)
        earlier = next((each for each in routes[:number] if _takes_all(each.match, route.match)), None)
        if earlier is not None:
            yield f"{route.place} can never match: {earlier.place} takes {earlier.match}"
    seen: dict[str, tuple[str, str]] = {}
    for directory, name in pins.items():
        where, place = f'pins["{directory}"]', normalized_path(directory)
        first, pinned = seen.setdefault(place, (where, name))
        if pinned != name:
            yield f"{where} and {first} are the same directory with two accounts: the last one counts"
        yield from _about_pin(where, place, name, routes, accounts)


def _about_accounts(route: RouteSpec, accounts: Sequence[ConfiguredAccount]) -> Iterator[str]:
    if route.block:
        if route.accounts:
            yield f"{route.place} has accounts and block: it blocks what it matches; remove one of them"
        return
    if not route.accounts:
        yield f"{route.place} names no account: what it matches is refused; add accounts, or block with words"
        return
    for number, pattern in enumerate(route.accounts):
        if not accounts_named(pattern, accounts):
            yield f"{route.place}.accounts[{number}]: {_no_account(pattern, accounts)}"
    named = [account for pattern in route.accounts for account in accounts_named(pattern, accounts)]
    if not named:
        yield f"{route.place}: none of its accounts is configured: what it matches is refused"
    elif all(account.disabled for account in named):
        yield f"{route.place}: its accounts are disabled: what it matches is refused until one is enabled"


def _no_account(name: str, accounts: Sequence[NamedAccount]) -> str:
    import difflib  # 3 ms, for a rule that has to be mended

    names = [account.name for account in accounts]
    lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    meant = f'did you mean "{lower[near[0]]}"?' if near else f"there are {brief_list(names) or 'none'}"
    return f'no account is named "{name}"; {meant}'


def _about_match(route: RouteSpec, clients: Collection[str]) -> Iterator[str]:
    match, where = route.match, f"{route.place}.match"
    odd = _odd_model(match.model or "")
    if odd:
        yield f'{where}: no model has the id "{match.model}": it can never match; {odd}'
    elif match.model and not is_glob(match.model) and "-" not in match.model:
        yield f'{where}: no model has the id "{match.model}": it can never match; write "*{match.model}*"'
    if match.client and not any(covers(match.client, name) for name in clients):
        yield f'{where}.client: no client in proxy.clients is named "{match.client}": it can never match'
    if match.projects and not is_glob(match.projects[0]):
        project = match.projects[0]
        if is_path(project) and not is_absolute(project):
            yield f'{where}.project: "{project}" is no whole path: it can never match'
    if match.path and match.path[0] not in "/*?[":
        yield f'{where}.path: "{match.path}" has no slash at its begin: it can never match'
    if match.path and _QUERY.search(match.path):
        path = match.path.partition("?")[0]
        yield f'{where}.path: "{match.path}" has a query: it can never match; write "{path}"'


def _odd_model(pattern: str) -> str:
    """Return what to write for a pattern that no id can match, as globs are: else empty."""
    plain = _SET.sub("", pattern)
    if plain != plain.strip():
        return "leave the blanks out"
    if re.search(r"[,|;]", plain):
        return "write a route for each model"
    return "write a route for each alternative" if re.search(r"[{}]", plain) else ""


def _about_pin(
    where: str,
    directory: str,
    name: str,
    routes: Sequence[RouteSpec],
    accounts: Sequence[ConfiguredAccount],
) -> Iterator[str]:
    if not is_absolute(directory):
        yield f"{where} is no whole path: it can never match"
    elif "*" in directory:
        yield f'{where} has a "*": a pin is of one directory and all below it, only routes take wildcards'
    found = accounts_named(name, accounts)
    if len(found) != 1:
        several = f'"{name}" could be any of {brief_list(each.name for each in found)}'
        yield f"{where}: {several if found else _no_account(name, accounts)}: it has no effect"
        return
    if found[0].disabled:
        yield f'{where}: "{name}" is disabled: it has no effect until that account is enabled'
    forbids = forbidding_route(directory, found[0], routes, accounts)
    if forbids:
        yield f'{where} can never have an effect: {forbids} does not allow "{name}" there'


def forbidding_route(
    directory: str, account: NamedAccount, routes: Sequence[RouteSpec], accounts: Sequence[NamedAccount]
) -> str:
    """Return the place of the route that keeps all work in a directory from an account; else empty.

    That is the first of all work there, unless an earlier one may let the account serve a part of it.
    """
    for route in routes:
        projects = route.match.projects
        if projects and not any(matches_project(each, directory) for each in projects):
            continue
        if not route.block and _allows(route, account, accounts):
            return ""
        if route.match == RouteMatch(projects=projects):
            return route.place
    return ""


def _allows(route: RouteSpec, account: NamedAccount, accounts: Sequence[NamedAccount]) -> bool:
    return any(account in accounts_named(pattern, accounts) for pattern in route.accounts)


# --- which route takes what another one matches -----------------------------------------------------------


def _takes_all(wide: RouteMatch, narrow: RouteMatch) -> bool:
    """Return whether `wide` surely matches everything that `narrow` does."""
    return (
        _covers(wide.model and wide.model.lower(), narrow.model and narrow.model.lower())
        and _covers(wide.client, narrow.client)
        and _covers(wide.path, narrow.path)
        and _covers_agent(wide.agent, narrow.agent)
        and _covers_project(wide.projects, narrow.projects)
    )


def _covers(wide: Optional[str], narrow: Optional[str]) -> bool:
    return wide is None or (narrow is not None and covers(wide, narrow))


def _covers_agent(wide: Optional[str], narrow: Optional[str]) -> bool:
    if wide is None or wide == narrow:
        return True
    if narrow in (None, NO_AGENT) or wide == NO_AGENT:
        return False
    return wide in (ANY_AGENT, "*") or (narrow != ANY_AGENT and covers(wide, narrow or "*"))


def _covers_project(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(
        any(
            each == project or (is_path(project) and not is_glob(project) and matches_project(each, project))
            for each in wide
        )
        for project in narrow
    )
