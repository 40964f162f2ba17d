"""The proof of a login and the address it opens."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from teamclaude.accounts.config.config import OAuthConfig
from teamclaude.accounts.oauth.pkce import PkceSecrets, authorize_url, new_secrets


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
def test_another_state_is_not_known(state: str) -> None:
    assert PkceSecrets("v", "s").matches_state("s")
    assert not PkceSecrets("v", "s").matches_state(state)


def test_a_proof_does_not_show_itself() -> None:
    assert repr(PkceSecrets("verifier", "state")) == "Proof(***)"


def test_the_address() -> None:
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
