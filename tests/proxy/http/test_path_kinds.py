from __future__ import annotations

import random
import timeit
from urllib.parse import unquote

import pytest

from teamclaude.errors import MethodNotAllowedError, NotFoundError
from teamclaude.proxy.http.path_kinds import (
    PathKind,
    classify_opened,
    classify_path,
    unknown_path_error,
    works_uncounted,
)


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        ("POST /v1/messages", PathKind.INFERENCE),
        ("POST /v1/messages?beta=true", PathKind.INFERENCE),
        ("POST /v1/messages?", PathKind.INFERENCE),
        ("POST /v1/messages?a=/../%2e%zz;x", PathKind.INFERENCE),
        ("POST /v1/messages/count_tokens?beta=true", PathKind.COUNT_TOKENS),
        ("POST /v1/oauth/token", PathKind.OAUTH_TOKEN),
        ("HEAD /", PathKind.OWN),
        ("GET /health", PathKind.OWN),
        ("GET /health/ready?x", PathKind.OWN),
        ("HEAD /api/hello", PathKind.OWN),
        ("GET /capacity", PathKind.OWN),
        ("GET /teamclaude", PathKind.OWN),
        ("GET /teamclaude/nonsense", PathKind.OWN),
        ("POST /teamclaude/accounts/a%2Fb/disable", PathKind.OWN),
        ("TRACE /teamclaude/../v1/messages", PathKind.OWN),
        ("GET /v1/models", PathKind.API),
        ("GET /v1/models?limit=1000", PathKind.API),
        ("GET /v1/models/claude-opus-4-8", PathKind.API),
        ("GET /v1/models/claude-opus-4-8%5B1m%5D", PathKind.API),
        ("GET /v1/models/a.b..c:0@x", PathKind.API),
        ("POST /v1/messages/batches", PathKind.API),
        ("DELETE /v1/messages/batches/msgbatch_1", PathKind.API),
        ("GET /v1/files", PathKind.API),
        ("GET /v1/files/file_1/content", PathKind.API),
        ("POST /v1/skills", PathKind.API),
        ("POST /v1/complete", PathKind.API),
        ("GET /api/oauth/usage", PathKind.CLIENT_LOGIN),
        ("POST /api/oauth/files/upload", PathKind.CLIENT_LOGIN),
        ("GET /v1/code/sessions", PathKind.CLIENT_LOGIN),
        ("POST /api/event_logging/v2/batch", PathKind.CLIENT_LOGIN),
        ("POST /api/event_logging", PathKind.CLIENT_LOGIN),
    ],
)
def test_known_paths(request_line, kind):
    method, target = request_line.split(" ")
    assert classify_path(method, target)[:2] == (kind, target.partition("?")[0])


@pytest.mark.parametrize(
    "request_line",
    [
        # typing errors and other surfaces
        "GET /favicon.ico",
        "POST /v1/message",
        "POST /v1/Messages",
        "POST /v1",
        "POST /v1/",
        "POST /v2/messages",
        "GET /v1/modelsx",
        "GET /v1/organizations/x",
        "GET /api/claude_cli/bootstrap",
        "GET /v1/code",
        "GET /api/oauth",
        "POST /v1/oauth/token/revoke",
        "POST /v1/oauth",
        "GET /teamclaudex/status",
        "GET /Teamclaude/status",
        "GET /health/",
        # methods
        "GET /v1/messages",
        "GET /v1/messages/count_tokens",
        "GET /v1/oauth/token",
        "TRACE /v1/models",
        "OPTIONS /v1/models",
        "post /v1/messages",
        "FOO /v1/models",
        # tricks
        "POST //v1/messages",
        "POST /v1//messages",
        "POST /v1/messages/",
        "POST /v1/messages//count_tokens",
        "POST /v1/messages/count_tokens/",
        "POST /./v1/messages",
        "POST /v1/./messages",
        "POST /v1/x/../messages",
        "POST /v1/../v1/messages",
        "GET /v1/models/..",
        "GET /v1/models/.",
        "GET /v1/models/../organizations",
        "GET /v1/models/../../api/oauth/usage",
        "GET /v1/models/%2e%2e/organizations",
        "GET /v1/models/.%2E/organizations",
        "GET /v1/models/%c0%ae%c0%ae/organizations",
        "GET /v1/models/..%2forganizations",
        "GET /v1/models/a%2Fb",
        "GET /v1/models/a%5cb",
        "GET /v1/models/a\\..\\b",
        "GET /v1/models/%252e%252e/b",
        "GET /v1/models/a%3fb",
        "GET /v1/models/a%23b",
        "GET /v1/models/a;x=1",
        "GET /v1/models;x=1",
        "GET /v1/models/a%3bx",
        "GET /v1/models/a%00",
        "GET /v1/models/a%0d%0ab",
        "GET /v1/models/%zz",
        "GET /v1/models/%",
        "GET /v1/models/%2",
        "POST /v1/messages/%63ount_tokens",
        "POST /v1/%6dessages",
        "POST /%76%31/messages",
        "POST /v1%2fmessages",
        "POST /v1/messages;x",
        "POST /v1/messages#x",
        "POST /v1/messages?beta=true#x",
        "POST /v1/messages%20",
        "POST /v1/messages%3Fbeta",
        "POST /api/oauth/../../v1/messages",
        "POST /health/../v1/messages",
        "GET /v1/models/a\n",
        "GET /v1/models/..%20/b",
        "GET /v1/models/caf\xe9",
    ],
)
def test_all_other_paths_are_unknown(request_line):
    method, target = request_line.split(" ")
    assert classify_path(method, target).kind is PathKind.UNKNOWN


def normalised(path: str) -> str:
    """Normalize as the most eager server could: decode twice, drop params, resolve dots."""
    path = unquote(unquote(path)).replace("\\", "/")
    out: list[str] = []
    for segment in path.split("/"):
        segment = segment.partition(";")[0].partition("?")[0].partition("#")[0]
        if segment == "..":
            out[-1:] = []
        elif segment not in ("", "."):
            out.append(segment)
    return "/" + "/".join(out)


def test_no_encoding_changes_the_kind_of_a_path_for_a_normalizing_server():
    rng = random.Random(5)
    words = [
        "v1",
        "messages",
        "models",
        "files",
        "count_tokens",
        "api",
        "oauth",
        "code",
        "complete",
        "a",
        "token",
    ]
    tricks = [
        "",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "..;",
        "%2f",
        "%5c",
        "\\",
        "%252e",
        ";a",
        "%3b",
        "%6d",
        "%20",
        "#",
        "x",
    ]
    forwarded = 0
    for _ in range(20000):
        segments = [rng.choice(words if rng.random() < 0.8 else tricks) for _ in range(rng.randrange(1, 6))]
        if rng.random() < 0.3:
            segments[-1] += rng.choice(tricks)
        path = rng.choice(["", "/v1", "/v1/messages", "/v1/files/a", "/api/oauth"]) + "/" + "/".join(segments)
        kind = classify_path("POST", path).kind
        if kind in (PathKind.UNKNOWN, PathKind.OWN):
            continue
        forwarded += 1
        eager = normalised(path)
        assert eager == unquote(path), path
        assert classify_path("POST", eager).kind is kind, path
    assert forwarded > 500


def test_a_long_hostile_path_is_answered_in_linear_time():
    path = "/v1/models" + "/a" * 30000 + "/.."
    assert timeit.timeit(lambda: classify_path("GET", path), number=1) < 0.2
    assert classify_path("GET", path).kind is PathKind.UNKNOWN


# --- inside a tunnel to the API ---------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/health", "api.anthropic.com:443", "/v1/messages"])
def test_connect_is_a_kind_of_its_own(target):
    assert classify_path("CONNECT", target) == (PathKind.CONNECT, target, 0, False)
    assert classify_opened("CONNECT", target, True).kind is PathKind.CONNECT


@pytest.mark.parametrize("own_login", [False, True])
@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        ("POST /v1/messages?beta=true", PathKind.INFERENCE),
        ("POST /v1/messages/count_tokens", PathKind.COUNT_TOKENS),
        ("POST /v1/messages/batches", PathKind.API),
        ("GET /v1/messages/batches/b/results", PathKind.API),
        ("GET /v1/messages", PathKind.CLIENT_LOGIN),
        ("POST /v1/messages/", PathKind.CLIENT_LOGIN),
        ("POST /v1/messages/../x", PathKind.CLIENT_LOGIN),
        ("TRACE /v1/models", PathKind.CLIENT_LOGIN),
        ("GET /", PathKind.CLIENT_LOGIN),
        ("GET /health", PathKind.CLIENT_LOGIN),
        ("POST /teamclaude/switch", PathKind.CLIENT_LOGIN),
        ("POST /v1/oauth/token", PathKind.CLIENT_LOGIN),
        ("GET /api/oauth/usage", PathKind.CLIENT_LOGIN),
        ("POST /v1/sessions", PathKind.CLIENT_LOGIN),
    ],
)
def test_inside_nothing_is_the_proxy_s_own_or_unknown(request_line, kind, own_login):
    method, target = request_line.split(" ")
    route = classify_opened(method, target, own_login)
    assert (route.kind, route.path) == (kind, target.partition("?")[0])
    assert route.in_tunnel is (kind is PathKind.CLIENT_LOGIN)


@pytest.mark.parametrize(
    "path", ["/v1/files", "/v1/files/f/content", "/v1/skills/s", "/v1/models", "/v1/complete"]
)
def test_with_a_login_of_its_own_files_and_skills_are_the_client_s(path):
    assert classify_opened("GET", path, False).kind is PathKind.API
    assert classify_opened("GET", path, True).kind is PathKind.CLIENT_LOGIN
    assert classify_opened("POST", "/v1/files", True).upload_mib == 500


def test_an_unknown_path_is_a_404_and_a_known_one_by_another_method_a_405():
    assert isinstance(unknown_path_error("GET", "/nowhere?x"), NotFoundError)
    assert "/nowhere " in str(unknown_path_error("GET", "/nowhere?x"))
    error = unknown_path_error("GET", "/v1/messages?beta=true")
    assert isinstance(error, MethodNotAllowedError)
    assert error.allow == ("POST",)


@pytest.mark.parametrize(
    ("request_line", "uncounted"),
    [
        ("POST /v1/messages/batches", True),
        ("POST /v1/messages/batches?x=/cancel", True),
        ("POST /v1/messages/anything/new", True),
        ("POST /v1/complete", True),
        ("POST /v1/messages/batches/msgbatch_1/cancel", False),
        ("GET /v1/messages/batches", False),
        ("POST /v1/messages", False),
        ("POST /v1/messages/count_tokens", False),
        ("POST /v1/files", False),
        ("POST /v1/models/messages/x", False),
    ],
)
def test_which_requests_use_tokens_that_no_answer_tells(request_line, uncounted):
    method, target = request_line.split(" ")
    assert works_uncounted(classify_path(method, target), method) is uncounted
