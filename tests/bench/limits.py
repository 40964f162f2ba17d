"""Measure the proxy at its limits: `make bench-limits` prints one table.

Each row is a load that ends by itself, on a proxy of its own: memory under large bodies, and who still gets
in when descriptors, connections or threads run out.  Loopback only; about a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import socketserver
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Optional

from teamclaude.proxy.net.peer_user import Address, same_user
from tests.bench.load import ROOT
from tests.bench.responder import MESSAGE
from tests.bench.servers import KEY, Server, free_port

FAR = 4_102_444_800_000
CLIENT_KEY = "tc-FAKEclientkeyFAKEclientkey"
NOBODY = 65534
PATIENCE_SEC = 15.0
# Takes `descriptors:processes:uid` upon itself (0: as it is) and becomes the program.
LAUNCH = """
import os, resource, sys
files, processes, uid = map(int, sys.argv[1].split(":"))
if files: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
if processes: resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
if uid: os.setgroups([]); os.setgid(uid); os.setuid(uid)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class Row(NamedTuple):
    what: str
    found: str


class _Upstream(socketserver.ThreadingTCPServer):
    """Read a request to its end, wait, answer."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, delay: float) -> None:
        self.delay = delay
        super().__init__(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *about: object) -> None:
        self.shutdown()
        self.server_close()


class _Answer(socketserver.StreamRequestHandler):
    server: _Upstream

    def handle(self) -> None:
        with suppress(OSError):
            while self._serve():
                pass

    def _serve(self) -> bool:
        length = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while length > 0:
            data = self.rfile.read1(min(length, 1 << 20))
            if not data:
                return False
            length -= len(data)
        if not line:
            return False
        time.sleep(self.server.delay)
        body = json.dumps(MESSAGE).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)
        return True


@contextmanager
def proxy(
    delay: float = 0.0,
    limits: tuple[int, int, int] = (0, 0, 0),
    inflight: int = 5,
    python: str = sys.executable,
    **more: Any,
) -> Iterator[Server]:
    """Start the proxy as a user does, with an upstream that answers after `delay` seconds."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        home = Path(name)
        api = running.enter_context(_Upstream(delay))
        port = free_port()
        account = {"name": "a", "type": "oauth", "accessToken": "sk-ant-oat01-FAKE", "expiresAt": FAR}
        keys = [{"name": "one", "key": CLIENT_KEY, "maxInflight": 1}]
        entrance = {"host": "127.0.0.1", "port": port, "apiKey": KEY, "clients": keys, "maxBodyMiB": 64}
        document = {
            "proxy": {**entrance, **more},
            "upstream": f"http://127.0.0.1:{api.server_address[1]}",
            "accounts": [account],
            "maxInflightPerAccount": inflight,
        }
        config = home / "teamclaude.json"
        config.write_text(json.dumps(document))
        config.chmod(0o600)
        if limits[2]:
            os.chown(home, limits[2], limits[2])
            os.chown(config, limits[2], limits[2])
        env = {"PATH": os.environ.get("PATH", ""), "HOME": name, "PYTHONPATH": str(ROOT)}
        env["TEAMCLAUDE_CONFIG"] = str(config)
        command = [python, "-c", LAUNCH, ":".join(map(str, limits))]
        command += ["-m", "teamclaude", "server", "--headless"]
        yield running.enter_context(Server(command, port, "/health", env=env))


def ask(
    port: int,
    size: int = 2,
    key: Optional[str] = KEY,
    path: str = "/v1/messages",
    sock: Optional[socket.socket] = None,
    patience: float = PATIENCE_SEC,
) -> str:
    """Send a request with a body of `size` bytes; return the status, or what happened instead."""
    try:
        sock = sock or socket.create_connection(("127.0.0.1", port), patience)
        sock.settimeout(patience)
        with closing(sock):
            own = f"x-teamclaude-key: {key}\r\n" if key else ""
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{own}Content-Length: {size}\r\n\r\n"
            with suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(head.encode())
                piece = b"{}".ljust(min(size, 1 << 20))
                for at in range(0, size, len(piece)):
                    sock.sendall(piece[: size - at])
            return sock.recv(4096)[9:12].decode() or "closed"
    except socket.timeout:
        return "silence"
    except OSError as error:
        return type(error).__name__


def together(count: int, work: Callable[[], str]) -> str:
    """Run `count` requests at once; return the statuses as `19 × 429, 1 × 200`."""
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_SEC)
    return ", ".join(f"{n} × {what}" for what, n in Counter(found).most_common())


# --- bodies -----------------------------------------------------------------------------------------


def limited_client() -> Row:
    with proxy(delay=2.0) as server:
        came = together(20, lambda: ask(server.port, 60_000_000, CLIENT_KEY))
        return Row("20 uploads of 60 MB by a client with maxInflight 1", f"{server.peak_mb:.0f} MB; {came}")


def held(**more: Any) -> Row:
    with proxy(delay=12.0, inflight=1, **more) as server:
        came = together(20, lambda: ask(server.port, 30_000_000, patience=14.0))
        limit = f", maxBodiesMiB {more['maxBodiesMiB']}" if more else ""
        return Row(f"20 held requests of 30 MB{limit}", f"{server.peak_mb:.0f} MB; {came}")


def file_upload() -> Row:
    with proxy() as server:
        came = ask(server.port, 300_000_000, path="/v1/files")
        return Row("upload of 300 MB to /v1/files", f"{server.peak_mb:.0f} MB; {came}")


def announced() -> Row:
    """Announce bodies and send nothing of them; measure another request meanwhile."""
    with proxy() as server, ExitStack() as open_ones:
        for _ in range(40):
            sock = open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
            head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nx-teamclaude-key: {KEY}\r\n"
            sock.sendall(f"{head}Content-Length: 60000000\r\n\r\n".encode())
        time.sleep(0.5)
        began = time.perf_counter()
        came = ask(server.port, 1_000_000)
        took = time.perf_counter() - began
        return Row("40 × 60 MB announced, none sent; then 1 MB", f"{came} after {took:.2f} s")


# --- who gets in --------------------------------------------------------------------------------------


def no_descriptors() -> Row:
    """Use up all descriptors, then send a request over the oldest connection and over a new one."""
    with proxy(limits=(64, 0, 0)) as server, ExitStack() as open_ones:
        first = socket.create_connection(("127.0.0.1", server.port), 5)
        for _ in range(80):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
        time.sleep(0.5)
        came = ask(server.port, key=None, sock=first, path="/v1/messages/count_tokens")
        then = ask(server.port, key=None, path="/v1/messages/count_tokens", patience=5.0)
        return Row("64 descriptors, 80 idle connections: the owner without a key", f"{came}, then {then}")


def strangers() -> Row:
    with proxy(limits=(256, 0, 0)) as server, ExitStack() as open_ones:
        for _ in range(300):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), 5))
        time.sleep(0.5)
        began = time.perf_counter()
        came = ask(server.port, key=None, patience=10.0)
        took = time.perf_counter() - began
        return Row("256 descriptors, 300 idle keyless connections: another", f"{came} after {took:.2f} s")


def no_threads() -> Row:
    title = "16 threads, 40 requests at once"
    python = shutil.which("python3", path="/usr/bin:/bin")  # one that every user may run
    if os.geteuid() != 0 or python is None:
        return Row(title, "not measured: root is never out of threads, and only root can be another user")
    with proxy(delay=3.0, limits=(0, 16, NOBODY), inflight=100, python=python) as server:
        came = together(40, lambda: ask(server.port, 100_000, patience=10.0))
        return Row(title, came)


# --- the owner of a peer ------------------------------------------------------------------------------


def lookups() -> Iterator[Row]:
    with ExitStack() as open_ones:
        server = open_ones.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        pairs = []
        for _ in range(500):
            client = open_ones.enter_context(socket.create_connection(server.getsockname()))
            accepted = open_ones.enter_context(server.accept()[0])
            pairs.append((Address(*accepted.getsockname()), Address(*client.getsockname())))
        took, answers = [], Counter[Optional[bool]]()
        for local, peer in pairs:
            began = time.perf_counter()
            answers[same_user(local, peer)] += 1
            took.append(time.perf_counter() - began)
        took.sort()
        p50, p99 = 1e3 * took[len(took) // 2], 1e3 * took[len(took) * 99 // 100]
        yield Row(
            "whose peer it is, at 1,000 sockets", f"p50 {p50:.3f} ms, p99 {p99:.3f} ms; {dict(answers)}"
        )
        began = time.perf_counter()
        threads = [threading.Thread(target=same_user, args=pair) for pair in pairs[:100]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        each = 1e3 * (time.perf_counter() - began) / len(threads)
        yield Row("the same by 100 threads at once, each", f"{each:.3f} ms")


def rows() -> Iterator[Row]:
    yield limited_client()
    yield held()
    yield held(maxBodiesMiB=256)
    yield file_upload()
    yield announced()
    yield no_descriptors()
    yield strangers()
    yield no_threads()
    yield from lookups()


def main() -> int:
    found = []
    for row in rows():
        found.append(row)
        print(f"{row.what}: {row.found}", file=sys.stderr)
    print("\n| load | outcome |\n|---|---|")
    for row in found:
        print(f"| {row.what} | {row.found} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
