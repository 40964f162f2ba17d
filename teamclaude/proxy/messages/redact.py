"""Takes credentials out of what is written down: our own by value, others by header, field and shape.

Works on bodies that were cut anywhere: a value without its closing quote is a value up to the end.
It errs on the side of hiding; nothing here parses, so nothing here can fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .secret_values import KNOWN_SECRETS

__all__ = ["redact_body", "redact_headers", "redact_text"]

_WITH_SCHEME = frozenset(("authorization", "proxy-authorization"))
_WHOLE = frozenset(("x-api-key", "x-teamclaude-key", "cookie", "set-cookie"))
# All patterns here are compiled where `re` first needs them: together that takes 0.8 ms, and few runs need
# them before the first answer.
# RFC 9110 11.4: a scheme is a token before a space; without the space the word may be the secret.
_SCHEME = r"[A-Za-z]{1,16} (?=\S)"

_FIELDS = (
    rb"\w{0,32}token|\w{0,32}secret|code|code_?verifier|(?:x-)?api[_-]?key|x-teamclaude-key"
    rb"|authorization|cookie|set-cookie|password"
)
# A JSON string after such a name, escaped quotes inside it included.
_PLAIN = rb'(?is)("(?:%b)"\s*:\s*")(?!")[^"\\]*(?:\\.[^"\\]*)*\\?' % _FIELDS
# The same with its quotes escaped, up to four deep: files with credentials travel as text in prompts.
# The bound keeps a body of backslashes from taking quadratic time.
_ESCAPED = rb'(?i)(\\{1,15}"(?:%b)\\{1,15}"\s*:\s*\\{1,15}")[^"\\]+' % _FIELDS
_PAIR = rb"(?i)((?:\A|[?&\s])(?:%b|state|key)=)[^&\s]+" % _FIELDS
# sk-ant-oat01-..., sk-ant-ort01-..., sk-ant-api03-...: the kind stays readable.
_TOKEN = rb"(sk-ant-(?:[a-z]{1,8}[0-9]{2}-)?)[0-9A-Za-z_-]+"
_BEARER = rb"(?i)(\bbearer )[0-9a-z._~+/=-]{8,}"
# 24 random bytes in base64url: a generated proxy key.
_PROXY_KEY = rb"(\btc-)[0-9A-Za-z_-]{32,}"

_MARK = "<redacted>"
_HIDDEN = rb"\1" + _MARK.encode()


def redact_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same fields in order; of a credential's value only the scheme stays (`Bearer <redacted>`)."""
    return [(name, _redact_value(name.lower(), value)) for name, value in headers]


def redact_text(text: str) -> str:
    """A request target, a reason or a message: query parameters and tokens are hidden."""
    return redact_body(text.encode("utf-8", "surrogatepass"), pairs=True).decode("utf-8", "surrogatepass")


def redact_body(body: bytes, pairs: bool = False) -> bytes:
    """A body or the beginning of one; `pairs`: it holds name=value pairs (a URL or a form)."""
    body = KNOWN_SECRETS.redact(body)
    for pattern in (_PLAIN, _ESCAPED, _TOKEN, _BEARER, _PROXY_KEY):
        body = re.sub(pattern, _HIDDEN, body)
    return re.sub(_PAIR, _HIDDEN, body) if pairs else body


def _redact_value(field: str, value: str) -> str:
    if field in _WHOLE:
        return _MARK
    if field in _WITH_SCHEME:
        scheme = re.match(_SCHEME, value)
        return (scheme[0] if scheme else "") + _MARK
    return redact_text(value)
