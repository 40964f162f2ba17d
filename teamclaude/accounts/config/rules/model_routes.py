"""Lists of models that the original's accounts serve or don't serve, as routes.  Pure.

1. A model that is blocked for all is a route that blocks it.
2. A list of an account becomes a route to the accounts that may serve each of its globs, the narrower first;
   with a list of the only models that an account serves, the last route is that of all other models.
3. Globs that overlap without one covering the other are refused: no order of routes says what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from ....errors import ConfigError
from ....routing.user_rules.patterns import covers

__all__ = ["model_list", "model_routes"]

Models = Mapping[str, Sequence[str]]  # globs by account name


def model_list(value: Any, path: str) -> list[str]:
    """Return the globs of a list of models, or of one; raise ConfigError for anything else."""
    models = [value] if isinstance(value, str) else value
    if not isinstance(models, list) or not all(isinstance(each, str) and each for each in models):
        raise ConfigError(f"{path}: expected a list of models (teamclaude help rules has what else there is)")
    return models


def model_routes(
    blocked: Sequence[str], only: Models, without: Models, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the routes; `only` and `without`: what an account serves alone, and what it doesn't serve.

    `names` are all accounts.  Raise ConfigError for globs that overlap.
    """
    routes: list[dict[str, Any]] = [_block(model) for model in blocked]
    globs = list(dict.fromkeys(glob for lists in (only, without) for each in lists.values() for glob in each))
    for one, other in combinations(globs, 2):
        if not (_covers(one, other) or _covers(other, one) or _are_apart(one, other)):
            raise ConfigError(
                f'the models "{one}" and "{other}" of accounts overlap: write routes in their place '
                "(teamclaude help rules)"
            )
    for glob in sorted(globs, key=lambda glob: sum(_covers(glob, each) for each in globs)):
        routes.append(_route(glob, [name for name in names if _serves(name, glob, only, without)]))
    if only and "*" not in globs:
        routes.append(_route("*", [name for name in names if name not in only]))
    return routes


def _serves(name: str, glob: str, only: Models, without: Models) -> bool:
    serves = name not in only or any(_covers(each, glob) for each in only[name])
    return serves and not any(_covers(each, glob) for each in without.get(name, ()))


def _route(glob: str, accounts: list[str]) -> dict[str, Any]:
    return {"match": glob, "accounts": accounts} if accounts else _block(glob)


def _block(glob: str) -> dict[str, Any]:
    words = "No account of this proxy serves this model: its config file blocks it."
    return {"match": glob, "block": words}


def _covers(wide: str, narrow: str) -> bool:
    return covers(wide.lower(), narrow.lower())


def _are_apart(one: str, other: str) -> bool:
    """Return whether no model matches both, since they begin differently."""
    a, b = (glob.lower().split("*")[0].split("?")[0].split("[")[0] for glob in (one, other))
    return not (a.startswith(b) or b.startswith(a))
