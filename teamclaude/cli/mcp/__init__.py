"""The Model Context Protocol server behind `teamclaude mcp`: read-only tools over stdin and stdout.

`jsonrpc`, `protocol` and the tools are pure: messages and answers of the proxy in, messages out.  Only
`stdio` reads and writes.

- capacity_tool: may so many sub-agents be started now?
- explain_tool: why a request went to its account
- jsonrpc: one line of JSON-RPC 2.0 as a value, and replies as lines
- protocol: the state of one client: its revision, methods, running calls, batches
- revisions: what the revisions of the protocol differ in
- status_tool: the accounts, their windows, and the requests that are held
- stdio: the loop between stdin, stdout and the threads of the tools
- tool: what a tool is, its result, and how its arguments are checked
- tools: the table of tools, and a call to one of them
- usage_tool: tokens and cost by account, model, issue and session
"""
