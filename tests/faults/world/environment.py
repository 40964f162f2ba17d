"""The environment of one run: the fake APIs with their troubles, and the config file of the proxy."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Optional

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from tests.faults.schedules.plan import SPEED, PlannedAccount, Schedule, Trouble
from tests.faults.world.client_tls import ClientTls
from tests.faults.world.watched_api import FastClock, NotHttpServer, WatchedApi
from tests.ports import free_port

__all__ = ["KEY", "Environment", "token"]

KEY = "tc-world-FAKE-key-000000000000000000000"
TOKEN_PATH = "/v1/oauth/token"
FAR_SEC = 80_000_000.0


def token(account: str, version: int = 1) -> str:
    return f"sk-ant-oat01-FAKE-{account}-v{version}"


def refresh_token(account: str) -> str:
    return f"sk-ant-ort01-FAKE-{account}-v1"


class Environment:
    """Starts before the proxy and ends after it; `secrets` maps the credentials in use to their owners."""

    def __init__(
        self, schedule: Schedule, home: Path, clock: FastClock, tls: Optional[ClientTls] = None
    ) -> None:
        self._tls = tls
        self._schedule, self._home, self._clock = schedule, home, clock
        self._versions = {planned.name: 1 for planned in schedule.accounts}
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
        """Return the API that knows the account."""
        own = [planned.name for planned in self._schedule.accounts if planned.upstream == "own"]
        return self.apis["own" if name in own else "main"]

    def _make_apis(self) -> dict[str, WatchedApi]:
        homes: dict[str, list[FakeAccount]] = {"main": []}
        for planned in self._schedule.accounts:
            account = FakeAccount(planned.name, token(planned.name), planned.kind)
            if planned.refresh:
                account.issue_token(token(planned.name, 2))
            homes.setdefault("own" if planned.upstream == "own" else "main", []).append(account)
        apis = {
            name: WatchedApi(name, accounts, self._clock, first_number=1 + 1_000_000 * (name == "own"))
            for name, accounts in homes.items()
        }
        self.apis = apis
        for planned in self._schedule.accounts:
            if planned.refresh:
                self._script_token_endpoint(planned)
        for trouble in self._schedule.troubles:
            self._script_trouble(trouble)
        return apis

    def _script_trouble(self, trouble: Trouble) -> None:
        script = self.api_of(trouble.account).script
        rule: dict[str, Any] = {"account": trouble.account, "path": trouble.path, "nth": trouble.nth}
        model = f'"{trouble.model}"'.encode() if trouble.model else b""
        # The token endpoint has faults of its own.
        rule["when"] = lambda asked: asked.path != TOKEN_PATH and model in asked.body
        if trouble.fault.on_accept:
            script.times(trouble.count or 1, trouble.fault)
        elif trouble.count is None:
            script.always(trouble.fault, **rule)
        else:
            script.times(trouble.count, trouble.fault, **rule)

    def _script_token_endpoint(self, planned: PlannedAccount) -> None:
        """Script what the token endpoint answers to the refresh token of an account."""
        secret = refresh_token(planned.name).encode()
        grant = {
            "access_token": token(planned.name, 2),
            "refresh_token": f"sk-ant-ort01-FAKE-{planned.name}-v2",
            "expires_in": int(FAR_SEC),
        }
        for text in (*list(grant.values())[:2], secret.decode()):
            self.secrets[str(text)] = planned.name
        good = Fault.status(200, body=json.dumps(grant).encode())
        answers = {
            "works": good,
            "slow": good.with_changes(before_head=0.05 * SPEED),
            "refused": Fault.status(400, body=b'{"error":"invalid_grant"}'),
            "busy": Fault.status(429, retry_after=1),
            "lost": Fault.no_head("rst"),
        }
        script = self.apis["main"].script
        script.always(answers[planned.refresh], path=TOKEN_PATH, when=lambda asked: secret in asked.body)

    # --- the config file ----------------------------------------------------------------------------

    def _write_config(self) -> None:
        config = dict(self._schedule.config)
        proxy = {"host": "127.0.0.1", "port": 0, "apiKey": KEY, "maxBodyMiB": 1, **config.pop("proxy", {})}
        if self._tls is not None:
            proxy["tls"] = {"cert": str(self._tls.certificate), "key": str(self._tls.key)}
        if config.get("logRequests"):
            # The clock jumps: by its time every file may be too old to keep.
            config.update(logDir=str(self.log_home), logRetentionHours=0)
        document = {
            "proxy": proxy,
            "upstream": self.apis["main"].url,
            "oauth": {"tokenUrl": self.apis["main"].url + TOKEN_PATH},
            **config,
            "accounts": [self._row(planned) for planned in self._schedule.accounts],
        }
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(document, file)

    def _row(self, planned: PlannedAccount) -> dict[str, Any]:
        secret = token(planned.name)
        self.secrets[secret] = planned.name
        row: dict[str, Any] = {
            "name": planned.name,
            "type": planned.kind,
            "priority": planned.priority,
            "disabled": planned.disabled,
        }
        if planned.kind == "apikey":
            row.update(apiKey=secret, lastResort=planned.last_resort)
        else:
            left = {"": FAR_SEC, "soon": 100.0, "past": -10.0}[planned.expires]
            row.update(accessToken=secret, expiresAt=round((self._clock() + left) * 1000))
        if planned.refresh:
            row["refreshToken"] = refresh_token(planned.name)
        if planned.upstream:
            row["upstream"] = self._upstream(planned.upstream)
        return row

    def _upstream(self, where: str) -> str:
        if where == "own":
            return self.apis["own"].url
        if where == "not http":
            return f"https://127.0.0.1:{self._not_http.port}"
        return "http://nobody.invalid" if where == "nowhere" else f"http://127.0.0.1:{free_port()}"

    def change_file(self, what: str, name: str = "") -> None:
        """Edit the file as the commands do: remove, add or renew an account; other words only touch it."""
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
