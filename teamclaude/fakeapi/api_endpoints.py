"""The API's own answers: credentials, messages, token counts, models. One lock, no sockets.

The connection threads of the fake API call every public method.  The lock guards the accounts
(windows, caches, in-flight counts); it is never held while anything is sent.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..values import dataclass, replace
from .answer import ApiAnswer, error_answer
from .api_script import ScriptedReply
from .fake_account import FakeAccount, QuotaRefusal
from .fault import Fault
from .message_threads import thread_refusal
from .prompt import BadPromptError, Prompt, read_prompt
from .prompt_cache import TokenUsage
from .stream import Message, events, message_json, output_tokens_of, reply_text
from .wire import Request

__all__ = ["MODELS", "ApiEndpoints", "ApiPace", "PendingCharge"]

MODELS = (
    "claude-fable-5",
    "claude-opus-4-8",
    "claude-sonnet-4-9",
    "claude-haiku-4-5",
)
OAUTH_BETA = "oauth-2025-04-20"  # what the API demands, whatever the program under test sends
MAX_BODY = 32 * 1024 * 1024
MAX_PROMPT_TOKENS = 1_000_000
DEFAULT_REPLY_TOKENS = 40
NOT_FLAGGED = "not_flagged"

_JSON = ("content-type", "application/json")
_UNKNOWN_TOKEN = "Invalid bearer token"
_QUOTA_MESSAGE = "This request would exceed your account's rate limit. Please try again later."


@dataclass(frozen=True)
class ApiPace:
    """How fast the API answers, in seconds of its clock; all zero: at once."""

    first_token: float = 0.0
    per_input_token: float = 0.0
    per_output_token: float = 0.0
    events: int = 4
    """Number of deltas of an answer's text."""


@dataclass
class PendingCharge:
    """What is booked when an admitted request ends: its in-flight slot and its output tokens."""

    account: FakeAccount
    model: str
    output: int
    events: int


class ApiEndpoints:
    """The accounts and what the API answers for them.

    `safeguard_verdict` is the outcome reported for each checked tool use; None: none is reported.
    `unknown_thread_status` answers a request that continues a thread of another account.
    """

    def __init__(
        self,
        accounts: Sequence[FakeAccount],
        clock: Callable[[], float],
        pace: ApiPace | None = None,
    ) -> None:
        self.clock = clock
        self.pace = pace or ApiPace()
        self.safeguard_verdict: str | None = NOT_FLAGGED
        self.unknown_thread_status = 400
        self._accounts = {account.name: account for account in accounts}
        self._count = 0
        self._lock = threading.Lock()

    # --- accounts ------------------------------------------------------------------------

    @property
    def accounts(self) -> Mapping[str, FakeAccount]:
        """The accounts by name, for setup and assertions; change a running API through `change`."""
        return dict(self._accounts)

    def add(self, account: FakeAccount) -> None:
        """Add an account under the lock."""
        with self._lock:
            self._accounts[account.name] = account

    def change(self, name: str, act: Callable[[FakeAccount, float], None]) -> None:
        """Run `act(account, now)` under the lock: fill a window, issue or revoke a token."""
        with self._lock:
            act(self._accounts[name], self.clock())

    def usable(self, model: str = MODELS[1], ceiling: float = 1.0) -> list[str]:
        """Return the accounts with every window for `model` below `ceiling` and not full."""
        with self._lock:
            now = self.clock()
            return [a.name for a in self._accounts.values() if a.usable(model, now, ceiling)]

    def account_of(self, request: Request) -> FakeAccount | None:
        """Return the account whose credential the request carries, valid for this use or not."""
        bearer, key = _bearer(request), request.header("x-api-key")
        with self._lock:
            for token in (bearer, key):
                for account in self._accounts.values():
                    if token is not None and token in account.tokens:
                        return account
        return None

    # --- answers -------------------------------------------------------------------------

    def answer(
        self, request: Request, owner: FakeAccount | None, reply: Callable[[], ScriptedReply | None]
    ) -> tuple[ApiAnswer, PendingCharge | None]:
        """Return the API's own answer and what it will charge; `reply()` gives the scripted text, if any."""
        if request.method == "HEAD" and request.path in ("/", "/api/hello"):
            return ApiAnswer(200, [_JSON]), None
        route = (request.method, request.path)
        if route not in _ROUTES and not (request.method == "GET" and request.path.startswith("/v1/models/")):
            return error_answer(404, f"Not found: {request.path}"), None
        refused = _unauthorized(request, owner)
        if refused is not None or owner is None:
            return refused or error_answer(401, _UNKNOWN_TOKEN), None
        if request.method == "GET":
            return _models(request), None
        if len(request.body) > MAX_BODY:
            return error_answer(413, "Request exceeds the maximum size"), None
        counting = request.path.endswith("/count_tokens")
        try:
            prompt = read_prompt(request.body, counting=counting)
        except BadPromptError as exc:
            return error_answer(400, str(exc)), None
        if counting:
            return ApiAnswer(200, [_JSON], (json.dumps({"input_tokens": prompt.tokens}).encode(),)), None
        if prompt.tokens > MAX_PROMPT_TOKENS:
            message = f"prompt is too long: {prompt.tokens} tokens > {MAX_PROMPT_TOKENS} maximum"
            return error_answer(400, message), None
        with self._lock:
            unknown = thread_refusal(prompt, request, owner, self.unknown_thread_status)
        return (unknown, None) if unknown is not None else self._message(prompt, owner, reply)

    def fault_answer(self, request: Request, owner: FakeAccount | None, fault: Fault) -> ApiAnswer:
        """Return the answer a fault gives instead of the API's own; nothing is charged."""
        if not fault.quota_axis:
            named = any(name.lower() == "content-type" for name, _ in fault.headers)
            headers = [*([] if named else [_JSON]), *fault.headers]
            return ApiAnswer(fault.code or 200, headers, (fault.body or b"",))
        headers = []
        if owner is not None:
            with self._lock:
                headers = owner.refused_headers(
                    _model_of(request),
                    self.clock(),
                    fault.quota_axis,
                    utilization=fault.quota_utilization,
                    reset_in=fault.quota_reset_in,
                )
        return error_answer(429, _QUOTA_MESSAGE, headers=headers)

    def finish_charge(self, charge: PendingCharge, events_sent: int) -> None:
        """Charge the output that was sent and free the in-flight slot; call exactly once."""
        share = 1.0 if charge.events == 0 else min(1.0, events_sent / charge.events)
        with self._lock:
            charge.account.charge(charge.model, TokenUsage(output=round(charge.output * share)), self.clock())
            charge.account.end_request()

    def _message(
        self, prompt: Prompt, owner: FakeAccount, reply: Callable[[], ScriptedReply | None]
    ) -> tuple[ApiAnswer, PendingCharge | None]:
        with self._lock:
            now = self.clock()
            refusal = owner.refusal(prompt.model, now)
            if refusal is not None:
                return _refused(owner, prompt.model, now, refusal), None
            owner.begin_request(now)
            usage = owner.cache.price(prompt, now)
            owner.cache.store(prompt, now)
            owner.charge(prompt.model, usage, now)
            headers = owner.headers(prompt.model, now)
            self._count += 1
            id = f"msg_fake{self._count:08d}"
            if prompt.thread:
                owner.threads.add(id)
        message = _compose(id, prompt, usage, reply(), self.pace.events)
        if prompt.safeguards and self.safeguard_verdict is not None:
            message = replace(
                message,
                end={"safeguard_results": _safeguard_results(prompt, message, self.safeguard_verdict)},
            )
        answer = self._with_pace(prompt, message, headers)
        return answer, PendingCharge(owner, prompt.model, message.usage.output, len(answer.parts))

    def _with_pace(self, prompt: Prompt, message: Message, headers: list[tuple[str, str]]) -> ApiAnswer:
        pace, usage = self.pace, message.usage
        first = pace.first_token + pace.per_input_token * usage.charged_input
        writing = pace.per_output_token * usage.output
        if not prompt.stream:
            return ApiAnswer(200, [_JSON, *headers], (message_json(message),), first_wait=first + writing)
        parts = events(message)
        return ApiAnswer(
            200,
            [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), *headers],
            parts,
            "chunked",
            first_wait=first,
            gap=writing / max(1, len(parts) - 1),
        )


_ROUTES = {("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens"), ("GET", "/v1/models")}


def _bearer(request: Request) -> str | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _unauthorized(request: Request, owner: FakeAccount | None) -> ApiAnswer | None:
    """Return the 401 for a credential that is missing, unknown or used in the wrong way."""
    bearer, key = _bearer(request), request.header("x-api-key")
    if bearer is None and key is None:
        return error_answer(401, "x-api-key header is required")
    if owner is None:
        return error_answer(401, _UNKNOWN_TOKEN if bearer is not None else "invalid x-api-key")
    if owner.kind != "oauth":
        return None
    if bearer not in owner.tokens:
        return error_answer(401, "invalid x-api-key")
    betas = [part.strip() for part in (request.header("anthropic-beta") or "").split(",")]
    if OAUTH_BETA not in betas:
        return error_answer(401, "OAuth authentication is currently not supported.")
    return None


def _refused(owner: FakeAccount, model: str, now: float, refusal: QuotaRefusal) -> ApiAnswer:
    return error_answer(429, _QUOTA_MESSAGE, headers=owner.headers(model, now, refusal))


def _compose(
    number: str, prompt: Prompt, usage: TokenUsage, reply: ScriptedReply | None, pieces: int
) -> Message:
    """Return the answer: scripted blocks, a JSON object when a schema asks for one, or a plain text."""
    if reply is not None:
        blocks: list[dict[str, Any]]
        blocks = [{"type": "text", "text": reply}] if isinstance(reply, str) else [dict(b) for b in reply]
        output = prompt.reply_tokens or output_tokens_of(blocks)
    elif prompt.wants_json:
        blocks = [{"type": "text", "text": json.dumps({"title": "A fake session"})}]
        output = 12
    else:
        output = prompt.reply_tokens or DEFAULT_REPLY_TOKENS
        blocks = [{"type": "text", "text": reply_text(output)}]
    used_tool = any(block.get("type") == "tool_use" for block in blocks)
    cut_short = output > prompt.max_tokens
    stop = "max_tokens" if cut_short else "tool_use" if used_tool else "end_turn"
    output = min(output, prompt.max_tokens)
    return Message(number, prompt.model, blocks, replace(usage, output=output), stop, pieces)


def _safeguard_results(prompt: Prompt, message: Message, verdict: str) -> list[dict[str, Any]]:
    """Return the results of the checks the client asked for (Claude Code's auto mode; measured 2026-11)."""
    uses = [block["id"] for block in message.blocks if block.get("type") == "tool_use"]
    known = {"type": "available", "tool_uses": {id: {"type": "evaluated", "outcome": verdict} for id in uses}}
    unknown = {"type": "unsupported"}
    return [
        {"type": kind, "status": known if kind == "dangerous_tool_use" else unknown}
        for kind in prompt.safeguards
    ]


def _models(request: Request) -> ApiAnswer:
    rows = [
        {"type": "model", "id": name, "display_name": name.title(), "created_at": "2026-01-01T00:00:00Z"}
        for name in MODELS
    ]
    if request.path != "/v1/models":
        wanted = request.path.rpartition("/")[2]
        found = [row for row in rows if row["id"] == wanted]
        if not found:
            return error_answer(404, f"model: {wanted}")
        return ApiAnswer(200, [_JSON], (json.dumps(found[0]).encode(),))
    page = {"data": rows, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    return ApiAnswer(200, [_JSON], (json.dumps(page).encode(),))


def _model_of(request: Request) -> str:
    try:
        return read_prompt(request.body).model
    except BadPromptError:
        return MODELS[1]
