"""The `env` command: print the client's environment as shell statements."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ....errors import UsageError
from ...claude_code.environment import SHELLS, ClientTarget, export_statements, sdk_environment
from ...launch.client_plan import Wanted, plan_client
from ...remote.chosen import add_proxy_arguments, client_variables, named_proxy
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
    parser.add_argument(
        "--first-party",
        action="store_true",
        help="claude keeps api.anthropic.com, and the proxy is its HTTPS proxy",
    )
    add_proxy_arguments(parser)


def env(args: argparse.Namespace) -> int:
    """Print the environment that points Claude Code at the proxy, for a shell.

      eval "$(teamclaude env)"                                  sh, bash, zsh
      teamclaude env --shell fish | source                      fish
      teamclaude env --shell powershell | Out-String | iex      PowerShell

    It contains the proxy's key, never the credential of an account. With --url it
    also has TEAMCLAUDE_URL and TEAMCLAUDE_KEY, by which the commands in that shell
    find the same server.
    """
    if args.api_key and args.first_party:
        raise UsageError("--api-key is for SDKs, which know only a base URL: leave --first-party out")
    remote = named_proxy(args)
    if remote is None:
        file, config = read_config(or_url=True)
        url, key = server_url(config.proxy, args.port), required_proxy_key(file, config)
        wanted = Wanted(config, file.path, url, key, None, args.first_party)
        variables = {}
    else:
        from ...remote.launching import wanted_there

        wanted = wanted_there(remote, None, args.first_party)
        variables = client_variables(remote)
    if args.api_key:
        print(export_statements(sdk_environment(ClientTarget(wanted.url, wanted.key)), args.shell))
        return 0
    plan = plan_client(wanted, os.environ, Path.cwd(), None)
    print(export_statements({**plan.wiring.variables, **variables}, args.shell))
    for finding in plan.findings:
        note(f"teamclaude: {finding.text}")
    return 0
