"""Texts to copy: a workflow for GitHub Actions, and programs for the SDKs.  Pure.

They name the key by a secret or a variable and never contain it: both end up in repositories.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["actions_text", "sdk_text"]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

ACTIONS = """\
# .github/workflows/claude.yml, for anthropics/claude-code-action
{where}
# Once: gh secret set TEAMCLAUDE_KEY   (a key of its own from proxy.clients, or proxy.apiKey)
on:
  issue_comment:
    types: [created]

jobs:
  claude:
    if: contains(github.event.comment.body, '@claude')
    runs-on: {runner}
    permissions:
      contents: write
      pull-requests: write
      issues: write
      id-token: write
    env:
      ANTHROPIC_BASE_URL: {url}
    steps:
      - uses: actions/checkout@v4
      - uses: anthropics/claude-code-action@v1
        with:
          anthropic_api_key: ${{{{ secrets.TEAMCLAUDE_KEY }}}}
"""

SAME_MACHINE = """\
# {url} is this machine alone: the job needs a self-hosted runner here. For other runners
# lead a tunnel with TLS to the proxy, add its name to proxy.allowedHosts, and put its URL below."""
OTHER_MACHINE = "# The runner must reach {url}."

SDK = """\
# The variables, in the shell that starts the program (or: teamclaude env --api-key --shell json):
eval "$(teamclaude env --api-key)"       # ANTHROPIC_BASE_URL={url}, ANTHROPIC_API_KEY=the proxy's key

# Python (anthropic): nothing else is needed
client = anthropic.Anthropic()

# TypeScript (@anthropic-ai/sdk): nothing else is needed
const client = new Anthropic();

# The Agent SDKs start Claude Code. In the shell that starts the program:
eval "$(teamclaude env)"                 # for these: with your login, if there is one

# or in the program, with the key in TEAMCLAUDE_KEY. Python (claude-agent-sdk): `env` is added to os.environ
options = ClaudeAgentOptions(env={{
    "ANTHROPIC_BASE_URL": "{url}",
    "ANTHROPIC_AUTH_TOKEN": os.environ["TEAMCLAUDE_KEY"],{python}
}})

# TypeScript (@anthropic-ai/claude-agent-sdk): `env` replaces process.env
const options = {{
  env: {{
    ...process.env,
    ANTHROPIC_BASE_URL: "{url}",
    ANTHROPIC_AUTH_TOKEN: process.env.TEAMCLAUDE_KEY,{typescript}
  }},
}};
"""


def actions_text(url: str, host: str) -> str:
    """Return a workflow whose jobs use the proxy at `url`; `host` is the one in it."""
    is_here = host in LOOPBACK
    where = (SAME_MACHINE if is_here else OTHER_MACHINE).format(url=url)
    return ACTIONS.format(where=where, runner="self-hosted" if is_here else "ubuntu-latest", url=url)


def sdk_text(url: str, more: Sequence[tuple[str, str]] = ()) -> str:
    """Return what a program for one of the SDKs needs; `more` are further variables, without secrets."""
    python = "".join(f'\n    "{name}": "{value}",' for name, value in more)
    typescript = "".join(f'\n    {name}: "{value}",' for name, value in more)
    return SDK.format(url=url, python=python, typescript=typescript)
