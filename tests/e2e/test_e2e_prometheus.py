"""A real Prometheus scrapes a running proxy in both formats, and evaluates the alert rules and the board."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.manual import page
from teamclaude.metrics.exposition import CLASSIC, OPENMETRICS, PROTOBUF
from teamclaude.metrics.request_samples import BOUNDS
from tests.bench.servers import free_port
from tests.metrics.test_board_and_rules import board, queries
from tests.proxy.conftest import KEY, Stage, account_json

PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian: prometheus)"),
]
PATIENCE_SEC = 30.0
NAMES = {"alice": "alice", "bob": 'b"ob\\ é # {}'}  # of the API's accounts, and as the config calls them
NATIVE = "--enable-feature=native-histograms"


class Relay(http.server.ThreadingHTTPServer):
    """Pass scrapes on as a scraper that knows only format 0.0.4; note what was asked for."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.target, self.asked = port, list[str]()
        super().__init__(("127.0.0.1", 0), Passing)


class Passing(http.server.BaseHTTPRequestHandler):
    server: Relay

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Accept"])
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=10)
        fields = {"Accept": "text/plain;version=0.0.4", "Authorization": self.headers["Authorization"]}
        upstream.request("GET", self.path, headers=fields)
        answer = upstream.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        upstream.close()

    def log_message(self, *args: object) -> None: ...


class Prometheus:
    """A server in a directory of its own, with the proxy as the jobs `teamclaude` and `classic`."""

    def __init__(self, home: Path, proxy: int, relay: int, *flags: str) -> None:
        self.port = free_port()
        (home / "key").write_text(KEY)
        (home / "rules.yml").write_text(page("metrics-rules"))
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [str(home / "rules.yml")],
            "scrape_configs": [
                {
                    "job_name": name,
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
                    "authorization": {"credentials_file": str(home / "key")},
                }
                for name, port in (("teamclaude", proxy), ("classic", relay))
            ],
        }
        (home / "prometheus.yml").write_text(json.dumps(config))  # which is YAML, too
        self._log = (home / "log").open("w+")
        self._child = subprocess.Popen(
            [
                PROMETHEUS or "",
                f"--config.file={home / 'prometheus.yml'}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                *flags,
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=home,
        )

    def api(self, path: str, **parameters: str) -> Any:
        """Return the data of an API call; raise RuntimeError with what Prometheus says against it."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}", timeout=10
            ) as found:
                return json.load(found)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                raise
            raise RuntimeError(f"{query}: {error.read().decode()[:500]}") from None

    def value(self, query: str) -> float | None:
        """Return the one sample of a query, None without any."""
        found = self.api("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until it holds; fail with Prometheus' log."""
        deadline = time.monotonic() + PATIENCE_SEC
        while True:
            try:
                if holds():
                    return
            except (OSError, http.client.HTTPException):  # it starts
                pass
            if time.monotonic() > deadline:
                self._log.seek(0)
                pytest.fail(f"it did not happen\n{self._log.read()[-3000:]}")
            time.sleep(0.1)

    def close(self) -> None:
        self._child.terminate()
        self._child.wait(20)
        self._log.close()


@pytest.fixture(params=[[], [NATIVE]], ids=["plain", "native-histograms"])
def scraped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stage, Relay, Prometheus]]:
    """A proxy that has served two requests, and a Prometheus that has scraped it by both jobs."""
    accounts = [{**account_json(name), "name": shown} for name, shown in NAMES.items()]
    stage = Stage(tmp_path, tuple(NAMES), time.time, accounts=accounts, proxy={"trustLoopback": False})
    relay = Relay(stage.service.port)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    prometheus = Prometheus(tmp_path, stage.service.port, relay.server_port, *request.param)
    try:
        for session in ("s1", "s2"):
            stage.ask(session=session)
        wanted = 'sum by (job) (teamclaude_requests_total{code="2xx"}) == 2'
        prometheus.until(lambda: len(prometheus.api("query", query=wanted)["result"]) == 2)
        yield stage, relay, prometheus
    finally:
        prometheus.close()
        relay.shutdown()
        relay.server_close()
        stage.close()


def test_both_formats_are_scraped_without_an_error(scraped: tuple[Stage, Relay, Prometheus]) -> None:
    stage, relay, prometheus = scraped
    targets = prometheus.api("targets")["activeTargets"]
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")] * 2
    assert prometheus.value('count(up{job=~"teamclaude|classic"} == 1)') == 2
    # As Prometheus asks, it gets OpenMetrics or native histograms; the relay asks for the older format.
    is_native = "protobuf" in relay.asked[-1]
    first = PROTOBUF if is_native else OPENMETRICS
    for accept, content_type in ((relay.asked[-1], first), ("text/plain", CLASSIC)):
        assert (
            stage.send("GET", "/metrics", headers={"Accept": accept}).headers["content-type"] == content_type
        )
    # Every series is the same by both: the formats differ in no name and no label.
    for metric in (
        "teamclaude_account_state",
        "teamclaude_tokens_total",
        "teamclaude_build_info",
        "python_info",
    ):
        both = [prometheus.value(f'count({metric}{{job="{job}"}})') for job in ("teamclaude", "classic")]
        assert both[0] == both[1] is not None, metric
    infos = prometheus.api("query", query="teamclaude_account_info")["result"]
    assert {found["metric"]["account"] for found in infos} == set(NAMES.values())
    check_durations(prometheus, is_native)


def check_durations(prometheus: Prometheus, is_native: bool) -> None:
    """Compare the duration by both jobs: by the older format it always comes in buckets."""
    name = "teamclaude_request_duration_seconds"
    by_buckets = f'{name}_bucket{{job="classic"}}'
    median = prometheus.value(f"histogram_quantile(0.5, sum by (le) ({by_buckets}))")
    assert median is not None
    if not is_native:
        assert prometheus.value(f'count({name}_bucket{{job="teamclaude"}})') == prometheus.value(
            f"count({by_buckets})"
        )
        (about,) = prometheus.api("metadata", metric=name).values()
        assert {("histogram", "seconds")} <= {(each["type"], each["unit"]) for each in about}
        return
    native = f'{name}{{job="teamclaude"}}'
    assert prometheus.value(f"histogram_count({native})") == 2
    both_sums = prometheus.value(f"histogram_sum({native})"), prometheus.value(f'{name}_sum{{job="classic"}}')
    assert both_sums[0] == both_sums[1]
    finer = prometheus.value(f"histogram_quantile(0.5, {native})")
    assert finer is not None
    if finer <= BOUNDS[0]:  # a fast machine: in the lowest bucket that is shown
        assert median <= BOUNDS[0]
    else:
        assert median / 2 <= finer <= 2 * median  # they are powers of 2


def test_rules_and_board_are_evaluated(scraped: tuple[Stage, Relay, Prometheus]) -> None:
    stage, _, prometheus = scraped
    expected = page("metrics-rules").count("- alert:")

    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]

    prometheus.until(lambda: [rule["health"] for rule in rules()] == ["ok"] * expected)
    assert [rule["name"] for rule in rules() if rule["state"] == "firing"] == []
    values = {"$job": ".*", "$instance": ".*", "$__rate_interval": "10s"}
    for query in queries(board()):
        if not query.startswith("label_values"):
            prometheus.api("query", query=re.sub(r"\$\w+", lambda name: values[name[0]], query))
    # A config file that is not taken over is seen by the next scrape.
    stage.path.write_text("{")
    assert stage.send("POST", "/teamclaude/accounts/reload").status == 400
    prometheus.until(
        lambda: prometheus.value('teamclaude_config_last_reload_successful{job="teamclaude"}') == 0
    )
