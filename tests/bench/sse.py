"""Event streams: an upstream that sends them, and a client that measures the delay of each event.

    python -m tests.bench.sse serve PORT
    python -m tests.bench.sse load PORT STREAMS EVENTS PER_SECOND [CA [HOST]]
                                              its figures as JSON; 0: unpaced; by TLS, through CONNECT HOST

A request that names no number of events gets one small JSON answer.  Every event carries the moment it was
sent; CLOCK_MONOTONIC is the same in all processes of a machine.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.bench.load import HEADERS, PATH, ROOT, body, session
from tests.bench.responder import MESSAGE

__all__ = ["Secure", "Streams", "command", "measure_streams", "open_tunnel"]

GRACE_SEC = 60.0
STARTING_PER_SEC = 400  # streams do not all begin in one instant
_WANTED = re.compile(rb"x-bench: (\d+)/([\d.]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_SENT = re.compile(rb'"sent":([\d.]+)')
_TEXT = "x" * 40
_BODY = json.dumps(MESSAGE).encode()
_SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class Streams(NamedTuple):
    """The result of the streams; times in milliseconds."""

    delay_p50: float
    delay_p99: float
    first_p99: float
    """From the request to the first event."""
    per_second: float
    """Events."""
    errors: int


class Secure(NamedTuple):
    """How the client's TLS is set up."""

    ca: Path
    tunnel_to: str = ""
    """The host that a CONNECT names; empty: the proxy itself is reached by TLS."""


def command(port: int) -> list[str]:
    return [sys.executable, "-m", "tests.bench.sse", "serve", str(port)]


def measure_streams(
    port: int, streams: int, events: int, per_second: float, secure: Secure | None = None
) -> Streams:
    words = [str(port), str(streams), str(events), str(per_second)]
    words += [str(secure.ca), secure.tunnel_to] if secure else []
    line = [sys.executable, "-m", "tests.bench.sse", "load", *words]
    limit = GRACE_SEC + (events / per_second if per_second else 0.0)
    out = subprocess.run(line, check=True, capture_output=True, text=True, timeout=limit, cwd=ROOT).stdout
    return Streams(*json.loads(out))


# --- the upstream -------------------------------------------------------------------------------------


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length, wanted = _LENGTH.search(head), _WANTED.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            if wanted is None:
                writer.write(_SMALL)
                continue
            events, rate = int(wanted[1]), float(wanted[2])
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            due = time.monotonic()
            for _ in range(events):
                writer.write(_event())
                due += 1 / rate if rate else 0.0
                await (asyncio.sleep(due - time.monotonic()) if rate else writer.drain())
            writer.write(_chunk(b'event: message_stop\ndata: {"type":"message_stop"}\n\n') + b"0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


def _event() -> bytes:
    delta = f'"delta":{{"type":"text_delta","text":"{_TEXT}"}},"sent":{time.monotonic():.6f}'
    data = f'{{"type":"content_block_delta","index":0,{delta}}}'
    return _chunk(f"event: content_block_delta\ndata: {data}\n\n".encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


# --- the client ---------------------------------------------------------------------------------------


class _Stream(asyncio.Protocol):
    """One request and the delays of its events."""

    def __init__(self, request: bytes, delays: list[float], done: asyncio.Future[None]) -> None:
        self._request, self._delays, self._done = request, delays, done
        self._began = 0.0
        self._tail = b""
        self.first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._began = time.monotonic()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._tail + data
        at = 0
        for found in _SENT.finditer(data):
            if found.end() < len(data):
                self.first = self.first or now - self._began
                self._delays.append(now - float(found[1]))
                at = found.end()
        self._tail = data[max(at, len(data) - 32) :]
        if b"0\r\n\r\n" in self._tail[-7:]:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("cut"))


def open_tunnel(port: int, host: str) -> socket.socket:
    """Return a connection through the proxy to `host`, for TLS."""
    sock = socket.create_connection(("127.0.0.1", port), 10.0)
    sock.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        answer += piece
        if not piece:
            raise ConnectionResetError("the proxy closed the tunnel")
    if b" 200 " not in answer[:16]:
        raise ConnectionError(answer.decode("latin-1"))
    sock.setblocking(False)
    return sock


async def _load(port: int, streams: int, events: int, rate: float, secure: Secure | None = None) -> Streams:
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(cafile=str(secure.ca)) if secure else None
    host = secure.tunnel_to if secure else ""
    delays: list[float] = []
    lines, ends, content = [], [], body()
    began = time.monotonic()
    for number in range(1, streams + 1):
        fields = {**HEADERS, "X-Claude-Code-Session-Id": session(number), "X-Bench": f"{events}/{rate}"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        length = f"Host: {host or f'127.0.0.1:{port}'}\r\nContent-Length: {len(content)}\r\n\r\n"
        request = f"POST {PATH} HTTP/1.1\r\n{head}{length}{content}".encode()
        end: asyncio.Future[None] = loop.create_future()
        factory = partial(_Stream, request, delays, end)
        if host:
            tunnel = await loop.run_in_executor(None, open_tunnel, port, host)
            _, stream = await loop.create_connection(factory, sock=tunnel, ssl=tls, server_hostname=host)
        else:
            _, stream = await loop.create_connection(factory, "127.0.0.1", port, ssl=tls)
        lines.append(stream)
        ends.append(end)
        await asyncio.sleep(max(0.0, began + number / STARTING_PER_SEC - time.monotonic()))
    errors = sum(result is not None for result in await asyncio.gather(*ends, return_exceptions=True))
    lasted = time.monotonic() - began
    # Unpaced, a proxy may put the events into other chunks, whose sizes then stand within them.
    missing = streams * events - len(delays) if rate else 0
    late, first = sorted(delays) or [0.0], sorted(line.first for line in lines)
    return Streams(
        1e3 * late[len(late) // 2],
        1e3 * late[len(late) * 99 // 100],
        1e3 * first[len(first) * 99 // 100],
        len(delays) / lasted,
        errors + missing,
    )


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(_serve(int(sys.argv[2])))
    else:
        numbers = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
        by = Secure(Path(sys.argv[6]), *sys.argv[7:]) if sys.argv[6:] else None
        print(json.dumps(asyncio.run(_load(*numbers, by))))
