// One query with the client that is named; run beside a node_modules that has the Agent SDK.
import { query } from "@anthropic-ai/claude-agent-sdk";

const [program, prompt] = process.argv.slice(2);
for await (const message of query({ prompt, options: { pathToClaudeCodeExecutable: program } })) {
  if (message.type === "result") console.log(message.subtype, message.is_error ? "error" : "");
}
