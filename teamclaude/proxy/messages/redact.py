"""Take credentials out of what is shown, stored or relayed.

Two ways, because each misses what the other finds.  By value: the tokens and keys of this process, wherever
they stand, also escaped in JSON, percent-encoded, or inside base64 at any alignment (`SecretValues`).  By
shape: anybody's credentials in headers, named fields and token formats (`redact_headers`, `redact_text`,
`redact_body`).

Rules that hold in this file:

1. What is shown or stored holds no secret (`redact`), nor does a relayed refusal (`mask`, which keeps the
   length).  Bodies below status 400 belong to the client and are not searched.
2. A value stays known for a while after it was replaced: an upstream may repeat the token of a second ago.
3. Values are known to the whole process: what is secret to one server in it is secret everywhere.
4. Redaction by shape works on bodies that were cut anywhere: a value without its closing quote extends to the
   end.  It rather hides too much; nothing is parsed, so nothing can fail.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from ...accounts.config.config import Config
from ...accounts.tokens.token_pair import TokenPair
from ...dial.proxies import ProxyAddress

__all__ = [
    "KNOWN_SECRETS",
    "SecretValues",
    "redact_body",
    "redact_headers",
    "redact_text",
    "secrets_of",
]

MIN_CHARS = 8  # a shorter value is a word that may stand anywhere
MIN_ENCODED_CHARS = 16  # of a value that is searched in base64
MAX_REPLACED = 64  # replaced values that stay known
_MARK = "<redacted>"

_WITH_SCHEME = frozenset(("authorization", "proxy-authorization"))
_WHOLE = frozenset(("x-api-key", "x-teamclaude-key", "cookie", "set-cookie"))
# The patterns are compiled by `re` at their first use: together that takes 0.8 ms, and few runs need them
# before the first answer.
# RFC 9110 11.4: a scheme is a token before a space; without the space the word may be the secret.
_SCHEME = r"[A-Za-z]{1,16} (?=\S)"

_FIELDS = (
    rb"\w{0,32}token|\w{0,32}secret|\w{0,32}jwt|code|code_?verifier|(?:x-)?api[_-]?key|x-teamclaude-key"
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

_HIDDEN = rb"\1" + _MARK.encode()


class SecretValues:
    """The secrets of every owner, for searching.  Any thread.

    An owner (one server) sets all its values anew when one of them changes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[object, frozenset[str]] = {}
        self._replaced: deque[str] = deque(maxlen=MAX_REPLACED)
        self._needles: tuple[bytes, ...] = ()  # every form of every value; replaced as a whole

    def set_values(self, owner: object, values: Iterable[str]) -> None:
        """Replace the secrets of `owner`; those it had before count as replaced."""
        new = frozenset(value for value in values if len(value) >= MIN_CHARS)
        with self._lock:
            before = self._values.get(owner, frozenset())
            if new == before:
                return
            self._values[owner] = new
            self._replaced.extend(before - new - set(self._replaced))
            known = {*self._replaced, *(value for values in self._values.values() for value in values)}
            # The longest first: one may be the beginning of another one.
            forms = {form for value in known for form in _forms(value)}
            self._needles = tuple(sorted(forms, key=len, reverse=True))

    def forget(self, owner: object) -> None:
        """Remove an owner that has ended; with the last one all values are forgotten."""
        self.set_values(owner, ())
        with self._lock:
            self._values.pop(owner, None)
            if not self._values:
                self._replaced.clear()
                self._needles = ()

    def redact(self, data: bytes) -> bytes:
        """Return `data` with every known secret replaced by a mark, for showing and storing."""
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, _MARK.encode())
        return data

    def mask(self, data: bytes) -> bytes:
        """Return `data` with every known secret replaced by as many asterisks."""
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, b"*" * len(needle))
        return data


KNOWN_SECRETS = SecretValues()


def secrets_of(config: Config, pairs: Iterable[TokenPair]) -> Iterator[str]:
    """Return all secrets of a configuration and of the current tokens."""
    values = [config.proxy.api_key, *(client.key for client in config.proxy.clients)]
    values += [alert.url for alert in config.alerts]
    for account in config.accounts:
        values += [account.access_token, account.refresh_token, account.api_key]
    for pair in pairs:
        values += pair.tokens
    proxies = [config.proxy_address, *(account.proxy_address for account in config.accounts)]
    values += [secret for proxy in proxies if proxy is not None for secret in _proxy_secrets(proxy)]
    return (value for value in values if value)


def _proxy_secrets(proxy: ProxyAddress) -> list[str]:
    """Return the password of a proxy, and `user:password`, which Basic encodes."""
    return [proxy.password, f"{proxy.user}:{proxy.password}"] if proxy.password else []


def _forms(value: str) -> Iterator[bytes]:
    """Yield the value as it is, escaped in JSON, percent-encoded and in base64."""
    yield value.encode()
    escaped = json.dumps(value)[1:-1]
    yield escaped.encode()
    yield escaped.replace("/", "\\/").encode()
    encoded = quote(value, safe="")
    yield encoded.encode()
    if encoded != value:
        yield encoded.lower().encode()
    if len(value) >= MIN_ENCODED_CHARS:
        for offset in range(3):  # what precedes the value shifts its bytes
            raw = b"\0" * offset + value.encode()
            whole = len(raw) // 3 * 4
            begin = (0, 2, 3)[offset]
            yield base64.b64encode(raw)[begin:whole]
            yield base64.urlsafe_b64encode(raw)[begin:whole]


def redact_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the fields in order; of a credential's value only the scheme stays (`Bearer <redacted>`)."""
    return [(name, _redact_value(name.lower(), value)) for name, value in headers]


def redact_text(text: str) -> str:
    """Return a request target, reason or message without query parameters and tokens that are secret."""
    return redact_body(text.encode("utf-8", "surrogatepass"), pairs=True).decode("utf-8", "surrogatepass")


def redact_body(body: bytes, pairs: bool = False) -> bytes:
    """Return a body, or the beginning of one, without secrets.

    `pairs`: it holds name=value pairs (a URL or a form).
    """
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
