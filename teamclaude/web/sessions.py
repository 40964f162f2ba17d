"""Who is signed in on a page: one-time codes, and the sessions that they or keys are exchanged for.

Rules that hold in this file:

1. Codes and session ids have 256 random bits.  Only their hashes are kept: the time that a look-up takes says
   nothing about what is close to it.
2. A code serves once, within CODE_SEC.  A session ends IDLE_SEC after its last use, SESSION_SEC after its
   beginning, with the server, or when its browser signs out; a restart hands it on.  There is a bounded
   number of both; beyond it the key that has most of them loses one.
3. A session never has a role of its own: it names what vouched for it, and the caller of `find` asks whether
   that is still valid.
4. An address that presented TRIES wrong keys or codes within TRY_SEC may present no key until that is over.
   Codes are still accepted then: nobody guesses one, and another program on this machine can't lock out a
   person who has one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ..lazy_modules import hashlib, secrets
from ..values import NamedTuple

__all__ = ["CODE_SEC", "IDLE_SEC", "SESSION_SEC", "Grant", "PageSessions", "cookie_values"]

CODE_SEC = 60.0
IDLE_SEC = 12 * 3600.0
SESSION_SEC = 7 * 86400.0
MAX_CODES = 16
MAX_SESSIONS = 64
TRIES, TRY_SEC = 10, 60.0
MAX_ADDRESSES = 1024  # whose wrong tries are remembered
MAX_VALUES = 8  # of one cookie in a request that are looked up
_RANDOM_BYTES = 32


class Grant(NamedTuple):
    """What a page may do, and by whom it was vouched for."""

    role: str  # at most; `key_name`'s present one may be less
    key_name: Optional[str] = None  # of proxy.clients; None: the proxy's own key, or none
    fingerprint: str = ""  # of the key; empty: a process of our own user vouched
    own_user_only: bool = False  # serve processes of our own user alone


class _Session:
    def __init__(self, grant: Grant, begun: float) -> None:
        self.grant = grant
        self.begun = self.used = begun


class PageSessions:
    """The codes and sessions of one process, in memory.  Any thread.

    `clock`: monotonic seconds.  `new_secret` returns a new text that nobody can guess.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(_RANDOM_BYTES),
    ) -> None:
        self._clock = clock
        self._new_secret = new_secret
        self._codes: OrderedDict[bytes, tuple[Grant, float]] = OrderedDict()  # with its end
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()  # the one used last is last
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()  # times of wrong tries, by address
        self._lock = threading.Lock()  # guards the three above

    def new_code(self, grant: Grant) -> str:
        """Return a code for one page; with too many the oldest one of who has most ends."""
        code = self._new_secret()
        with self._lock:
            self._codes[_hash(code)] = (grant, self._clock() + CODE_SEC)
            if len(self._codes) > MAX_CODES:
                del self._codes[_crowding({each: grant for each, (grant, _) in self._codes.items()})]
        return code

    def redeem(self, code: str) -> Optional[Grant]:
        """Return what a code grants, once; None for one that is unknown, used or too old."""
        with self._lock:
            found = self._codes.pop(_hash(code), None)
        return found[0] if found is not None and self._clock() < found[1] else None

    def begin(self, grant: Grant) -> str:
        """Return the id of a new session; with too many the one unused for longest of who has most ends."""
        session, now = self._new_secret(), self._clock()
        with self._lock:
            self._sessions[_hash(session)] = _Session(grant, now)
            if len(self._sessions) > MAX_SESSIONS:
                del self._sessions[_crowding({each: one.grant for each, one in self._sessions.items()})]
        return session

    def find(self, ids: Iterable[str]) -> Optional[Grant]:
        """Return the grant of the first of these ids that is a session's, and note its use."""
        now = self._clock()
        with self._lock:
            for key in map(_hash, ids):
                session = self._sessions.get(key)
                if session is None:
                    continue
                if now - session.used > IDLE_SEC or now - session.begun > SESSION_SEC:
                    del self._sessions[key]
                    continue
                session.used = now
                self._sessions.move_to_end(key)
                return session.grant
        return None

    def end(self, ids: Iterable[str]) -> None:
        """End these sessions."""
        with self._lock:
            for key in map(_hash, ids):
                self._sessions.pop(key, None)

    def dump(self) -> list[dict[str, Any]]:
        """Return the sessions for the next process of this server, with their ages in seconds; no codes."""
        now = self._clock()
        with self._lock:
            return [
                {"hash": key.hex(), "grant": each.grant, "begun": now - each.begun, "used": now - each.used}
                for key, each in self._sessions.items()
            ]

    def adopt(self, dumped: Any) -> None:
        """Take in what `dump` returned in another process, perhaps of another version."""
        now = self._clock()
        for each in dumped[:MAX_SESSIONS] if isinstance(dumped, list) else ():
            try:
                session = _Session(Grant(*each["grant"]), now - float(each["begun"]))
                session.used = now - float(each["used"])
                key = bytes.fromhex(each["hash"])
            except (KeyError, TypeError, ValueError):
                continue
            with self._lock:
                self._sessions[key] = session

    def wait_sec(self, address: str) -> float:
        """Return for how long this address may present no key; 0: it may."""
        now = self._clock()
        with self._lock:
            wrong = [at for at in self._wrong.get(address, ()) if now - at < TRY_SEC]
        return TRY_SEC - (now - wrong[-TRIES]) if len(wrong) >= TRIES else 0.0

    def note_wrong(self, address: str) -> None:
        """Remember that this address presented a wrong key or code."""
        now = self._clock()
        with self._lock:
            recent = [at for at in self._wrong.pop(address, ()) if now - at < TRY_SEC]
            self._wrong[address] = [*recent, now][-TRIES:]
            while len(self._wrong) > MAX_ADDRESSES:
                self._wrong.popitem(last=False)


def cookie_values(fields: Iterable[str], name: str) -> list[str]:
    """Return the values of one cookie in Cookie fields: a server at another port may have added some."""
    pairs = (pair.strip().partition("=") for field in fields for pair in field.split(";"))
    return [value for found, _, value in pairs if found == name][:MAX_VALUES]


def _crowding(grants: Mapping[bytes, Grant]) -> bytes:
    """Return the first entry of the key that has most of them: no key takes the places of others."""
    numbers = Counter(grant.key_name for grant in grants.values())
    most = max(numbers.values())
    return next(each for each, grant in grants.items() if numbers[grant.key_name] == most)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
