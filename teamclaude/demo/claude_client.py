"""One conversation as Claude Code 2.1.330 sends it: headers, bodies, streams.

Header names, order and values, body keys and their order were measured with the real client
(`claude -p` and a claude.ai login).  Texts are short and contain size hints (see fakeapi/prompt.py).
"""

from __future__ import annotations

import http.client
import json
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..values import dataclass, field
from .plan import SessionPlan
from .retry import Failure

__all__ = ["AttemptError", "Conversation", "ProxyConnection", "ReceivedReply"]

Block = dict[str, Any]

_BETAS = (
    "claude-code-20250219",
    "interleaved-thinking-2025-05-14",
    "context-management-2025-06-27",
    "per-turn-control-2026-07-01",
    "mid-conversation-tool-changes-2026-07-01",
    "thinking-token-count-2026-05-13",
    "advanced-tool-use-2025-11-20",
    "effort-2025-11-24",
)
_COMPACT_ABOVE = 180_000
_COMPACT_TO = 25_000
_CUT_OFF = "Your response above was cut off mid-stream. Resume directly."


class AttemptError(Exception):
    """An attempt failed; `text` is the part of the answer that had arrived."""

    def __init__(self, failure: Failure, text: str = "") -> None:
        super().__init__(failure.label)
        self.failure = failure
        self.text = text


@dataclass
class ReceivedReply:
    """An answer, as far as it has arrived."""

    text: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    blocks_done: int = 0
    begun: bool = False


class Conversation:
    """The growing context of a session or of one of its sub-agents."""

    def __init__(self, plan: SessionPlan, *, agent: str = "", model: str = "") -> None:
        self.plan = plan
        self.agent = agent
        self.model = model or plan.model
        self.context = 11_000 if not agent else 6_000
        self._base = self.context
        self._messages: list[Block] = []

    def add_user_turn(self, tokens: int, reply_tokens: int) -> None:
        """Add the user's (or the tools') next message; compact the context first if it is too long."""
        if self.context + tokens > _COMPACT_ABOVE:
            self._messages = []
            tokens += _COMPACT_TO
            self.context = self._base
        text = f"[[tokens={tokens}]] [[reply={reply_tokens}]] Step {len(self._messages)}."
        self._messages.append({"role": "user", "content": [{"type": "text", "text": text}]})
        self.context += tokens + reply_tokens

    def add_reply(self, text: str) -> None:
        """Add the text of an answer."""
        self._messages.append({"role": "assistant", "content": [{"type": "text", "text": text}]})

    def continue_from(self, text: str) -> None:
        """Add an answer that broke off after a whole block, and ask for the rest of it."""
        self.add_reply(text)
        self._messages.append({"role": "user", "content": [{"type": "text", "text": _CUT_OFF}]})

    def drop_user_turn(self) -> None:
        """Remove the message of a failed turn; the user tries again with another one."""
        while self._messages and self._messages[-1]["role"] == "user":
            self._messages.pop()

    def body(self, *, stream: bool = True) -> bytes:
        """Return the request body for the conversation so far."""
        document: Block = {
            "model": self.model,
            "messages": [*self._messages[:-1], self._with_breakpoint(self._messages[-1])],
            "system": self._system(),
            "tools": [{"name": "Bash", "description": "Runs a command. [[tokens=3000]]", "input_schema": {}}],
            "metadata": {"user_id": self._user_id()},
            "max_tokens": 128_000 if stream else 64_000,
            "thinking": {"type": "adaptive", "display": "omitted"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": self.plan.effort},
        }
        if stream:
            document["stream"] = True
        return json.dumps(document, separators=(",", ":")).encode()

    def headers(self, key: str, size: int, host: str, *, stream: bool = True) -> list[tuple[str, str]]:
        """Return the headers in the client's order; where the proxy key stands depends on the login."""
        betas = list(_BETAS)
        if self.plan.subscription:
            betas.insert(1, "oauth-2025-04-20")
            betas.append("extended-cache-ttl-2025-04-11")
        token = "sk-ant-oat01-FAKE-of-the-client" if self.plan.subscription else key
        out = [
            ("Accept", "application/json"),
            ("Authorization", f"Bearer {token}"),
            ("Content-Type", "application/json"),
            ("User-Agent", "claude-cli/2.1.330 (external, cli)"),
            ("X-Claude-Code-Session-Id", self.plan.id),
            ("X-Stainless-Arch", "x64"),
            ("X-Stainless-Lang", "js"),
            ("X-Stainless-OS", "Linux"),
            ("X-Stainless-Package-Version", "0.128.0"),
            ("X-Stainless-Retry-Count", "0"),
            ("X-Stainless-Runtime", "node"),
            ("X-Stainless-Runtime-Version", "v26.12.1"),
            ("X-Stainless-Timeout", "600" if stream else "300"),
            ("anthropic-beta", ",".join(betas)),
            ("anthropic-dangerous-direct-browser-access", "true"),
            ("anthropic-version", "2023-06-01"),
            ("x-app", "cli"),
        ]
        if self.agent:
            out.append(("x-claude-code-agent-id", self.agent))
        if self.plan.subscription:
            out.append(("x-teamclaude-key", key))
        return [
            *out,
            ("Connection", "keep-alive"),
            ("Host", host),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            ("Content-Length", str(size)),
        ]

    def _cache_control(self) -> Block:
        return {"type": "ephemeral", "ttl": "1h"} if self.plan.subscription else {"type": "ephemeral"}

    def _with_breakpoint(self, message: Block) -> Block:
        *rest, last = message["content"]
        return {**message, "content": [*rest, {**last, "cache_control": self._cache_control()}]}

    def _system(self) -> list[Block]:
        sub = " cc_is_subagent=true;" if self.agent else ""
        billing = f"x-anthropic-billing-header: cc_version=2.1.330.839; cc_entrypoint=cli;{sub}"
        rules = f"The rules of the project. [[tokens={self._base - 3000}]]"
        return [
            {"type": "text", "text": billing},
            {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude."},
            {"type": "text", "text": rules, "cache_control": self._cache_control()},
        ]

    def _user_id(self) -> str:
        return json.dumps({"device_id": self.plan.device, "account_uuid": "", "session_id": self.plan.id})


class ProxyConnection:
    """One keep-alive connection to the proxy, opened again after every failure."""

    def __init__(self, url: str, timeout: float) -> None:
        split = urlsplit(url)
        self.host = split.netloc
        self._prefix = split.path.rstrip("/")
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def hello(self) -> None:
        """Send the client's opening request; the client ignores its outcome."""
        try:
            connection = self._open()
            connection.request("HEAD", f"{self._prefix}/api/hello", headers={"User-Agent": "Bun/1.4.0"})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            self.close()

    def send_turn(self, conversation: Conversation, key: str, *, stream: bool = True) -> ReceivedReply:
        """Make one attempt; raise AttemptError with what the client saw of a failure."""
        body = conversation.body(stream=stream)
        reply = ReceivedReply()
        try:
            response = self._send(conversation.headers(key, len(body), self.host, stream=stream), body)
            kind = response.getheader("content-type") or ""
            if response.status >= 400 or (stream and "text/event-stream" not in kind):
                raise AttemptError(_status_failure(response))
            if stream:
                _read_stream(response, reply)
            else:
                _read_document(response, reply)
        except AttemptError as failed:
            # The client keeps the connection after an error status.
            if failed.failure.kind != "answer":
                self.close()
            raise
        except (OSError, http.client.HTTPException, LookupError, ValueError, zlib.error):
            self.close()
            raise AttemptError(_cut_failure(reply), reply.text) from None
        return reply

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.host, timeout=self._timeout)
        return self._connection

    def _send(self, headers: list[tuple[str, str]], body: bytes) -> http.client.HTTPResponse:
        connection = self._open()
        target = f"{self._prefix}/v1/messages?beta=true"
        connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse()


def _status_failure(response: http.client.HTTPResponse) -> Failure:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Failure("answer", response.status, headers, response.read())


def _cut_failure(reply: ReceivedReply) -> Failure:
    if not reply.begun:
        return Failure("network")
    return Failure("finished" if reply.blocks_done else "cut")


def _read_document(response: http.client.HTTPResponse, reply: ReceivedReply) -> None:
    message = json.loads(b"".join(_decoded(response)))
    reply.text = "".join(block.get("text", "") for block in message["content"])
    _add_usage(reply, message["usage"])


def _read_stream(response: http.client.HTTPResponse, reply: ReceivedReply) -> None:
    """Read to the end; a clean end after message_delta counts as complete, as it does for the client."""
    ended = False
    for data in _events(response):
        kind = data.get("type")
        if kind == "error":
            raise AttemptError(Failure("late" if reply.begun else "early"), reply.text)
        ended = ended or kind == "message_delta"
        _apply_event(data, reply)
    if not ended:
        raise AttemptError(_cut_failure(reply), reply.text)


def _apply_event(data: Block, reply: ReceivedReply) -> None:
    kind = data.get("type")
    if kind == "message_start":
        _add_usage(reply, data["message"]["usage"])
    elif kind == "content_block_delta":
        reply.begun = True
        reply.text += data["delta"].get("text", "")
    elif kind == "content_block_stop":
        reply.blocks_done += 1
    elif kind == "message_delta":
        _add_usage(reply, data["usage"])


def _add_usage(reply: ReceivedReply, usage: Block) -> None:
    reply.usage.update({name: value for name, value in usage.items() if isinstance(value, int)})


def _events(response: http.client.HTTPResponse) -> Iterator[Block]:
    rest = b""
    for data in _decoded(response):
        *whole, rest = (rest + data).split(b"\n\n")
        for chunk in whole:
            for line in chunk.split(b"\n"):
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])


def _decoded(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it arrives, decompressed."""
    is_gzip = (response.getheader("content-encoding") or "") == "gzip"
    decompressor = zlib.decompressobj(wbits=31) if is_gzip else None
    while True:
        data = response.read1(65536)
        if not data:
            # read1 leaves a body with content-length open at its end; read closes it.
            response.read()
            return
        yield decompressor.decompress(data) if decompressor else data
