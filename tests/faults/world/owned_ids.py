"""Ids that belong to a credential (batches, files, skills): the part of the API that handles them."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Optional

from teamclaude.fakeapi.answer import ApiAnswer, error_answer

__all__ = ["MAKERS", "OwnedIds", "made_id", "maker_of", "target_of"]

# The kind of a request -> the path that makes an id, and the prefix of the id.
MAKERS = {
    "batch": ("/v1/messages/batches", "msgbatch"),
    "file": ("/v1/files", "file"),
    "skill": ("/v1/skills", "skill"),
}
# The sub-path that is asked for below an id.
_BELOW = {"msgbatch": "/results", "file": "/content", "skill": "/versions"}
_ID = re.compile(r"(msgbatch|file|skill)_fake_([a-z]+)_[0-9]+")
_JSON = ("content-type", "application/json")


class OwnedIds:
    """Answers requests for ids; an id contains its account, so there is no state."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def answer(self, request: Any, owner: str) -> Optional[ApiAnswer]:
        """Return the answer; None: the request is not about ids."""
        for path, begin in MAKERS.values():
            if request.path == path and request.method == "POST":
                made = f"{begin}_fake_{owner}_{next(self._numbers)}"
                return ApiAnswer(200, [_JSON], (json.dumps({"id": made, "type": begin}).encode(),))
            if request.path.startswith(path + "/"):
                if maker_of(request.path) == owner:
                    return ApiAnswer(200, [_JSON], (json.dumps({"of": request.path}).encode(),))
                return error_answer(404, f"Not found: {request.path}")
        return None


def made_id(payload: bytearray) -> str:
    """Return the id in an answer, or ""."""
    found = _ID.search(payload.decode("latin-1"))
    return found[0] if found else ""


def maker_of(path: str) -> Optional[str]:
    """Return the account that made the id in a path."""
    found = _ID.search(path)
    return found[2] if found else None


def target_of(made: str) -> str:
    """Return the target for an id; every second one has a sub-path."""
    begin = made.partition("_")[0]
    path = next((path for path, its in MAKERS.values() if its == begin), "/v1/files")
    odd = made[-1:] in set("13579")
    return f"{path}/{made or 'file_fake_nobody_0'}" + (_BELOW[begin] if odd and begin in _BELOW else "")
