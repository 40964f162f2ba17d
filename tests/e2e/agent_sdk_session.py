"""Run by an interpreter that has the `claude-agent-sdk` package: one query with the client that is named."""

import sys

import anyio
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

program, prompt = sys.argv[1:]


async def main() -> None:
    async for message in query(prompt=prompt, options=ClaudeAgentOptions(cli_path=program)):
        if isinstance(message, ResultMessage):
            print(message.subtype, "error" if message.is_error else "")


anyio.run(main)
