"""Check the format of an API key without asking the API."""

from __future__ import annotations

import re

from ...errors import TeamClaudeError

__all__ = ["check_api_key"]

API_KEY_PATTERN = re.compile(r"sk-ant-api[0-9A-Za-z_-]+")
OTHER_CREDENTIALS = {
    "sk-ant-oat": "is a token of a subscription, not an API key: use teamclaude login",
    "sk-ant-ort": "is a refresh token of a subscription, not an API key: use teamclaude login",
    "sk-ant-admin": "is an admin key, which can't call models; an API key begins with sk-ant-api",
}


def check_api_key(text: str) -> str:
    """Return `text` without surrounding white space; raise TeamClaudeError if it is not an API key."""
    key = text.strip()
    if not key:
        raise TeamClaudeError("no key was given")
    for prefix, what in OTHER_CREDENTIALS.items():
        if key.startswith(prefix):
            raise TeamClaudeError(f"this {what}")
    if re.search(r"\s", key):
        raise TeamClaudeError("the key has a space or a line break in it: copy the key alone")
    if not API_KEY_PATTERN.fullmatch(key):
        raise TeamClaudeError("this is not an API key: they begin with sk-ant-api and have no quotes around")
    return key
