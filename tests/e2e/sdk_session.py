"""Run by an interpreter that has the `anthropic` package: one call of each kind, the answers as JSON."""

import json
import sys

import anthropic

PROMPT = {
    "model": "claude-opus-4-8",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "hello"}],
}

# Base URL and key come from the environment, as `teamclaude env --api-key` sets them.
client = anthropic.Anthropic(max_retries=0)
created = client.messages.create(**PROMPT)
with client.messages.stream(**PROMPT) as stream:
    texts = list(stream.text_stream)
    streamed = stream.get_final_message()
counted = client.messages.count_tokens(model=PROMPT["model"], messages=PROMPT["messages"])
models = [model.id for model in client.models.list()]
try:
    client.messages.create(**{**PROMPT, "messages": []})
    refusal = None
except anthropic.BadRequestError as error:
    refusal = error.body["error"]["message"]

json.dump(
    {
        "version": anthropic.__version__,
        "created": [block.text for block in created.content],
        "created_usage": created.usage.output_tokens,
        "streamed": "".join(texts),
        "streamed_blocks": [block.text for block in streamed.content],
        "stop_reason": streamed.stop_reason,
        "counted": counted.input_tokens,
        "models": models,
        "refusal": refusal,
    },
    sys.stdout,
)
