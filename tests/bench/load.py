"""The load: small requests as Claude Code sends them, over connections that stay open.

Closed loop: each connection sends its next request when it has its answer.  So at one connection the latency
is what one request takes, at many it is what a proxy under full load makes each of them wait.

    python -m tests.bench.load PORT CONNECTIONS SECONDS PADDING PREFIX HEADERS
                                    the load of this file, its figures as JSON; the headers are JSON too
"""

from __future__ import annotations

import json
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Optional

from tests.bench.responder import message_end

if TYPE_CHECKING:
    from tests.bench.routes import Route

__all__ = ["HEADERS", "PATH", "Load", "body", "generator", "measure", "session"]

ROOT = Path(__file__).resolve().parents[2]
GRACE_SEC = 20.0
PATH = "/v1/messages?beta=true"
# The fields of Claude Code 2.1, in its order.
HEADERS = {
    "Accept": "application/json",
    "Authorization": "Bearer tc-FAKEproxykeyFAKEproxykey",
    "Content-Type": "application/json",
    "User-Agent": "claude-cli/2.1.330 (external, sdk-cli)",
    "X-Claude-Code-Session-Id": "{session}",
    "X-Stainless-Arch": "x64",
    "X-Stainless-Lang": "js",
    "X-Stainless-OS": "Linux",
    "X-Stainless-Package-Version": "0.128.0",
    "X-Stainless-Retry-Count": "0",
    "X-Stainless-Runtime": "node",
    "X-Stainless-Runtime-Version": "v26.12.1",
    "X-Stainless-Timeout": "600",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,effort-2025-11-24",
    "anthropic-dangerous-direct-browser-access": "true",
    "anthropic-version": "2023-06-01",
    "x-app": "cli",
    "Connection": "keep-alive",
    "Accept-Encoding": "gzip, deflate, br, zstd",
}


class Load(NamedTuple):
    """The result of a load; percentiles of the latency are in microseconds."""

    p50: float
    p99: float
    per_second: float
    errors: int
    switches: Optional[float] = None
    """Context switches of the server for each request."""


def generator() -> str:
    """Return the name of the program that makes the load."""
    return "wrk" if shutil.which("wrk") else "Python"


def measure(
    route: Route, connections: int, seconds: float, padding: int = 0, keep_sessions: bool = False
) -> Load:
    """Put load on a route from a separate process; `padding` bytes are added to each body.

    `keep_sessions`: each connection has a session of its own, as clients do.  wrk takes the sessions in turn:
    where answers overtake others, its connections change theirs.
    """
    put = _wrk if shutil.which("wrk") and not keep_sessions else _python
    with ThreadPoolExecutor(1) as beside:
        counted = beside.submit(route.server.switches_per_sec, 0.2 * seconds, 0.6 * seconds)
        load = put(route, connections, seconds, padding)
    switches = counted.result()
    return load._replace(switches=switches / load.per_second if switches and load.per_second else None)


def body(padding: int = 0) -> str:
    """Return a body as Claude Code writes it: its quota probe, or a turn if there is `padding`."""
    metadata = {"user_id": json.dumps({"device_id": "0" * 64, "account_uuid": "", "session_id": "s"})}
    model, user = "claude-opus-4-8", {"role": "user", "content": "quota" + "x" * padding}
    if not padding:
        return json.dumps({"model": model, "max_tokens": 1, "messages": [user], "metadata": metadata})
    caching = {"type": "ephemeral", "ttl": "1h"}
    turn = {
        "model": model,
        "messages": [user],
        "system": [{"type": "text", "text": "You are a test.", "cache_control": caching}],
        "tools": [],
        "metadata": metadata,
        "max_tokens": 128000,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "stream": True,
    }
    return json.dumps(turn)


def session(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


# --- wrk --------------------------------------------------------------------------------------------

LUA = """
local requests, at = {}, 0
init = function()
  for number = 1, %(connections)d do
    local headers = {%(headers)s}
    headers["X-Claude-Code-Session-Id"] = string.format("00000000-0000-4000-8000-%%012d", number)
    requests[number] = wrk.format("POST", "%(path)s", headers, [[%(body)s]])
  end
end
request = function()
  at = at %% #requests + 1
  return requests[at]
end
done = function(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  local rate = summary.requests / (summary.duration / 1e6)
  io.write(string.format("FIGURES [%%f, %%f, %%f, %%d]\\n",
    latency:percentile(50), latency:percentile(99), rate, errors))
end
"""


def _wrk(route: Route, connections: int, seconds: float, padding: int) -> Load:
    fields = ", ".join(f'["{name}"] = "{value}"' for name, value in {**HEADERS, **route.headers}.items())
    path = route.prefix + PATH
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "load.lua"
        words = {"connections": connections, "headers": fields, "path": path, "body": body(padding)}
        script.write_text(LUA % words)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script)]
        out = _output([*command, f"{route.scheme}://127.0.0.1:{route.port}/"], seconds)
    line = next(line for line in out.splitlines() if line.startswith("FIGURES "))
    return Load(*json.loads(line[len("FIGURES ") :]))


# --- without wrk ------------------------------------------------------------------------------------


def _python(route: Route, connections: int, seconds: float, padding: int) -> Load:
    words = [
        str(route.port),
        str(connections),
        str(seconds),
        str(padding),
        route.prefix,
        json.dumps(dict(route.headers)),
    ]
    return Load(*json.loads(_output([sys.executable, "-m", "tests.bench.load", *words], seconds)))


def _output(command: list[str], seconds: float) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=seconds + GRACE_SEC, cwd=ROOT
    ).stdout


class _Line:
    """One connection: the request it repeats, and the received part of the answer."""

    def __init__(self, port: int, number: int, path: str, more: dict[str, str], content: str) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fields = {**HEADERS, **more, "X-Claude-Code-Session-Id": session(number)}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        lines += [f"Host: 127.0.0.1:{port}", f"Content-Length: {len(content)}", "", content]
        self._request = "\r\n".join(lines).encode()
        self._answer = b""
        self._sent = 0.0

    def send(self) -> None:
        self._answer = b""
        self._sent = time.perf_counter()
        self.sock.sendall(self._request)

    def receive(self) -> float | None:
        """Return the seconds of a complete answer, a negative number for an error, else None."""
        data = self.sock.recv(65536)
        self._answer += data
        if data and message_end(self._answer) < 0:
            return None
        lasted = time.perf_counter() - self._sent
        return lasted if self._answer.startswith(b"HTTP/1.1 200 ") else -lasted


def _load(
    port: int, connections: int, seconds: float, padding: int, prefix: str, more: dict[str, str]
) -> Load:
    waiting = selectors.DefaultSelector()
    content = body(padding)
    for number in range(1, connections + 1):
        line = _Line(port, number, prefix + PATH, more, content)
        waiting.register(line.sock, selectors.EVENT_READ, line)
        line.send()
    took: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for key, _ in waiting.select(1.0):
            lasted = key.data.receive()
            if lasted is not None:
                took.append(lasted)
                key.data.send()
    lasting = time.perf_counter() - began
    good = sorted(1e6 * each for each in took if each >= 0) or [0.0]
    rank = len(good) - 1
    return Load(good[rank // 2], good[rank * 99 // 100], len(took) / lasting, sum(each < 0 for each in took))


if __name__ == "__main__":
    port, connections, seconds, padding, prefix, more = sys.argv[1:]
    figures = _load(int(port), int(connections), float(seconds), int(padding), prefix, json.loads(more))
    print(json.dumps(figures))
