"""The lab's subcommand `whatif`: recorded traffic as it was, and with another pool."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...brief import brief_list
from ...errors import UsageError
from ...lab.heatmap import Heatmap
from ...lab.recording import Recording, read_recording, recorded_scenario
from ...lab.run import NO_RULES, AccountRules, run_policy
from ...lab.scenario import ScenarioSettings
from ...lab.score import Score
from ...lab.study.changes import rules_of
from ...lab.study.table import align_columns, waiting_text
from ..terminal import json_text, note, plural
from .changes import check_caps
from .charts import check_svg_path, show_charts
from .options import only_policy
from .progress import Progress

__all__ = ["whatif"]

LEAST_SEC = 3600.0  # less says nothing of windows of five hours
SCHEMA = 1  # of the JSON


def whatif(args: argparse.Namespace) -> int:
    """Replay recorded traffic with other accounts or more load (`lab whatif`)."""
    check_svg_path(args)
    recording = read_recording(_recording_path(args), note)
    if recording.length < LEAST_SEC:
        minutes = recording.length / 60.0
        raise UsageError(
            f"only {minutes:.0f} min are recorded: come back after an hour, better after some days"
        )
    name = only_policy(args, "whatif")
    current = max(1, len(recording.accounts))
    load = args.load[0] if args.load else 1.0
    rules = _rules(args, recording)
    more = args.accounts or (current if args.load or rules else current + 1)
    cases = [(current, 1.0), (more, load)]
    heatmaps: list[tuple[str, Heatmap]] = []
    scores: list[Score] = []
    progress = Progress(len(cases))
    for accounts, factor in cases:
        heatmap, scenario = Heatmap(), recorded_scenario(recording, accounts, factor)
        scores.append(run_policy(scenario, name, progress.update, heatmap, rules if scores else NO_RULES))
        heatmaps.append((f"{plural(accounts, 'account')}, load {factor:g}", heatmap))
        progress.run_done()
    progress.clear()
    if args.json:
        rows = [
            {"accounts": n, "load": r, "rules": rules, **s.as_json()}
            for (n, r), rules, s in zip(cases, (None, _rule_words(args) or None), scores)
        ]
        print(json_text(SCHEMA, {"policy": name, "sizesKnown": _sizes_known(recording), "cases": rows}))
    else:
        print("\n".join(_lines(recording, name, cases, scores, _rule_words(args))))
    show_charts(args, heatmaps)
    return 0


def _recording_path(args: argparse.Namespace) -> Path:
    if args.traffic is not None:
        return Path(args.traffic)
    from ...proxy.records.traffic_recorder import trace_directory
    from ..user_config import open_config

    directory = trace_directory(open_config().path)
    if not directory.is_dir():
        raise UsageError("nothing is recorded yet: teamclaude record on, and come back after some days")
    return directory


def _lines(
    recording: Recording,
    name: str,
    cases: list[tuple[int, float]],
    scores: list[Score],
    rules: str,
) -> list[str]:
    days = recording.length / 86400.0
    waited = f"they waited {recording.waited / 3600.0:.1f} h, {recording.refused} in vain"
    lines = [
        f"recorded: {days:.1f} days, {plural(len(recording.accounts), 'account')}, "
        f"{recording.requests} requests; {waited}"
    ]
    if not _sizes_known(recording):
        lines.append(
            "the accounts' windows hardly moved, so their size is not known: taken as if they just sufficed"
        )
    lines += [f"replayed with the policy {name}:", ""]
    headings = ["done %", "waiting h", "> 10 s %", "> 10 min %", "p95", "p99", "errors", "switches"]
    table = [["accounts", "load", *headings]]
    for (accounts, load), score in zip(cases, scores):
        row = [f"{100 * score.wanted:.1f}", f"{score.stall_hours:.1f}"]
        row += [f"{100 * score.waited_10s:.2f}", f"{100 * score.waited_10min:.2f}"]
        row += [waiting_text(score.waiting_p95), waiting_text(score.waiting_p99)]
        row += [str(score.visible_429s), f"{score.switches:.2f}"]
        table.append([str(accounts), f"{load:g}", *row])
    return [*lines, *align_columns(table), "", _conclusion(recording, cases, scores, rules)]


def _conclusion(recording: Recording, cases: list[tuple[int, float]], scores: list[Score], rules: str) -> str:
    before, after = scores
    hours = before.stall_hours - after.stall_hours
    errors = before.visible_429s - after.visible_429s
    change = cases[1][0] - cases[0][0]
    if rules and cases[0] == cases[1]:
        what = rules[0].upper() + rules[1:]
    elif change == 1 and cases[1][1] == 1.0:
        what = "One more account"
    elif cases[1][1] == 1.0:
        what = f"{plural(cases[1][0], 'account')} instead of {cases[0][0]}"
    else:
        what = f"{cases[1][1]:g} times the work with {plural(cases[1][0], 'account')}"
    if rules and cases[0] != cases[1]:
        what += f", with {rules},"
    if hours < 0.05 and hours > -0.05 and errors == 0:
        return f"{what} would have changed nothing that people notice."
    waited = recording.waited / 3600.0
    if hours > waited + 0.05:  # nothing can save more than was waited
        much = (
            f"at most the {waited:.1f} h that were waited" if waited >= 0.05 else "no waiting: there was none"
        )
        replayed = f"waits {before.stall_hours:.1f} h as it was, and saves {hours:.1f} h"
        return f"{what} would have saved {much}. The replay, whose accounts seem too small, {replayed}."
    saved = "saved" if hours >= 0 else "cost"
    more = f" and {plural(abs(errors), 'error')}" if errors * hours >= 0 and errors else ""
    return f"{what} would have {saved} {abs(hours):.1f} h of waiting{more}."


def _rule_words(args: argparse.Namespace) -> str:
    """Return `a cap of 60 % on alice and a reserve of 30 % on bob (Mon-Fri 9-17)`; "" without rules."""
    words = [_words("cap", cap.fraction, cap.account, cap.axis) for cap in args.cap or ()]
    for account, reserve in args.reserve or ():
        words.append(_words("reserve", reserve.parts.every, account, reserve.hours.text))
    return " and ".join(words)


def _words(rule: str, fraction: float, account: str, of: str) -> str:
    return f"a {rule} of {100 * fraction:g} % on {account}{f' ({of})' if of else ''}"


def _rules(args: argparse.Namespace, recording: Recording) -> dict[str, AccountRules]:
    """Return the rules of --cap and --reserve by account (`acct1`).

    An account is named by its place (`acct2`), by the hash that the recording has for it, or by its name in
    the config file if the recording is one's own.  Raises UsageError for another name.
    """
    from ...proxy.forwarding.account_targets import local_calendar

    def calendar(at: float) -> tuple[int, int]:
        return local_calendar(recording.began + at)

    axes = ScenarioSettings().axes
    check_caps(args.cap or (), axes)
    caps, reserves = (
        [each._replace(account=f"acct{_place(each.account, args, recording)}") for each in given or ()]
        for given in (args.cap, args.reserve)
    )
    check_caps(caps, axes)  # once more: an account has several names
    return rules_of(caps, reserves, calendar)


def _place(account: str, args: argparse.Namespace, recording: Recording) -> int:
    hashes = [each.name for each in recording.accounts]
    places = [f"acct{place}" for place in range(1, len(hashes) + 1)]
    for known in (places, hashes):
        if account in known:
            return known.index(account) + 1
    named = _hashes_by_name(_recording_path(args))
    if named.get(account) in hashes:
        return hashes.index(named[account]) + 1
    shown = [
        f"{place} ({', '.join(names)})" if (names := [n for n, h in named.items() if h == hashed]) else place
        for place, hashed in zip(places, hashes)
    ]
    raise UsageError(f'no account "{account}" is recorded, but {brief_list(shown)}')


def _hashes_by_name(path: Path) -> dict[str, str]:
    """Return the hashes of the config file's accounts in the recording there; none without its salt."""
    from ...proxy.records.traffic_recorder import hash_of_account
    from ..user_config import open_config

    file, directory = open_config(), path if path.is_dir() else path.parent
    accounts = file.load().accounts if Path(file.path).exists() else ()
    hashed = {each.name: hash_of_account(directory, each.key) for each in accounts}
    return {name: found for name, found in hashed.items() if found is not None}


def _sizes_known(recording: Recording) -> bool:
    return any(account.week is not None for account in recording.accounts)
