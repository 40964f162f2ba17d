"""What a request's header tells of its project."""

from __future__ import annotations

from teamclaude.proxy.forwarding.user_rules import MAX_PROJECT_DEPTH, project_told
from teamclaude.routing.user_rules.patterns import matches_project


def test_a_project_is_decoded_and_normalized():
    assert project_told("/work/a%20b/./c/..") == "/work/a b"


def test_a_project_may_come_as_raw_utf_8():
    assert project_told("/work/café".encode().decode("latin-1")) == "/work/café"
    assert project_told("/work/caf\xe9") == "/work/café", "or as Latin-1, which a head is read as"


def test_a_deeper_directory_than_any_is_cut_and_still_below_its_parents():
    told = project_told("/work" + "/a" * 1500)
    assert told.count("/") == MAX_PROJECT_DEPTH
    assert matches_project("/work/a", told)
