"""The secrets of this process by value: tokens, API keys and proxy keys, found wherever they stand.

`redact` knows what credentials look like; an upstream that repeats one in its own words knows no such
rules.  A value is found as it is, escaped in JSON, percent-encoded, and inside base64 at any alignment.

Rules:
1. What is shown or stored holds none (`hide`), nor does a refusal that is relayed (`mask`, which keeps the
   length).  Bodies below status 400 are the client's business and are not searched.
2. A value stays known for a while after it was replaced: an upstream may repeat the token of a second ago.
3. Values are known to the whole process: what is secret to one server in it is secret everywhere.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

from ...accounts.config.config import Config
from ...accounts.tokens.token_pair import TokenPair

__all__ = ["KNOWN_SECRETS", "SecretValues", "secrets_of"]

MIN_CHARS = 8  # a shorter one is a word that may stand anywhere
MIN_ENCODED_CHARS = 16  # as base64
MAX_REPLACED = 64  # replaced values
MARK = b"<redacted>"


class SecretValues:
    """Each owner tells its values anew when one changes.  Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[object, frozenset[str]] = {}
        self._replaced: deque[str] = deque(maxlen=MAX_REPLACED)
        self._needles: tuple[bytes, ...] = ()  # replaced whole

    def set_values(self, owner: object, values: Iterable[str]) -> None:
        """The secrets of `owner` are these; what it had before is old."""
        new = frozenset(value for value in values if len(value) >= MIN_CHARS)
        with self._lock:
            before = self._values.get(owner, frozenset())
            if new == before:
                return
            self._values[owner] = new
            self._replaced.extend(before - new - set(self._replaced))
            known = {*self._replaced, *(value for values in self._values.values() for value in values)}
            # The longest first: one may be the beginning of another.
            forms = {form for value in known for form in _forms(value)}
            self._needles = tuple(sorted(forms, key=len, reverse=True))

    def forget(self, owner: object) -> None:
        """`owner` has ended; with the last one all is forgotten."""
        self.set_values(owner, ())
        with self._lock:
            self._values.pop(owner, None)
            if not self._values:
                self._replaced.clear()
                self._needles = ()

    def redact(self, data: bytes) -> bytes:
        """For showing and storing."""
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, MARK)
        return data

    def mask(self, data: bytes) -> bytes:
        """The same with as many bytes."""
        for needle in self._needles:
            if needle in data:
                data = data.replace(needle, b"*" * len(needle))
        return data


KNOWN_SECRETS = SecretValues()


def secrets_of(config: Config, pairs: Iterable[TokenPair]) -> Iterator[str]:
    """All secrets of a configuration, and of the tokens of now."""
    values = [config.proxy.api_key, *(client.key for client in config.proxy.clients)]
    for account in config.accounts:
        values += [account.access_token, account.refresh_token, account.api_key]
    for pair in pairs:
        values += pair.tokens
    values += _of_proxy(config.upstream_proxy or "")
    return (value for value in values if value)


def _of_proxy(url: str) -> list[str]:
    """The password in a proxy's URL, and `user:password`, which Basic encodes."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    if not parts.password:
        return []
    return [unquote(parts.password), f"{unquote(parts.username or '')}:{unquote(parts.password)}"]


def _forms(value: str) -> Iterator[bytes]:
    yield value.encode()
    escaped = json.dumps(value)[1:-1]
    yield escaped.encode()
    yield escaped.replace("/", "\\/").encode()
    encoded = quote(value, safe="")
    yield encoded.encode()
    if encoded != value:
        yield encoded.lower().encode()
    if len(value) >= MIN_ENCODED_CHARS:
        for offset in range(3):  # what stands before it moves its bytes
            raw = b"\0" * offset + value.encode()
            whole = len(raw) // 3 * 4
            begin = (0, 2, 3)[offset]
            yield base64.b64encode(raw)[begin:whole]
            yield base64.urlsafe_b64encode(raw)[begin:whole]
