"""The logins that take a secret: an API key, or the token of `claude setup-token`.

Neither is on the command line, where other users see it and the shell keeps it: it is typed without echo,
comes on stdin, or is in an environment variable.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional

from ..accounts.config.config import AccountConfig, Config
from ..errors import LoginRefusedError, TeamClaudeError, UsageError
from ..values import replace
from .add_account import proxy_of, store_account
from .terminal import ask, is_interactive, note
from .user_config import load_or_create_config

if TYPE_CHECKING:
    from ..accounts.importing.setup_token import SetupToken

__all__ = ["add_key", "add_token"]

MAX_CHARACTERS = 1 << 16
VARIABLE = re.compile(r"\$?([A-Za-z_][A-Za-z0-9_]*)")
TOKEN_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"
REPLACED = "its login is replaced by the token, which can't be renewed"
OTHER_TOKEN = (
    "it is a token of a full login, not of claude setup-token: it ends within hours; "
    "teamclaude import takes a login that can be renewed"
)
CUT = "it has {} characters, others about 108: was it cut at a line break?"


def add_key(args: argparse.Namespace) -> int:
    """Add an API key."""
    from ..accounts.importing.enroll import check_api_key, enroll_key

    key = check_api_key(_read_key())
    file, _ = load_or_create_config()
    about = AccountConfig(name="", type="apikey", proxy=args.proxy)
    store_account(file, lambda raw: enroll_key(raw, key, args.name), about, args.name, args.port)
    return 0


def _read_key() -> str:
    if not (sys.stdin and sys.stdin.isatty()):
        return sys.stdin.readline() if sys.stdin else ""
    import getpass

    try:
        return getpass.getpass("API key (it is not shown): ")
    except EOFError:
        return ""


def add_token(args: argparse.Namespace) -> int:
    """Add a token of `claude setup-token`."""
    from ..accounts.importing.enroll import enroll_token, is_full_login
    from ..accounts.importing.setup_token import find_setup_token

    found = find_setup_token(_read_token(args.token, os.environ))
    file, config = load_or_create_config()
    now = time.time()
    account = AccountConfig(
        name="",
        access_token=found.token,
        expires_at=None if found.life_sec is None else now + found.life_sec,
        source="token",
        proxy=proxy_of(config, args),
    )
    account = replace(_with_owner(config, account, found), proxy=args.proxy)
    wanted = args.name
    if not (wanted or account.name) and is_interactive():
        wanted = ask("Name of this account [a number]:") or None
    replaces = any(other.name == wanted and is_full_login(other, now) for other in config.accounts)
    store_account(file, lambda raw: enroll_token(raw, account, wanted, now), account, wanted, args.port)
    if replaces:
        note(REPLACED)
    note(_end_text(account))
    return 0


def _read_token(given: str, env: Mapping[str, str]) -> str:
    """Return the text with the token: `given` names an environment variable, or is empty."""
    if "sk-ant-" in given:
        note("the token is in the history of your shell now: without it, login --token asks for it")
        return given
    variable = VARIABLE.fullmatch(given)
    if variable is not None:
        if env.get(variable[1]):
            return env[variable[1]]
        raise UsageError(f"--token {given}: there is no such environment variable, or it is empty")
    if given not in ("", "-"):
        raise UsageError("--token takes the name of an environment variable, or nothing: it asks")
    if not given and sys.stdin and sys.stdin.isatty():
        from .secret_prompt import ask_secret

        return ask_secret("Paste what claude setup-token printed (it is not shown), then press Enter:")
    text = sys.stdin.read(MAX_CHARACTERS) if sys.stdin else ""
    if not text.strip() and env.get(TOKEN_VARIABLE):
        raise TeamClaudeError(f"no token was given; to take the environment's: --token {TOKEN_VARIABLE}")
    return text


def _with_owner(config: Config, account: AccountConfig, found: SetupToken) -> AccountConfig:
    """Return the account with its owner if the API tells: a setup token may not ask."""
    from ..accounts.oauth.login_flow import add_profile

    note("asking whose token this is ...")
    account, error = add_profile(config, account)
    if error is None:
        note(OTHER_TOKEN)
    elif isinstance(error, LoginRefusedError) and error.answered == 401:
        if found.is_short:
            raise TeamClaudeError(f"the API does not accept the token; {CUT.format(len(found.token))}")
        note("teamclaude: the API does not accept the token (401): is it complete, and not revoked?")
    elif isinstance(error, LoginRefusedError):
        note("a token of claude setup-token can't see whose it is: its account is known by its name")
    else:
        note(f"teamclaude: that is not known: {error}")
    if error and found.is_short:
        note(f"teamclaude: {CUT.format(len(found.token))}")
    return account


def _end_text(account: AccountConfig) -> str:
    ends: Optional[float] = account.expires_at
    if ends is None:
        return "when it ends is not known here: claude setup-token said it, mostly a year after it was made"
    return f"it ends about {time.strftime('%Y-%m-%d', time.localtime(ends))}, if it was made just now"
