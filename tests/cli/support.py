"""What the tests of the commands share: accounts, and a scripted stand-in for the running proxy."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from teamclaude.lab.traffic import synthetic_sessions
from tests.ports import free_port as free_port

KEY = "tc-FAKEproxykeyFAKEproxykey"
ALICE = {"name": "alice@example.com", "type": "oauth", "accessToken": "sk-ant-oat01-FAKE-alice"}
BOB = {"name": "bob", "type": "oauth", "accessToken": "sk-ant-oat01-FAKE-bob"}
# A credentials file in which Claude Code finds a login.
CLAUDE_LOGIN = '{"claudeAiOauth": {"accessToken": "sk-ant-oat01-FAKE", "scopes": ["user:inference"]}}'
PAID = {"name": "paid", "type": "apikey", "apiKey": "sk-ant-api03-FAKE-paid"}


def short_sessions(path: Path) -> Path:
    """Write a few short sessions for the lab, which plays a week of them in a tenth of a second."""
    lines = []
    for session in synthetic_sessions(12, 7):
        rows, now = [], 0.0
        for each in session.requests[:12]:
            now += each.gap
            rows.append([now, *each[1:]])
            now += each.duration
        lines.append(json.dumps({"id": session.id, "requests": rows}) + "\n")
    path.write_text("".join(lines))
    return path


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Asked(NamedTuple):
    """A request the stub got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Stub:
    """A stand-in for the running proxy: answers as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.checks: list[Asked] = []  # of who answers, without a key
        self.answers: dict[str, tuple[int, Any]] = {
            "GET /health": (200, {"status": "ok", "service": "teamclaude", "version": "0.1.0"})
        }
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(size)
                headers = {name.lower(): value for name, value in self.headers.items()}
                is_check = self.path == "/health" and "x-teamclaude-key" not in headers
                (stub.checks if is_check else stub.asked).append(
                    Asked(self.command, self.path, headers, body)
                )
                status, value = stub.answers.get(
                    f"{self.command} {self.path}", (404, {"error": {"message": f"no {self.path} here"}})
                )
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-Stub", "yes")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def accounts_in(path: Path) -> dict[str, dict[str, Any]]:
    """The accounts of a config file by name."""
    return {account["name"]: account for account in json.loads(path.read_text())["accounts"]}


def failed(ended: Ended, file: Path) -> str:
    """The last line of a command that did not work; no account was written."""
    assert ended.status == 1
    assert accounts_in(file) == {}
    line = ended.err.splitlines()[-1]
    assert line.startswith("teamclaude: ")
    assert "Traceback" not in ended.err
    return line
