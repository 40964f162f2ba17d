"""The `env` command: print the client's environment as shell statements."""

from __future__ import annotations

import argparse
import os

from ...arguments import add_port_option
from ...claude_code.environment import (
    SHELLS,
    ClientTarget,
    client_environment,
    conflicting_variables,
    export_statements,
    sdk_environment,
)
from ...claude_code.login import is_logged_in
from ...terminal import note
from ...user_config import read_config, required_proxy_key, server_url


def env_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude env`."""
    default = "powershell" if os.name == "nt" else "sh"
    parser.add_argument(
        "--shell", choices=list(SHELLS), default=default, help=f"language of the output (default: {default})"
    )
    parser.add_argument(
        "--api-key", action="store_true", help="set ANTHROPIC_API_KEY, for SDKs instead of Claude Code"
    )
    add_port_option(parser)


def env(args: argparse.Namespace) -> int:
    """Print the environment that points Claude Code at the proxy, for a shell.

      eval "$(teamclaude env)"                                  sh, bash, zsh
      teamclaude env --shell fish | source                      fish
      teamclaude env --shell powershell | Out-String | iex      PowerShell

    It contains the proxy's key, never the credential of an account.
    """
    file, config = read_config()
    tls = config.proxy.tls
    target = ClientTarget(
        server_url(config.proxy, args.port),
        required_proxy_key(file, config),
        os.path.abspath(tls.cert) if tls else None,
    )
    if args.api_key:
        print(export_statements(sdk_environment(target), args.shell))
        return 0
    logged_in = is_logged_in(os.environ)
    print(export_statements(client_environment(target, os.environ, logged_in), args.shell))
    for name in conflicting_variables(os.environ, logged_in):
        note(f"teamclaude: {name} is set and would be used instead of your login; unset it for claude")
    return 0
