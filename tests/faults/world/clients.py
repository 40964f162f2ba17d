"""The clients of a schedule: threads that send its requests on real sockets and record every byte."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Optional

from teamclaude.demo.retry import Failure, next_retry
from teamclaude.fakeapi.message_threads import THREADS_BETA
from tests.faults.rules.answer_reader import AnswerReader, MalformedAnswerError
from tests.faults.rules.evidence import Seen
from tests.faults.schedules.plan import SPEED, Client, Leave, Request
from tests.faults.world.client_tls import ClientTls
from tests.faults.world.owned_ids import MAKERS, made_id, target_of
from tests.faults.world.request_bytes import (
    MALFORMED,
    OWN_TOKEN,
    TARGETS,
    body_of,
    chunks,
    first_write,
    method_of,
)

__all__ = ["ClientThread"]

PATIENCE_SEC = 8.0  # longer than any answer may take: the proxy must end every request before
LONGEST_PAUSE_SEC = 0.15
LAST_WAIT_SEC = 0.15
SLOW_BYTES = 20_000  # a slow reader reads this much of an answer slowly
_MESSAGE = re.compile(rb"msg_fake[0-9]+")
SPLIT_SEC = 0.003  # between two writes of a request: the proxy has read the first one by then


class ClientThread(threading.Thread):
    """Runs one Client of a schedule; `seen` has the outcome of each request."""

    def __init__(
        self,
        number: int,
        client: Client,
        port: int,
        keys: dict[str, str],
        start_at: float,
        tls: Optional[ClientTls] = None,
    ) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self._number, self._client, self._port = number, client, port
        self._key = keys[client.key]
        self._start_at = start_at
        self._tls = tls
        self._sock: Optional[socket.socket] = None
        self._used = False
        self._ahead = b""  # bytes of the next answer
        self._rested = False
        self._made = ""  # the last id it made
        self._previous = ""  # the last message of its thread
        self._rng = random.Random(f"client {number} {client.session}")
        self.seen: list[Seen] = []

    def run(self) -> None:
        _sleep_until(self._start_at + self._client.at)
        try:
            if self._client.pipelined:
                self._all_at_once()
            else:
                for number, request in enumerate(self._client.requests):
                    self._retry(number, request)
        finally:
            self._close()

    # --- requests ---------------------------------------------------------------------------------

    def _retry(self, number: int, request: Request) -> None:
        """Send one request, with the retries of Claude Code up to the client's `tries`."""
        time.sleep(request.pause)
        for tries in range(1, self._client.tries + 1):
            seen = self._once(f"t{self._number}.{number}.{tries}", request)
            failure = _failure(seen)
            if failure is None or seen.left_at is not None or tries == self._client.tries:
                return
            again = next_retry(
                failure, tries, subscription=self._client.subscription, model=request.model, rng=self._rng
            )
            if again is None or again.delay / SPEED > LONGEST_PAUSE_SEC:
                return
            time.sleep(again.delay / SPEED)

    def _once(self, tag: str, request: Request) -> Seen:
        seen = self._new_seen(tag, request)
        if request.fresh:
            self._close()
        seen.reused = self._used
        if not self._connect(request):
            seen.ended = "refused"
            return seen
        leave = request.leave or Leave("never", 0)
        data = self._request_bytes(tag, request, seen.body)
        if not self._send(seen, data, leave):
            return seen
        self._receive(seen, leave)
        if not seen.reader.stays or request.version == "1.0" or request.half:
            self._close()
        if request.kind in MAKERS:
            self._made = made_id(seen.reader.payload) or self._made
        if request.thread and seen.whole:
            # After a refusal the whole conversation is sent, as Claude Code does where a thread is unknown.
            found = _MESSAGE.search(seen.content)
            self._previous = found[0].decode() if found is not None else ""
        return seen

    def _all_at_once(self) -> None:
        """Send all requests in one write and read the answers in order."""
        requests = [request for request in self._client.requests if request.version == "1.1"]
        if not requests or not self._connect(requests[0]):
            return
        batch = [self._new_seen(f"t{self._number}.{n}.1", request) for n, request in enumerate(requests)]
        data = b"".join(self._request_bytes(seen.tag, seen.request, seen.body, ahead=True) for seen in batch)
        never = Leave("never", 0)
        for position, seen in enumerate(batch):
            seen.reused = position > 0
            if position == 0 and not self._send(seen, data, never):
                return
            seen.request_sent, seen.sent_at = True, batch[0].sent_at
            self._receive(seen, never)
            if not seen.reader.stays:
                # The requests behind it are lost (RFC 9112 9.3.2).
                del self.seen[self.seen.index(seen) + 1 :]
                return

    def _new_seen(self, tag: str, request: Request) -> Seen:
        reader = AnswerReader(method_of(request))
        size = request.size
        if request.sized == "request":
            size -= len(self._request_bytes(tag, request, bytes(size))) - size  # minus the head
        seen = Seen(
            tag,
            self._client,
            request,
            body_of(tag, request, size, self._previous),
            time.monotonic(),
            reader=reader,
        )
        self.seen.append(seen)
        return seen

    def _request_bytes(self, tag: str, request: Request, body: bytes, ahead: bool = False) -> bytes:
        # Requests without a readable body have their tag in the session header.
        by_body = request.kind in ("messages", "count", "huge") and not request.bad_json
        lines = [
            f"{method_of(request)} {self._path_of(request)} HTTP/{request.version}",
            f"Host: 127.0.0.1:{self._port}",
            f"x-teamclaude-key: {self._key}",
            f"Authorization: Bearer {OWN_TOKEN}",
        ]
        if self._client.session or not by_body:
            lines.append(f"X-Claude-Code-Session-Id: {self._client.session if by_body else tag}")
        if request.accepts is not None:
            lines.append(f"Accept-Encoding: {request.accepts}")
        if self._client.agent:
            lines.append(f"x-claude-code-agent-id: {self._client.agent}")
        if request.thread:
            lines.append(f"anthropic-beta: {THREADS_BETA}")
        if request.pin:
            lines.append(f"x-teamclaude-account: {request.pin}")
        chunked = bool(body) and request.chunked and request.version == "1.1"
        if request.malformed:
            lines.append(MALFORMED[request.malformed])
        elif body:
            lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
            asks_first = request.expects and request.version == "1.1" and not ahead
            lines += ["Expect: 100-continue"] if asks_first else []
        framed = chunks(body) if chunked else body
        return "\r\n".join([*lines, "", ""]).encode() + framed

    def _path_of(self, request: Request) -> str:
        return TARGETS.get(request.kind) or target_of(self._made)

    # --- the socket -------------------------------------------------------------------------------

    def _connect(self, request: Request) -> bool:
        if self._sock is not None:
            return True
        sock = socket.socket()
        if request.reads != "all":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE_SEC)
        try:
            sock.connect(("127.0.0.1", self._port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap(sock)
        except OSError:
            sock.close()
            return False
        self._sock, self._used, self._ahead = sock, False, b""
        return True

    def _send(self, seen: Seen, data: bytes, leave: Leave) -> bool:
        """Send; return False when the client left during it."""
        assert self._sock is not None
        self._used = True
        if leave.when == "request" and leave.n < len(data):
            with suppress(OSError):
                self._sock.sendall(data[: int(leave.n)])
            if seen.request.split:
                time.sleep(SPLIT_SEC)
            self._leave(seen, leave)
            return False
        try:
            if b"\r\nExpect:" in data:
                head, mark, data = data.partition(b"\r\n\r\n")
                self._sock.sendall(head + mark)
                self._await_continue(seen)
            first = first_write(data, seen)
            self._sock.sendall(data[:first])
            if first < len(data):
                time.sleep(SPLIT_SEC)
                self._sock.sendall(data[first:])
        except OSError:
            pass  # an answer may have arrived all the same
        else:
            seen.request_sent = True
            if seen.request.half:
                with suppress(OSError):
                    socket.socket.shutdown(self._sock, socket.SHUT_WR)  # below TLS: its reading goes on
        seen.sent_at = time.monotonic()
        return True

    def _await_continue(self, seen: Seen) -> None:
        assert self._sock is not None
        self._sock.settimeout(PATIENCE_SEC)
        with suppress(OSError):
            self._take(seen, self._sock.recv(65536))

    def _receive(self, seen: Seen, leave: Leave) -> None:
        """Read until the answer is complete, the connection ends, or the client leaves."""
        assert self._sock is not None
        leaves_at = _leaves_at(seen, leave)
        gives_up = time.monotonic() + PATIENCE_SEC
        if self._ahead:
            data, self._ahead = self._ahead, b""
            self._take(seen, data)
        while not seen.ended and not seen.reader.whole:
            left = min(leaves_at, gives_up) - time.monotonic()
            if left <= 0:
                if leaves_at > gives_up:
                    seen.ended = "silence"
                    self._close()
                else:
                    self._leave(seen, leave)
                return
            self._read_some(seen, left)
            if leave.when == "bytes" and len(seen.wire) >= leave.n:
                self._leave(seen, leave)
                return
        if seen.reader.whole:
            seen.ended = "whole" if not seen.ended or seen.ended == "fin" else seen.ended
            self._ahead = seen.reader.leftover

    def _read_some(self, seen: Seen, timeout: float) -> None:
        assert self._sock is not None
        reads = seen.request.reads
        slow = reads == "slow" and len(seen.wire) < SLOW_BYTES
        if slow:
            time.sleep(0.001)
        elif reads == "stuck" and seen.status and not self._rested:
            self._rested = True
            time.sleep(0.4)  # longer than the proxy waits for a reader
        self._sock.settimeout(timeout)
        try:
            data = self._sock.recv(150 if slow else 1 << 18)
        except socket.timeout:
            return
        except OSError:
            self._end(seen, "rst")
            return
        if data:
            self._take(seen, data)
        else:
            self._end(seen, "fin")

    def _take(self, seen: Seen, data: bytes) -> None:
        seen.last = time.monotonic()
        seen.wire += data
        try:
            seen.reader.feed(data)
        except MalformedAnswerError as nonsense:
            seen.nonsense = str(nonsense)
            self._end(seen, "nonsense")
        if seen.reader.begun:
            seen.first = seen.first or seen.last

    def _end(self, seen: Seen, how: str) -> None:
        seen.ended, seen.last = how, time.monotonic()
        seen.reader.end(how)
        self._close()

    def _leave(self, seen: Seen, leave: Leave) -> None:
        if self._sock is not None and leave.how == "rst":
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()
        seen.left_at, seen.ended = time.monotonic(), "left"

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._used = False


def _leaves_at(seen: Seen, leave: Leave) -> float:
    """Return when the client leaves at the latest, also if the bytes it waits for do not come."""
    if leave.when == "never":
        return float("inf")
    return seen.sent_at + (leave.n if leave.when == "time" else LAST_WAIT_SEC)


def _failure(seen: Seen) -> Optional[Failure]:
    """Return the failure of an attempt as Claude Code sees it; None: it succeeded."""
    if seen.whole and (seen.status >= 400 or (seen.request.stream and not seen.is_stream)):
        if seen.request.kind not in ("messages", "huge") and seen.status < 400:
            return None
        return Failure("answer", seen.status, dict(seen.reader.fields), bytes(seen.reader.payload))
    if not seen.whole:
        return Failure("cut" if seen.events else "network")
    if "error" in seen.events:
        return Failure("early" if "content_block_delta" not in seen.events else "late")
    return None


def _sleep_until(moment: float) -> None:
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)
