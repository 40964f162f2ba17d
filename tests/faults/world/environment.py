"""What a world stands on: the fake APIs with their troubles, and the config file that names the accounts."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Optional

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.faults.schedules.plan import SPEED, PlannedAccount, Schedule, Trouble
from tests.faults.world.watched_api import FastClock, NotHttpServer, WatchedApi

__all__ = ["KEY", "Environment", "token"]

KEY = "tc-world-FAKE-key-000000000000000000000"
TOKEN_PATH = "/v1/oauth/token"
FAR_SEC = 80_000_000.0


def token(member: str, version: int = 1) -> str:
    return f"sk-ant-oat01-FAKE-{member}-v{version}"


def refresh_token(member: str) -> str:
    return f"sk-ant-ort01-FAKE-{member}-v1"


class Environment:
    """Made before the proxy, ended after it; `secrets` are the credentials in use, with their owners."""

    def __init__(self, schedule: Schedule, home: Path, clock: FastClock) -> None:
        self._schedule, self._home, self._clock = schedule, home, clock
        self._versions = {member.name: 1 for member in schedule.accounts}
        self._gone: dict[str, Any] = {}  # rows of accounts that were removed
        self.path = home / "teamclaude.json"
        self.secrets: dict[str, str] = {}
        self._not_http = NotHttpServer()
        self.apis = self._make_apis()

    def __enter__(self) -> Environment:
        for api in self.apis.values():
            api.start()
        self._write_config()
        return self

    def __exit__(self, *problem: object) -> None:
        for api in self.apis.values():
            api.stop()
        self._not_http.close()

    @property
    def log_home(self) -> Path:
        return self._home / "log"

    # --- the APIs ---------------------------------------------------------------------------------

    def api_of(self, name: Optional[str]) -> WatchedApi:
        """The API that knows the account."""
        own = (member.name for member in self._schedule.accounts if member.upstream == "own")
        return self.apis["own" if name in own else "main"]

    def _make_apis(self) -> dict[str, WatchedApi]:
        homes: dict[str, list[FakeAccount]] = {"main": []}
        for member in self._schedule.accounts:
            account = FakeAccount(member.name, token(member.name), member.kind)
            if member.refresh:
                account.issue_token(token(member.name, 2))
            homes.setdefault("own" if member.upstream == "own" else "main", []).append(account)
        apis = {
            name: WatchedApi(name, accounts, self._clock, first_number=1 + 1_000_000 * (name == "own"))
            for name, accounts in homes.items()
        }
        self.apis = apis
        for member in self._schedule.accounts:
            if member.refresh:
                self._script_token_endpoint(member)
        for trouble in self._schedule.troubles:
            self._script_trouble(trouble)
        return apis

    def _script_trouble(self, trouble: Trouble) -> None:
        script = self.api_of(trouble.account).script
        rule: dict[str, Any] = {"account": trouble.account, "path": trouble.path, "nth": trouble.nth}
        model = f'"{trouble.model}"'.encode() if trouble.model else b""
        # The token endpoint has troubles of its own.
        rule["when"] = lambda asked: asked.path != TOKEN_PATH and model in asked.body
        if trouble.fault.on_accept:
            script.times(trouble.count or 1, trouble.fault)
        elif trouble.count is None:
            script.always(trouble.fault, **rule)
        else:
            script.times(trouble.count, trouble.fault, **rule)

    def _script_token_endpoint(self, member: PlannedAccount) -> None:
        """How the token endpoint treats the one refresh token of an account."""
        secret = refresh_token(member.name).encode()
        grant = {
            "access_token": token(member.name, 2),
            "refresh_token": f"sk-ant-ort01-FAKE-{member.name}-v2",
            "expires_in": int(FAR_SEC),
        }
        for text in (*list(grant.values())[:2], secret.decode()):
            self.secrets[str(text)] = member.name
        good = Fault.status(200, body=json.dumps(grant).encode())
        answers = {
            "works": good,
            "slow": good.with_changes(before_head=0.05 * SPEED),
            "refused": Fault.status(400, body=b'{"error":"invalid_grant"}'),
            "busy": Fault.status(429, retry_after=1),
            "lost": Fault.no_head("rst"),
        }
        script = self.apis["main"].script
        script.always(answers[member.refresh], path=TOKEN_PATH, when=lambda asked: secret in asked.body)

    # --- the config file ----------------------------------------------------------------------------

    def _write_config(self) -> None:
        config = dict(self._schedule.config)
        proxy = {"host": "127.0.0.1", "port": 0, "apiKey": KEY, "maxBodyMiB": 1, **config.pop("proxy", {})}
        if config.get("logRequests"):
            # The clock is set about: by it every file may be too old to keep.
            config.update(logDir=str(self.log_home), logRetentionHours=0)
        document = {
            "proxy": proxy,
            "upstream": self.apis["main"].url,
            "oauth": {"tokenUrl": self.apis["main"].url + TOKEN_PATH},
            **config,
            "accounts": [self._row(member) for member in self._schedule.accounts],
        }
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(document, file)

    def _row(self, member: PlannedAccount) -> dict[str, Any]:
        secret = token(member.name)
        self.secrets[secret] = member.name
        row: dict[str, Any] = {
            "name": member.name,
            "type": member.kind,
            "priority": member.priority,
            "disabled": member.disabled,
        }
        if member.kind == "apikey":
            row.update(apiKey=secret, lastResort=member.last_resort)
        else:
            left = {"": FAR_SEC, "soon": 100.0, "past": -10.0}[member.expires]
            row.update(accessToken=secret, expiresAt=round((self._clock() + left) * 1000))
        if member.refresh:
            row["refreshToken"] = refresh_token(member.name)
        if member.upstream:
            row["upstream"] = self._upstream(member.upstream)
        return row

    def _upstream(self, where: str) -> str:
        if where == "own":
            return self.apis["own"].url
        if where == "babble":
            return f"https://127.0.0.1:{self._not_http.port}"
        return "http://nobody.invalid" if where == "nowhere" else f"http://127.0.0.1:{_free_port()}"

    def change_file(self, what: str, name: str = "") -> None:
        """Edit the file as the commands do: remove, add or renew an account; anything else touches it."""
        if what == "renew":
            self._versions[name] = 3
            self.secrets[token(name, 3)] = name
            self.api_of(name).endpoints.change(name, lambda a, now: a.issue_token(token(name, 3)))
        if what in ("remove", "add", "renew"):
            ConfigFile(self.path, lambda line: None).update(lambda raw: self._edit(raw, what, name))
        else:
            os.utime(self.path, (time.time(), time.time()))

    def _edit(self, raw: dict[str, Any], what: str, name: str) -> None:
        rows = raw["accounts"]
        row = next((row for row in rows if row["name"] == name), None)
        if what == "remove" and row is not None:
            self._gone[name] = row
            rows.remove(row)
        elif what == "add" and row is None:
            rows.append(self._gone[name])
        elif what == "renew" and row is not None:
            row["apiKey" if row["type"] == "apikey" else "accessToken"] = token(name, 3)
            row.pop("refreshToken", None)
            if row["type"] == "oauth":
                row["expiresAt"] = round((self._clock() + FAR_SEC) * 1000)


def _free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
