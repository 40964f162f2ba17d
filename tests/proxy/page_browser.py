"""A browser with the page, as the tests of the page's access need it, and keys of each role."""

from __future__ import annotations

import json
from typing import Any, Optional

KEY = "tc-test-key-000000000000000000000000"
OBSERVER = "tc-observer-FAKE-0000000000000000000"
CLIENT = "tc-client-FAKE-000000000000000000000"
CLIENTS = [
    {"name": "olga", "key": OBSERVER, "role": "observer"},
    {"name": "carl", "key": CLIENT},
]
LOGIN, SESSION, EVENTS = "/teamclaude/page/login", "/teamclaude/page/session", "/teamclaude/page/events"
STATUS, SWITCH = "/teamclaude/status", "/teamclaude/switch"


class Browser:
    """What a page in a browser sends: no key, its origin, and the cookies of the host."""

    def __init__(self, s: Any, host: str = "127.0.0.1") -> None:
        self._s = s
        self.host = f"{host}:{s.service.port}"
        self.cookies: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None, **changes: Optional[str]) -> Any:
        """Send a call of our own page; `changes` replace its header fields, None leaves one out."""
        fields: dict[str, Optional[str]] = {
            "Host": self.host,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()) or None,
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
        }
        if method not in ("GET", "HEAD"):
            fields.update({"Origin": f"http://{self.host}", "x-teamclaude-page": "1"})
        fields.update({name.replace("_", "-"): value for name, value in changes.items()})
        data = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in fields.items() if value),
        ]
        lines += [f"Content-Length: {len(data)}"] if body is not None else []
        raw = self._s.raw().send("\r\n".join([*lines, "", ""]).encode("latin-1") + data)
        answer = raw.answer(head_only=method == "HEAD")
        found = answer.headers.get("set-cookie", "").partition(";")[0].partition("=")
        if found[0]:
            self.cookies[found[0]] = found[2]
        return answer

    def sign_in(self, **secret: str) -> Any:
        return self.call("POST", SESSION, secret)


def code_of(s: Any, role: str = "operator", key: str = KEY, **more: Any) -> str:
    reply = s.send("POST", LOGIN, {"role": role, **more}, {"x-teamclaude-key": key})
    assert reply.status == 200, reply.body
    return str(reply.json()["code"])
