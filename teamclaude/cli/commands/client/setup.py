"""The `setup` command: settings files that lead Claude Code and editors to the proxy, and back."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ....accounts.config.identity import find_account
from ....errors import TeamClaudeError, UsageError
from ...claude_code.environment import ClientTarget
from ...proxy_client import ProxyClient
from ...remote.chosen import add_proxy_arguments, named_proxy
from ...settings_edit.edited_files import Change, EditedFiles
from ...setup.edits import TARGETS
from ...setup.files import SCOPES, SettingsFile, claude_file, editor_files
from ...setup.plan import FORWARD, FilePlan, Planner, config_owner, undo_places
from ...setup.report import diff_of, shown_path, undone
from ...setup.snippets import actions_text, sdk_text
from ...terminal import note, shown
from ...user_config import open_config, read_config, required_proxy_key

if TYPE_CHECKING:
    from ...remote.client import RemoteProxyClient

SNIPPETS = ("actions", "sdk")


def setup_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude setup`."""
    parser.add_argument(
        "target",
        nargs="?",
        choices=[*TARGETS, *SNIPPETS],
        metavar="TARGET",
        help="claude (the default), vscode, actions or sdk",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="change the files; without it nothing changes")
    action.add_argument("--undo", action="store_true", help="give the files their bytes back")
    action.add_argument("--print", action="store_true", help="print the exact change, keys included")
    parser.add_argument(
        "--scope",
        choices=SCOPES,
        help="all projects of yours (user, the default), or this one: shared (project) or not (local)",
    )
    parser.add_argument(
        "--first-party",
        action="store_true",
        help="the client keeps api.anthropic.com, and the proxy is its HTTPS proxy",
    )
    parser.add_argument("--account", metavar="NAME", help="let only this account serve it")
    add_proxy_arguments(parser)


def setup(args: argparse.Namespace) -> int:
    """Lead Claude Code to the proxy by its settings files, for who never types `run`.

      teamclaude setup                   what would be changed, and nothing is
      teamclaude setup claude --write    Claude Code: settings.json
      teamclaude setup vscode --write    VS Code and its relatives: settings.json
      teamclaude setup actions           a workflow for GitHub Actions, to copy
      teamclaude setup sdk               what programs for the SDKs need
      teamclaude setup --undo            take all of it back

    Nothing else in the files is touched. The original is kept beside the config
    file until --undo, which gives the same bytes back; a file that was changed
    meanwhile only loses what setup has put in.

    With --url (or TEAMCLAUDE_URL and TEAMCLAUDE_KEY) it is a server elsewhere.
    """
    if args.target in SNIPPETS:
        return _print_snippet(args)
    return _undo(args) if args.undo else _change(args)


# --- write and preview ------------------------------------------------------------------------------


def _change(args: argparse.Namespace) -> int:
    kind = args.target or "claude"
    remote = named_proxy(args)
    planner, proxy = _here(args) if remote is None else (_there(remote, args), remote)
    files, config = planner.files, planner.config_file
    places = _places(kind, args.scope or "user")
    for place in places:  # refuse before anything is written
        planner.plan(kind, place, args.first_party, write=False)
    plans = [planner.plan(kind, place, args.first_party, args.write) for place in places]
    is_done = True
    for plan in plans:
        if args.write:
            _write(files, config, kind, plan, args.first_party)
        else:
            is_done &= not _preview(plan, files, config, args)
    print(f"take it back with: teamclaude setup {kind} --undo" if is_done else _to_do(args, kind))
    if args.write and remote is None:
        _reload(proxy)
    for line in dict.fromkeys(line for plan in plans for line in plan.notes):
        note(f"teamclaude: {line}")
    _note_if_down(proxy)
    return 0


def _here(args: argparse.Namespace) -> tuple[Planner, ProxyClient]:
    """Return what plans for the server of the config file, and its client."""
    file, config = read_config(or_url=True)
    account = find_account(config.accounts, args.account).name if args.account else None
    proxy = ProxyClient(config, file.path, args.port)
    tls = config.proxy.tls
    target = ClientTarget(
        proxy.url, required_proxy_key(file, config), os.path.abspath(tls.cert) if tls else None, account
    )
    return Planner(EditedFiles(file.path), file.path, config, target, os.environ, Path.cwd()), proxy


def _there(proxy: RemoteProxyClient, args: argparse.Namespace) -> Planner:
    """Return what plans for a server elsewhere."""
    from ...remote.launching import account_there, wanted_there

    if args.first_party:
        raise UsageError("--first-party needs the server's config file: use teamclaude run --first-party")
    wanted = wanted_there(proxy, None, False)
    account = account_there(proxy, args.account) if args.account else None
    target = ClientTarget(proxy.url, proxy.key, str(wanted.trust) if wanted.trust else None, account)
    files = EditedFiles(wanted.file)
    return Planner(files, wanted.file, wanted.config, target, os.environ, Path.cwd(), wanted.trust)


def _places(kind: str, scope: str) -> list[SettingsFile]:
    if kind == "claude":
        return [claude_file(os.environ, Path.cwd(), scope)]
    return editor_files(os.environ, Path.cwd(), scope, sys.platform)


def _write(files: EditedFiles, config: Path, kind: str, plan: FilePlan, first_party: bool) -> None:
    owner = config_owner(kind, plan.place.path)
    if first_party:
        switched = files.write(config, owner, FORWARD)
        if switched.before != switched.after:
            print(f"wrote {_shown(config)}: proxy.forward, so that clients may use it as their HTTPS proxy")
    change = files.write(plan.place.path, kind, plan.edits)
    if change.before == change.after:
        print(f"{_shown(plan.place.path)}: has it already")
    else:
        print(f"wrote {_shown(plan.place.path)} ({_name(plan.place)}): {plan.names}")
    if not first_party:
        _print_undone(files.undo(config, owner), "proxy.forward")


def _preview(plan: FilePlan, files: EditedFiles, config: Path, args: argparse.Namespace) -> bool:
    """Print what --write would do; return whether that is anything."""
    changes = [(plan.change, f"{_name(plan.place)}: {plan.names}")]
    if args.first_party:
        owner = config_owner(args.target or "claude", plan.place.path)
        changes.append((files.preview(config, owner, FORWARD), "proxy.forward"))
    for change, what in changes:
        if change.before == change.after:
            print(f"{_shown(Path(change.file))}: has it already")
            continue
        verb = "would be made" if change.before is None else "would be changed"
        print(f"{_shown(Path(change.file))} {verb} ({what})")
        for line in diff_of(change, exact=args.print):
            print(f"  {line if args.print else shown(line)}")
    return any(change.before != change.after for change, _ in changes)


def _to_do(args: argparse.Namespace, kind: str) -> str:
    words = ["teamclaude setup", kind]
    words += [f"--scope {args.scope}"] if args.scope else []
    words += ["--first-party"] if args.first_party else []
    words += [f"--account {args.account}"] if args.account else []
    words += [f"--port {args.port}"] if args.port else []
    words += [f"--url {shlex.quote(each)}" for each in args.url or ()]
    words += [f"--key-file {shlex.quote(each)}" for each in args.key_file or ()]
    words += [f"--ca-file {shlex.quote(args.ca_file)}"] if args.ca_file else []
    return f"nothing was changed; do it with: {' '.join(words)} --write"


def _reload(proxy: ProxyClient) -> None:
    """Have a running server obey proxy.forward at once, not with its next look at the file."""
    with contextlib.suppress(TeamClaudeError):
        proxy.reload()


def _note_if_down(proxy: ProxyClient) -> None:
    try:
        is_up = proxy.is_up()
    except TeamClaudeError as error:
        note(f"teamclaude: {error}")
        return
    if not is_up:
        note(f"teamclaude: no proxy answers at {proxy.url} now; start it with: teamclaude server")


# --- undo -------------------------------------------------------------------------------------------


def _undo(args: argparse.Namespace) -> int:
    config = open_config().path
    files = EditedFiles(config)
    count = 0
    for kind in [args.target] if args.target else TARGETS:
        only = [place.path for place in _places(kind, args.scope)] if args.scope else None
        for path in undo_places(files, kind, only):
            print(undone(files.undo(path, kind), _shown(path)))
            _print_undone(files.undo(config, config_owner(kind, path)), "proxy.forward")
            count += 1
    if not count:
        print("nothing to take back: no settings file was changed by setup")
    return 0


def _print_undone(change: Change, what: str) -> None:
    if change.before != change.after:
        print(f"{undone(change, _shown(Path(change.file)))} ({what})")


# --- texts to copy ----------------------------------------------------------------------------------


def _print_snippet(args: argparse.Namespace) -> int:
    if args.write or args.undo:
        why = {
            "actions": "it belongs into a repository, which is yours to change",
            "sdk": "programs have no settings file that they share",
        }
        raise UsageError(f"{args.target} is only printed: {why[args.target]}")
    remote = named_proxy(args)
    if remote is None:
        file, config = read_config(or_url=True)
        url, tls = ProxyClient(config, file.path, args.port).url, config.proxy.tls
        cert = tls.cert if tls else None
    else:
        url, cert = remote.url, remote.ca_file if remote.address.is_tls else None
    if args.target == "actions":
        print(actions_text(url, urlsplit(url).hostname or ""), end="")
    else:
        more = [("NODE_EXTRA_CA_CERTS", os.path.abspath(cert))] if cert else []
        print(sdk_text(url, more), end="")
    return 0


def _name(place: SettingsFile) -> str:
    return f"{place.program}, scope {place.scope}"


def _shown(path: Path) -> str:
    return shown_path(path, os.environ)
