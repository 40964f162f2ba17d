"""Texts to copy never contain a key, and are valid in their language."""

from __future__ import annotations

import ast
import re

from teamclaude.cli.setup.snippets import actions_text, sdk_text

URL = "http://127.0.0.1:3456"


def test_a_workflow_on_this_machine() -> None:
    text = actions_text(URL, "127.0.0.1")
    assert "\n    runs-on: self-hosted\n" in text
    assert f"\n      ANTHROPIC_BASE_URL: {URL}\n" in text
    assert "anthropic_api_key: ${{ secrets.TEAMCLAUDE_KEY }}\n" in text
    assert "proxy.allowedHosts" in text
    assert "\t" not in text
    # Indentation by two, and nothing deeper than its parent allows.
    depths = [len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()]
    assert all(deeper - depth <= 4 and deeper % 2 == 0 for depth, deeper in zip(depths, depths[1:]))


def test_a_workflow_for_a_proxy_elsewhere() -> None:
    text = actions_text("https://proxy.example:3456", "proxy.example")
    assert "\n    runs-on: ubuntu-latest\n" in text
    assert "# The runner must reach https://proxy.example:3456.\n" in text


def test_programs_for_the_sdks() -> None:
    text = sdk_text(URL, [("NODE_EXTRA_CA_CERTS", "/c.pem")])
    python = re.search(r"^options = .*?^\}\)", text, re.M | re.S)
    assert python
    call = ast.parse(python.group()).body[0]
    assert isinstance(call, ast.Assign)
    assert ast.unparse(call.value) == (
        f"ClaudeAgentOptions(env={{'ANTHROPIC_BASE_URL': '{URL}', 'ANTHROPIC_AUTH_TOKEN': "
        "os.environ['TEAMCLAUDE_KEY'], 'NODE_EXTRA_CA_CERTS': '/c.pem'})"
    )
    assert '    NODE_EXTRA_CA_CERTS: "/c.pem",\n' in text
    assert "...process.env" in text
    assert "\n\n\n" not in sdk_text(URL)
