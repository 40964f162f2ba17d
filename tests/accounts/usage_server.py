"""What stands for the usage endpoint in tests."""

from __future__ import annotations

import http.server
import threading
from contextlib import suppress
from typing import Any

from teamclaude.accounts.config.config import OAuthConfig


class UsageServer:
    """A usage endpoint on loopback with one answer for every request; `seen` are the requests that came."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 200, {}, b'{"five_hour":null}'  # type: ignore[var-annotated]
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()
        self.silent = False
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.seen.append((self.path, {name.lower(): v for name, v in self.headers.items()}))
                if endpoint.silent:
                    endpoint.released.wait(10)
                    return
                self.send_response(endpoint.status)
                for name, value in endpoint.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(endpoint.body)))
                self.end_headers()
                self.wfile.write(endpoint.body)

            def log_message(self, *args: Any) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError):  # the client has left
                    super().handle()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def oauth(self) -> OAuthConfig:
        port = self.server.server_address[1]
        return OAuthConfig(usage_url=f"http://127.0.0.1:{port}/api/oauth/usage", user_agent="us/1")

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
