"""A server that speaks to the page as the proxy does, with rows of the test's own making."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

from teamclaude.web.document import page_document
from tests.web.in_browser.example_page import State, example_state, quota_readings, usage_report

Answer = tuple[int, Any]


class StubServer:
    """Serve the page, its events and the endpoints it asks.  `posts` has what was ordered."""

    def __init__(self, state: Optional[State] = None, port: int = 0) -> None:
        self.now = int(time.time() * 1000)
        self.state: State = example_state(self.now) if state is None else state
        self.posts: list[tuple[str, Any]] = []
        self.asked: list[str] = []  # paths with query
        self.answers: dict[str, Answer] = {}  # by path, before the built-in ones
        self.signed_in = True
        self._viewers: list[queue.Queue[Optional[bytes]]] = []
        self._lock = threading.Lock()
        stub = self

        class Handler(_Handler):
            server_of_stub = stub

        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a page that was left
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def put(self, section: str, key: str, row: Optional[Mapping[str, Any]]) -> None:
        """Change one row, None: remove it, and tell the pages."""
        self.send({section: {key: row}})

    def send(self, delta: Mapping[str, Mapping[str, Optional[Mapping[str, Any]]]]) -> None:
        for section, rows in delta.items():
            held = self.state.setdefault(section, {})
            for key, row in rows.items():
                if row is None:
                    held.pop(key, None)
                else:
                    held[key] = dict(row)
        self._tell(_event("delta", delta))

    def send_raw(self, data: bytes) -> None:
        self._tell(data)

    def _tell(self, data: Optional[bytes]) -> None:
        with self._lock:
            for viewer in self._viewers:
                viewer.put(data)

    def open_viewer(self) -> queue.Queue[Optional[bytes]]:
        viewer: queue.Queue[Optional[bytes]] = queue.Queue()
        with self._lock:
            self._viewers.append(viewer)
        viewer.put(_event("full", self.state))
        return viewer

    def drop_viewers(self) -> None:
        """Cut the event streams, as a restart does."""
        self._tell(None)
        with self._lock:
            self._viewers.clear()

    def close(self) -> None:
        self.drop_viewers()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if path in self.answers:
            return self.answers[path]
        if method == "POST":
            if path == "/teamclaude/page/session":
                self.signed_in = body in ({"key": "right"}, {"code": "once"})
                return (
                    (200, {})
                    if self.signed_in
                    else (403, {"error": {"message": "this is no key of this proxy"}})
                )
            self.posts.append((path, body))
            return 200, {}
        if method == "DELETE":
            self.signed_in = False
            return 200, {"role": None}
        if not self.signed_in:
            return 401, {"error": {"message": "sign in"}}
        if path == "/teamclaude/usage":
            step, _, by = query["by"].partition(",")
            return 200, usage_report(self.now, step, by)
        if path == "/teamclaude/history/quota":
            return 200, quota_readings(self.now)
        if path == "/teamclaude/switch-price":
            return 200, {"conversations": 4, "tokens": 310_000, "cost": 1.94, "estimated": False}
        if path.endswith("/explain") or path.startswith("/teamclaude/explain/"):
            return 200, _decision()
        return (200, {}) if path == "/teamclaude/page/session" else (404, {"error": {"message": "not found"}})


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0: a connection that is kept would reach the threads of a server that was closed.
    server_of_stub: StubServer

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        stub = self.server_of_stub
        parts = urlsplit(self.path)
        stub.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if parts.path == "/":
            document = page_document()
            return self._send(200, document.body, "text/html; charset=utf-8", dict(document.headers))
        if parts.path == "/teamclaude/page/events" and stub.signed_in and parts.path not in stub.answers:
            return self._stream(stub)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        status, value = stub.answer(method, parts.path, query, json.loads(body) if body else None)
        return self._send(status, json.dumps(value).encode(), "application/json", {})

    def _send(self, status: int, body: bytes, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, stub: StubServer) -> None:
        viewer = stub.open_viewer()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        for data in iter(viewer.get, None):
            try:
                self.wfile.write(data)
            except OSError:
                return

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _event(kind: str, value: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode("ascii")


def _decision() -> dict[str, Any]:
    excluded = [
        {"account": "bob@example.com", "rule": "5h window", "detail": "93 % used"},
        {"account": "carol@example.com", "rule": "benched", "detail": "429 until 16:42"},
    ]
    decision = {"account": "alice@example.com", "reason": "kept", "detail": "its prompt cache is warm",
                "excluded": excluded}  # fmt: skip
    attempt = {"account": "alice@example.com", "status": 200, "note": "", "decision": decision}
    return {"request": "tc-1", "outcome": "served", "attempts": [attempt], "waits": [], "note": None}
