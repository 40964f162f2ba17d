"""Ids of one credential: where they stand in paths, responses and bodies."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.proxy.forwarding.routing_request import id_in_path, ids_in_body, record_owner
from teamclaude.routing.state.decision import Decision, Lease, RoutingRequest


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("/v1/messages/batches/msgbatch_013Zva2CMHLNnXjNJJKqJ2EF", "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF"),
        ("/v1/messages/batches/msgbatch_1/results", "msgbatch_1"),
        ("/v1/messages/batches/msgbatch_1/cancel", "msgbatch_1"),
        ("/v1/files/file_011/content", "file_011"),
        ("/v1/skills/skill_01/versions/1759178010641129", "skill_01"),
        ("/v1/files/file.1-%5Fx", "file.1-_x"),
        ("/v1/messages/batches", None),
        ("/v1/files", None),
        ("/v1/files/", None),
        ("/v1/messages/count_tokens", None),
        ("/v1/models/claude-opus-4-8", None),
        ("/v1/files/" + "x" * 129, None),
        ("/x/v1/files/file_1", None),
    ],
)
def test_a_path_names_an_id(path: str, id: str | None) -> None:
    assert id_in_path(path) == id


class Owners:
    """What a router is told of owners."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def record_owner(self, id: str, lease: Lease) -> None:
        self.told.append(f"+{id}")

    def forget_owner(self, id: str) -> None:
        self.told.append(f"-{id}")


def told(method: str, path: str, made: Optional[str] = None, owner: Optional[str] = None) -> list[str]:
    lease = Lease(1, "a", 1, RoutingRequest(owner=owner), Decision("a", ""), 0.0)
    owners = Owners()
    record_owner(owners, lease, method, path, made)  # type: ignore[arg-type]
    return owners.told


def test_only_a_post_to_the_collection_makes_one() -> None:
    assert told("POST", "/v1/files", "file_1") == ["+file_1"]
    assert told("GET", "/v1/files", "file_1") == []
    assert told("POST", "/v1/messages", "msg_1") == []
    assert told("POST", "/v1/messages/batches", None) == []


def test_only_deleting_the_thing_itself_deletes_it() -> None:
    assert told("DELETE", "/v1/files/file_1") == ["-file_1"]
    assert told("DELETE", "/v1/skills/skill_1/versions/2") == ["+skill_1"]
    assert told("GET", "/v1/files/file_1") == ["+file_1"]


def test_an_owner_that_is_known_is_not_recorded_again() -> None:
    assert told("GET", "/v1/files/file_1", owner="a") == []


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_a_body_names_files_and_skills(wrap: type) -> None:
    body = b'{"container":{"skills":[{"skill_id" : "skill_1"}]},"source":{"type":"file","file_id":"file_2"}}'
    assert ids_in_body(wrap(body)) == ["file_2", "skill_1"]
    assert ids_in_body(wrap(b'{"text":"a file_id"}')) == []


@pytest.mark.parametrize(
    "part",
    [
        '{"type":"container_upload","file_id":"file_2"}',
        '{"type":"document","source":{"file_id":"file_2","type":"file"}}',
        '{"input":{"file_id":"file_1"},"type":"tool_use"},{"source":{"type" : "file", "file_id" : "file_2"}}',
    ],
)
def test_a_file_is_named_by_a_block_and_not_by_what_a_tool_is_called_with(part: str) -> None:
    assert ids_in_body(f'{{"content":[{part}]}}'.encode()) == ["file_2"]
    assert ids_in_body(b'{"type":"tool_use","input":{"file_id":"file_1"}}') == []
