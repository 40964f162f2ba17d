"""Things that belong to a credential: an API that makes ids, and knows each for the account that made it."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Optional

from teamclaude.fakeapi.answer import ApiAnswer, error_answer

__all__ = ["MAKERS", "OwnedIds", "made_id", "maker_of", "target_of"]

# The kind of a request -> where it makes an id, and how that begins.
MAKERS = {
    "batch": ("/v1/messages/batches", "msgbatch"),
    "file": ("/v1/files", "file"),
    "skill": ("/v1/skills", "skill"),
}
# What else than the thing itself is asked for below its id.
_BELOW = {"msgbatch": "/results", "file": "/content", "skill": "/versions"}
_ID = re.compile(r"(msgbatch|file|skill)_fake_([a-z]+)_[0-9]+")
_JSON = ("content-type", "application/json")


class OwnedIds:
    """The part of an API that answers for ids; each tells its maker, so nothing is remembered."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def answer(self, request: Any, owner: str) -> Optional[ApiAnswer]:
        """Its answer; None when the request is none about ids."""
        for path, begin in MAKERS.values():
            if request.path == path and request.method == "POST":
                made = f"{begin}_fake_{owner}_{next(self._numbers)}"
                return ApiAnswer(200, [_JSON], (json.dumps({"id": made, "type": begin}).encode(),))
            if request.path.startswith(path + "/"):
                if maker_of(request.path) == owner:
                    return ApiAnswer(200, [_JSON], (json.dumps({"of": request.path}).encode(),))
                return error_answer(404, f"Not found: {request.path}")
        return None


def made_id(payload: bytes) -> str:
    """The id an answer names, or ""."""
    found = _ID.search(payload.decode("latin-1"))
    return found[0] if found else ""


def maker_of(path: str) -> Optional[str]:
    """The account that made the id in a path."""
    found = _ID.search(path)
    return found[2] if found else None


def target_of(made: str) -> str:
    """Where to ask for an id: every second one for what is below it."""
    begin = made.partition("_")[0]
    path = next((path for path, its in MAKERS.values() if its == begin), "/v1/files")
    odd = made[-1:] in set("13579")
    return f"{path}/{made or 'file_fake_nobody_0'}" + (_BELOW[begin] if odd and begin in _BELOW else "")
