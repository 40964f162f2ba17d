"""Run by an interpreter that has the `mcp` package: every tool called once in each way to connect, as JSON.

The client checks each structured result by the output schema of its tool, and fails if it does not match.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

CALLS = [
    ("status", {}),
    ("capacity", {"sub_agents": 5}),
    ("capacity", {"sub_agents": 500, "model": "claude-opus-4-8"}),
    ("explain", {}),
    ("usage", {"by": "session", "limit": 3}),
    ("usage", {}),
    ("capacity", {"sub_agents": "five"}),
]


async def session(server, mode):
    async with Client(server, mode=mode) as client:
        listed = await client.list_tools()
        results = [await client.call_tool(name, arguments) for name, arguments in CALLS]
        if mode == "legacy":
            await client.send_ping()
        try:
            await client.call_tool("nothing", {})
            unknown = None
        except MCPError as error:
            unknown = error.error.code
        return {
            "revision": client.protocol_version,
            "server": client.server_info.name,
            "tools": [tool.name for tool in listed.tools],
            "read_only": all(tool.annotations.read_only_hint for tool in listed.tools),
            "errors": [bool(result.is_error) for result in results],
            "texts": [result.content[0].text for result in results],
            "structured": [result.structured_content for result in results],
            "unknown": unknown,
        }


async def main():
    command, *words = sys.argv[1:]
    server = StdioServerParameters(command=command, args=words, env=json.loads(sys.stdin.read()))
    return {mode: await session(server, mode) for mode in ("auto", "legacy")}


json.dump(asyncio.run(main()), sys.stdout)
