"""One login: PKCE, callbacks, pastes, and the account it yields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from teamclaude.accounts.config.config import AccountConfig, Config, OAuthConfig
from teamclaude.accounts.oauth.login_flow import (
    Callback,
    LoginFlow,
    PkceSecrets,
    account_from_grant,
    add_profile,
    authorize_url,
    from_paste,
    from_query,
    new_secrets,
)
from teamclaude.accounts.oauth.token_response import TokenGrant
from teamclaude.errors import TeamClaudeError
from teamclaude.fakeapi.fault import Fault
from teamclaude.values import replace
from tests.fakeapi.authserver import PROFILE_PATH, AuthServer
from tests.fakeapi.token_issuer import FakeUser


def test_the_challenge_is_the_one_of_the_standard() -> None:
    # RFC 7636, appendix B.
    proof = PkceSecrets("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "s")
    assert proof.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_every_login_has_secrets_of_its_own() -> None:
    first, second = new_secrets(), new_secrets()
    made = [*first, *second]
    assert len(set(made)) == 4
    assert all(re.fullmatch(r"[\w-]{43}", value) for value in made)


@pytest.mark.parametrize("state", ["", "S", "s ", "ś", "\udcff", "ss"])
def test_another_state_does_not_match(state: str) -> None:
    assert PkceSecrets("v", "s").matches_state("s")
    assert not PkceSecrets("v", "s").matches_state(state)


def test_the_secrets_are_not_in_the_repr() -> None:
    assert repr(PkceSecrets("verifier", "state")) == "PkceSecrets(***)"


def test_the_authorize_url() -> None:
    proof = new_secrets()
    url = authorize_url(OAuthConfig(), proof, "http://localhost:1234/callback")
    assert url.startswith("https://claude.com/cai/oauth/authorize?")
    assert parse_qsl(urlsplit(url).query) == [
        ("code", "true"),
        ("client_id", "9d1c250a-e61b-44d9-88ed-5944d1962f5e"),
        ("response_type", "code"),
        ("redirect_uri", "http://localhost:1234/callback"),
        (
            "scope",
            "org:create_api_key user:profile user:inference user:sessions:claude_code user:mcp_servers "
            "user:file_upload user:plugins user:privacy_consents:write org:desktop_config",
        ),
        ("code_challenge", proof.challenge),
        ("code_challenge_method", "S256"),
        ("state", proof.state),
    ]
    assert proof.verifier not in url


GOOD = Callback("c0de", "st4te")
NOTHING = Callback()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code=c0de&state=st4te", GOOD),
        ("state=st4te&code=c0de&iss=x", GOOD),
        ("code=a%2Bb%23&state=s", Callback("a+b#", "s")),
        ("error=access_denied&state=s", Callback("", "s", "access_denied")),
        ("error=e&error_description=No+way&state=s", Callback("", "s", "e", "No way")),
        ("code=a&code=b&state=s", Callback("", "s")),
        ("", NOTHING),
        ("&".join(f"a{n}=1" for n in range(50)), NOTHING),
    ],
)
def test_a_redirect(query: str, expected: Callback) -> None:
    assert from_query(query) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c0de#st4te", GOOD),
        ("  c0de#st4te \r", GOOD),
        ('"c0de#st4te"', GOOD),
        ("http://localhost:4711/callback?code=c0de&state=st4te", GOOD),
        ("localhost:4711/callback?code=c0de&state=st4te", GOOD),
        ("https://platform.claude.com/oauth/code/callback?code=c0de&state=st4te#", GOOD),
        ("https://x/callback?error=access_denied&state=s", Callback("", "s", "access_denied")),
        ("c0de", NOTHING),
        ("c0de#", NOTHING),
        ("#st4te", NOTHING),
        ("what is # this", NOTHING),
        ("http://localhost:4711/callback", NOTHING),
        ("http://[broken", NOTHING),
        ("", NOTHING),
    ],
)
def test_a_paste(text: str, expected: Callback) -> None:
    assert from_paste(text) == expected


def test_a_refusal_is_one_short_line_without_controls() -> None:
    said = Callback(error="access_denied\n\x1b[31m" + "x" * 500, description="no\r\n" * 99).error_text
    assert said.startswith("access_denied")
    assert said.isprintable()
    assert len(said) < 140


def test_a_refusal_hides_what_looks_like_a_credential() -> None:
    assert "FAKE" not in Callback(error="sk-ant-oat01-FAKE", description="sk-ant-oat01-FAKE").error_text


def test_a_callback_is_not_in_its_repr() -> None:
    assert "c0de" not in repr(GOOD)


REDIRECT = "http://localhost:4711/callback"


class RecordedFlow(LoginFlow):
    """An flow, and what it said."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        super().__init__(OAuthConfig(), REDIRECT, self.warnings.append)

    def code(self, code: str = "c0de") -> str:
        return f"{code}#{self.secrets.state}"


@pytest.fixture
def flow() -> RecordedFlow:
    return RecordedFlow()


def test_the_url_has_the_flows_state(flow: RecordedFlow) -> None:
    query = parse_qs(urlsplit(flow.url).query)
    assert query["state"] == [flow.secrets.state]
    assert query["redirect_uri"] == [REDIRECT]


def test_a_browser_delivers_the_code(flow: RecordedFlow) -> None:
    flow.on_callback(Callback("c0de", flow.secrets.state))
    assert flow.wait_for_code(5.0) == "c0de"
    assert flow.warnings == []


@pytest.mark.parametrize("form", ["c0de#{0}", REDIRECT + "?code=c0de&state={0}"])
def test_a_person_pastes_it(flow: RecordedFlow, form: str) -> None:
    flow.on_paste(form.format(flow.secrets.state))
    assert flow.wait_for_code(5.0, only_stdin=True) == "c0de"
    assert flow.warnings == []


def test_the_first_matching_code_wins(flow: RecordedFlow) -> None:
    flow.on_paste(flow.code("first"))
    flow.on_callback(Callback("second", flow.secrets.state))
    assert flow.wait_for_code(5.0) == "first"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("hello", "that is not a login code"),
        ("c0de#of-another-login", "that code is of another login"),
        (REDIRECT + "?code=c0de&state=other", "that code is of another login"),
        ("   ", ""),
    ],
)
def test_a_wrong_paste_can_be_followed_by_the_right_one(
    flow: RecordedFlow, line: str, complaint: str
) -> None:
    flow.on_paste(line)
    flow.on_paste(flow.code())
    assert flow.wait_for_code(5.0) == "c0de"
    assert len(flow.warnings) == (1 if complaint else 0)
    assert "".join(flow.warnings).startswith(complaint)


def test_foreign_callbacks_are_reported_once_and_end_nothing(flow: RecordedFlow) -> None:
    for _ in range(100):
        flow.on_callback(Callback("evil", "state", "error"))
    flow.on_callback(Callback("c0de", flow.secrets.state))
    assert flow.wait_for_code(5.0) == "c0de"
    assert len(flow.warnings) == 1
    assert "still waiting" in flow.warnings[0]


def test_a_refusal_ends_it(flow: RecordedFlow) -> None:
    flow.on_callback(Callback("", flow.secrets.state, "access_denied", "The user said no"))
    with pytest.raises(TeamClaudeError) as caught:
        flow.wait_for_code(5.0)
    expected = 'the login was refused: access_denied ("The user said no"); run teamclaude login again'
    assert str(caught.value) == expected


def test_a_pasted_refusal_too(flow: RecordedFlow) -> None:
    flow.on_paste(f"{REDIRECT}?error=access_denied&state={flow.secrets.state}")
    with pytest.raises(TeamClaudeError, match="access_denied"):
        flow.wait_for_code(5.0)


def test_a_login_times_out(flow: RecordedFlow) -> None:
    times: Iterator[float] = iter([0.0, 300.0])
    with pytest.raises(TeamClaudeError, match="within 5 minutes"):
        flow.wait_for_code(300.0, clock=lambda: next(times))


def test_the_end_of_stdin_ends_a_login_only_without_a_browser(flow: RecordedFlow) -> None:
    flow.close_stdin()
    flow.on_callback(Callback("c0de", flow.secrets.state))
    assert flow.wait_for_code(5.0) == "c0de"
    flow.close_stdin()
    with pytest.raises(TeamClaudeError, match="no login code came in"):
        flow.wait_for_code(5.0, only_stdin=True)


USER = FakeUser("ann", account_uuid="p-1", org_uuid="o-1", org_name="Acme")


@pytest.fixture
def auth() -> Iterator[AuthServer]:
    server = AuthServer([USER])
    with server:
        yield server


def config_of(auth: AuthServer) -> Config:
    return Config(oauth=OAuthConfig(profile_url=auth.oauth["profileUrl"]))


def token_of(auth: AuthServer) -> AccountConfig:
    return AccountConfig(name="", access_token=auth.log_in(USER)["accessToken"])


def test_a_grant_as_an_account() -> None:
    grant = TokenGrant("sk-ant-oat01-FAKE", "sk-ant-ort01-FAKE", 10.0, 20.0, "p", "a@x.org", "o", "Acme")
    account = account_from_grant(grant)
    assert (account.name, account.source, account.org_name) == ("a@x.org", "login", "Acme")
    assert (account.expires_at, account.refresh_token_expires_at) == (10.0, 20.0)
    assert account_from_grant(grant._replace(email=None)).name == ""


def test_the_profile_fills_all_fields(auth: AuthServer) -> None:
    account, missing = add_profile(config_of(auth), token_of(auth))
    assert missing is None
    assert (account.name, account.account_uuid, account.org_uuid) == ("ann@example.com", "p-1", "o-1")
    assert (account.org_name, account.subscription_type) == ("Acme", "max")
    assert account.rate_limit_tier == "default_claude_max_20x"


def test_known_fields_are_kept(auth: AuthServer) -> None:
    known = replace(token_of(auth), name="n", account_uuid="q", subscription_type="pro", rate_limit_tier="t")
    account, _ = add_profile(config_of(auth), known)
    assert (account.name, account.account_uuid, account.org_uuid) == ("n", "q", "o-1")
    assert (account.subscription_type, account.rate_limit_tier) == ("pro", "t")


@pytest.mark.parametrize("fault", [Fault.status(401), Fault.status(500), Fault.no_head(), Fault.html()])
def test_no_profile_is_no_error(auth: AuthServer, fault: Fault) -> None:
    auth.script.always(fault, path=PROFILE_PATH)
    before = token_of(auth)
    account, missing = add_profile(config_of(auth), before)
    assert account == before
    assert "profile endpoint" in str(missing)
    assert "\n" not in str(missing)
