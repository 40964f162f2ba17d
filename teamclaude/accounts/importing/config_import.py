"""What becomes of another config file, key by key: its accounts are taken over, its settings if asked.

Pure.  The file may be of this program (another machine, `accounts export`), or of one that it succeeds:
accounts/config/original_keys.py has the keys that mean something else here.
No text made here contains a credential.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from ...errors import ConfigError
from ...values import NamedTuple
from ..config.account_config import program_name
from ..config.config import AccountConfig, Config, parse_config
from ..config.original_keys import ORIGINAL_KEYS, FoundKey, adapt, is_off, original_keys_in
from ..config.schema import INLINE, declarations
from .imported_accounts import UNKNOWN, KeyReport, read_accounts

__all__ = ["ConfigImport", "add_settings", "plan_import"]

# What a config file has of its own: clients, other programs and people know these values.
OWN_KEYS = ("apiKey", "port")
EXPORT_KEY = "exported"  # what `accounts export` says of its file
# Each is compared with all others, while the config file is locked: 200 take 1.7 s.
MAX_ACCOUNTS = 200


class ConfigImport(NamedTuple):
    """What a file brings: the report, the accounts, and the settings as our JSON.

    `refused`: the keys that stop the import until they are given up.
    """

    reports: tuple[KeyReport, ...]
    accounts: tuple[AccountConfig, ...]
    settings: dict[str, Any]
    refused: tuple[str, ...]

    def runs_programs(self, with_settings: bool) -> bool:
        """Return whether it brings programs that would be run."""
        in_accounts = any(account.credential_command for account in self.accounts)
        return in_accounts or (with_settings and any(_programs(self.settings)))


def plan_import(raw: dict[str, Any], dropped: Collection[str]) -> ConfigImport:
    """Return what becomes of a file's JSON (in our spelling); `dropped`: refused keys that are given up.

    Raise ConfigError for too many accounts.
    """
    count = len(raw.get("accounts") or [])
    if count > MAX_ACCOUNTS:
        raise ConfigError(f"has {count} accounts; {MAX_ACCOUNTS} are the most that are taken over at once")
    found = list(original_keys_in(raw))
    refused = [each for each in found if each.row.fate == "refused" and not _is_dropped(each, dropped)]
    bare = _without(raw, [each for each in found if each.row.fate == "refused"])
    reports = [_report(each, dropped) for each in found if each.row.fate != "mapped"]
    mapped, problems = _mapped(bare, [each for each in found if each.row.fate == "mapped"])
    settings, told = _settings(mapped, raw, found)
    accounts, told_accounts = read_accounts(mapped["accounts"])
    order = {key: place for place, key in enumerate(raw)}
    lines = [*told, *problems, *reports, *told_accounts]
    return ConfigImport(
        tuple(sorted(lines, key=lambda line: order.get(re.split(r"[.\[]", line.path)[0], 0))),
        accounts,
        settings,
        tuple(each.path for each in refused),
    )


def _programs(settings: dict[str, Any]) -> Iterator[str]:
    """Yield the programs that the alerts run; the settings are valid."""
    for alert in settings.get("alerts", ()):
        run = alert.get("run")
        if run:
            yield program_name([run] if isinstance(run, str) else run)


def _is_dropped(found: FoundKey, dropped: Collection[str]) -> bool:
    return bool({found.path, found.row.path, found.row.key} & set(dropped))


def _report(found: FoundKey, dropped: Collection[str]) -> KeyReport:
    if found.row.fate == "refused" and _is_dropped(found, dropped):
        return KeyReport(found.path, "ignored", f"given up: {found.row.text}")
    return KeyReport(found.path, found.row.fate, found.row.text)


def _without(raw: dict[str, Any], found: list[FoundKey]) -> dict[str, Any]:
    """Return the JSON without these keys."""
    paths = {each.path for each in found}

    def left(entries: Any, prefix: str) -> Any:
        if not isinstance(entries, dict):
            return entries
        return {key: value for key, value in entries.items() if prefix + key not in paths}

    result: dict[str, Any] = left(raw, "")
    result["proxy"] = left(raw.get("proxy"), "proxy.")
    accounts = raw.get("accounts") or []
    result["accounts"] = [left(entry, f"accounts[{n}].") for n, entry in enumerate(accounts)]
    return result


def _mapped(bare: dict[str, Any], found: list[FoundKey]) -> tuple[dict[str, Any], list[KeyReport]]:
    """Return the JSON with each mapped key as our setting, and a report on each."""
    result, reports = bare, []
    for each in found:
        others = [other for other in found if other is not each]
        try:
            adapt(_without(bare, others))
        except ConfigError as error:
            reports.append(KeyReport(each.path, "ignored", str(error).removeprefix(f"{each.path}: ")))
            result = _without(result, [each])
        else:
            reports.append(KeyReport(each.path, "mapped", f"to {each.row.to}: {each.row.text}"))
    return adapt(result).raw, reports


# --- settings -----------------------------------------------------------------------------------


def _settings(
    mapped: dict[str, Any], raw: dict[str, Any], found: list[FoundKey]
) -> tuple[dict[str, Any], list[KeyReport]]:
    """Return the settings that can be taken over as they are, and a report on each key that has none yet.

    `raw` is the file as it was, `found` the keys of it that have a report.
    """
    known = set(_setting_keys(Config))
    settings: dict[str, Any] = {}
    reports: list[KeyReport] = []
    told = {each.path for each in found}

    def judge(path: str, whole: dict[str, Any], is_known: bool, is_own: bool) -> bool:
        problem = _problem(whole, path) if is_known else _why_unknown(path, whole)
        # What another key was mapped to is only told of if it can't be used, or is in the file, too.
        if is_known and problem:
            reports.append(KeyReport(path, "ignored", problem))
        elif is_own and path not in told:
            reports.append(KeyReport(path, "ignored" if problem else "kept", problem or _what_it_does(whole)))
        return not problem

    for key, value in mapped.items():
        if key in ("accounts", "proxy", EXPORT_KEY) or value is None:
            continue
        if judge(key, {key: value}, key in known, key in raw):
            settings[key] = value
    proxy, own = mapped.get("proxy"), raw.get("proxy")
    if proxy is not None and not isinstance(proxy, dict):
        reports.append(KeyReport("proxy", "ignored", _problem({"proxy": proxy}, "proxy")))
    of_proxy = {entry.key for entry in declarations(type(Config().proxy))}
    for key, value in (proxy if isinstance(proxy, dict) else {}).items():
        path = f"proxy.{key}"
        if key in OWN_KEYS:
            reports.append(KeyReport(path, "ignored", "the present config file has its own"))
        elif value is not None and judge(path, {"proxy": {key: value}}, key in of_proxy, key in (own or {})):
            settings.setdefault("proxy", {})[key] = value
    return settings, reports


def _what_it_does(whole: dict[str, Any]) -> str:
    """Say what a valid setting would do to somebody who does not know the file; mostly an empty text."""
    programs = ", ".join(_programs(whole))
    return f"they run {programs}" if programs else ""


def _setting_keys(section: type) -> Iterator[str]:
    for entry in declarations(section):
        if entry.key == INLINE:
            yield from _setting_keys(entry.hint)
        else:
            yield entry.key


def _problem(raw: dict[str, Any], path: str) -> str:
    try:
        parse_config(raw, "")
    except ConfigError as error:
        return str(error).removeprefix(": ").removeprefix(f"{path}: ")
    return ""


def _why_unknown(path: str, whole: dict[str, Any]) -> str:
    """Say why a key has no effect; one of another program is only here when it is off."""
    value = whole["proxy"][path.partition(".")[2]] if path.startswith("proxy.") else whole[path]
    if is_off(value) and path in {row.path for row in ORIGINAL_KEYS}:
        return "it is off"
    return _problem(whole, path) or UNKNOWN


def add_settings(raw: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """Add settings to the config file's JSON, where it has none; return the paths of those that it had.

    A key of another program that is read as the setting counts as one.
    """
    present, kept = adapt(raw).raw, []
    for key, value in settings.items():
        if key == "proxy":
            own = present.get("proxy") or {}
            kept += [f"proxy.{name}" for name in value if own.get(name) is not None]
            new = {name: each for name, each in value.items() if own.get(name) is None}
            raw["proxy"] = {**(raw.get("proxy") or {}), **new}
        elif present.get(key) is None:
            raw[key] = value
        else:
            kept.append(key)
    return kept
