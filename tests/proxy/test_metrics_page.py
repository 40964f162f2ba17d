"""GET /metrics of a running proxy: who gets it, in which format, and that it counts what happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.metrics.exposition import CLASSIC, OPENMETRICS
from teamclaude.metrics.families import all_families

Build = Callable[..., Any]
OPENMETRICS_ONLY = {"Accept": "application/openmetrics-text"}


def scrape(s: Any, **headers: str) -> str:
    """Return the text, with all requests counted that have ended."""
    s.service._reporter.flush()
    reply = s.send("GET", "/metrics", headers=headers)
    assert reply.status == 200, reply.body
    return str(reply.body.decode())


def values(text: str, name: str) -> dict[str, float]:
    """Return the samples of a metric by their labels."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.M)
    return {labels: float(value) for labels, value in found}


def test_the_format_is_negotiated_and_head_has_no_body(stage: Build) -> None:
    s = stage("a")
    plain = s.send("GET", "/metrics")
    assert plain.headers["content-type"] == CLASSIC
    assert not plain.body.endswith(b"# EOF\n")
    openmetrics = s.send("GET", "/metrics", headers=OPENMETRICS_ONLY)
    assert openmetrics.headers["content-type"] == OPENMETRICS
    assert openmetrics.body.endswith(b"\n# EOF\n")
    head = s.raw().request("/metrics", method="HEAD").answer(head_only=True)
    assert (head.status, int(head.headers["content-length"]) > 1000) == (200, True)


def test_two_accept_fields_are_one_list(stage: Build) -> None:
    raw = stage("a").raw()
    fields = "Accept: text/plain;q=0.5\r\nAccept: application/openmetrics-text\r\n"
    raw.send(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
    assert raw.answer().headers["content-type"] == OPENMETRICS


def test_it_takes_a_key_or_the_same_user_and_is_never_forwarded(stage: Build) -> None:
    s = stage("a", proxy={"trustLoopback": False})
    assert s.send("GET", "/metrics", headers={"x-teamclaude-key": "wrong"}).status == 401
    bearer = {"x-teamclaude-key": "", "Authorization": "Bearer tc-test-key-000000000000000000000000"}
    assert s.send("GET", "/metrics", headers=bearer).status == 200
    assert s.send("GET", "/metrics/").status == 404
    post = s.send("POST", "/metrics")
    assert (post.status, post.headers["allow"]) == (405, "GET, HEAD")
    assert s.api.log == ()


def test_a_served_request_is_counted_with_its_tokens_and_times(stage: Build) -> None:
    s = stage("a")
    s.ask(model="claude-opus-4-8")
    text = scrape(s)
    labels = 'kind="messages",account="a",model="opus-4",outcome="served",code="2xx"'
    assert values(text, "teamclaude_requests_total") == {labels: 1}
    assert values(text, "teamclaude_upstream_responses_total") == {'account="a",code="200"': 1}
    assert values(text, "teamclaude_tokens_total")['account="a",model="opus-4",kind="output"'] > 0
    assert values(text, "teamclaude_cost_dollars_total")['account="a",model="opus-4"'] > 0
    for name in ("ttfb", "duration"):
        assert values(text, f"teamclaude_request_{name}_seconds_count") == {'model="opus-4"': 1}


def test_a_failover_and_a_bench_are_counted(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.api.script.once(Fault.quota("5h"), account=home)
    s.ask(session="s1")
    text = scrape(s)
    assert values(text, "teamclaude_failovers_total") == {f'account="{home}"': 1}
    assert values(text, "teamclaude_upstream_responses_total")[f'account="{home}",code="429"'] == 1
    assert values(text, "teamclaude_account_state")[f'account="{home}",state="benched"'] == 1
    assert values(text, "teamclaude_account_window_used_ratio")[f'account="{home}",window="5h"'] >= 1


def test_alerts_are_counted_by_what_became_of_them(stage: Build) -> None:
    s = stage("a", alerts=[{"when": "benched", "run": ["true"]}])
    assert values(scrape(s), "teamclaude_alert_events_total") == {'result="told"': 0, 'result="dropped"': 0}
    s.api.script.once(Fault.quota("5h"), account="a")
    s.send("POST", "/v1/messages", {"model": "claude-opus-4-8", "messages": [], "max_tokens": 1})
    s.service.runtime.clock.now += 10
    s.until(lambda: values(scrape(s), "teamclaude_alert_deliveries_total")['result="ok"'] == 1)
    assert values(scrape(s), "teamclaude_alert_events_total")['result="told"'] == 1


def test_counters_survive_a_reload_and_count_it(stage: Build) -> None:
    s = stage("a")
    s.ask()
    assert s.send("POST", "/teamclaude/accounts/reload").status == 200
    good = s.path.read_text()
    s.path.write_text("{")
    assert s.send("POST", "/teamclaude/accounts/reload").status == 400
    text = scrape(s)
    assert values(text, "teamclaude_config_reloads_total") == {'result="ok"': 1, 'result="failed"': 1}
    assert values(text, "teamclaude_config_last_reload_successful") == {"": 0}
    assert values(text, "teamclaude_config_last_reload_success_timestamp_seconds")
    s.path.write_text(good)
    s.send("POST", "/teamclaude/accounts/reload")
    s.ask()
    text = scrape(s)
    assert sum(values(text, "teamclaude_requests_total").values()) == 2
    assert values(text, "teamclaude_config_last_reload_successful") == {"": 1}


def test_a_hostile_account_name_cannot_forge_a_sample(stage: Build) -> None:
    name = 'x"} 1 \\ # é'
    s = stage("a", accounts=[{"name": name, "accessToken": "sk-ant-oat01-FAKE-a"}])
    s.ask(model="claude-nobody-9")
    text = scrape(s)
    assert values(text, "teamclaude_draining") == {"": 0}
    (labels,) = values(text, "teamclaude_requests_total")
    assert labels.startswith('kind="messages",account="x\\"} 1 \\\\ # é",model="other",')


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_only_declared_families_are_written_and_no_secret_or_session(stage: Build, accept: str) -> None:
    s = stage("a", "b")
    s.ask("hello prompt", session="session-1")
    text = scrape(s, Accept=accept)
    suffix = {"counter": "" if accept else "_total", "info": "" if accept else "_info"}
    known = {f"{family.name}{suffix.get(family.kind, '')}" for family in all_families()}
    assert set(re.findall(r"^# TYPE (\S+)", text, re.M)) <= known
    assert not [word for word in ("session-1", "hello prompt", "FAKE", "tc-test-key") if word in text]
