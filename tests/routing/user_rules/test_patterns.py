"""Globs, and directories as they are compared."""

from __future__ import annotations

import pytest

from teamclaude.routing.user_rules import patterns as module
from teamclaude.routing.user_rules.patterns import covers, matches, matches_project, name_of, normalized_path


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("claude-opus-*", "claude-opus-4-8", True),
        ("Claude-Opus-*", "claude-opus-4-8", True),
        ("opus", "claude-opus-4-8", False),
        ("*opus*", "claude-opus-4-8", True),
        ("claude-opus-4-?", "claude-opus-4-8", True),
        ("claude-opus-4-[78]", "claude-opus-4-6", False),
        ("*", "", True),
        ("claude-*", "", False),
    ],
)
def test_a_glob_covers_the_whole_value_and_what_is_not_known_only_matches_a_star(pattern, value, fits):
    assert matches(pattern, value, ignore_case=True) is fits


def test_case_counts_where_it_is_not_a_model():
    assert not matches("CI", "ci")


@pytest.mark.parametrize(
    ("pattern", "directory", "fits"),
    [
        ("/work/a", "/work/a", True),
        ("/work/a", "/work/a/src/lib", True),
        ("/work/a", "/work/ab", False),
        ("/work/a", "/work", False),
        ("/work/*/site", "/work/acme/site/src", True),
        ("/work/*/site", "/work/acme/sites", False),
        ("/work/*", "/work/acme/site", True),
        ("/work/*", "/work", False),
        ("/work/?", "/work/a/src", True),
        ("/work/?", "/work/ab", False),
        ("client*", "/work/a/client", True),
        ("sit*e", "/work/sit/site", True),
        ("sit*e", "/work/sit/e", False),
        ("site", "/work/acme/site/src", True),
        ("site", "/work/acme/sites", False),
        ("client*", "/work/clientA/src", True),
        ("/", "/anything", True),
        ("*", "", True),
        ("/work", "", False),
        ("c:/work", "c:/work/a", True),
    ],
)
def test_a_project_is_its_directory_and_everything_below_it(pattern, directory, fits):
    assert matches_project(pattern, directory) is fits


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("/work/a/", "/work/a"),
        ("//work//a/./b/..", "/work/a"),
        ("/", "/"),
        ("C:\\Work\\A\\", "c:/work/a"),
        ("C:/Work/A", "c:/work/a"),
        ("\\\\host\\share\\a", "/host/share/a"),
        ("/Work/A", "/Work/A"),
        ("/work/häß", "/work/häß"),
        ("", ""),
    ],
)
def test_a_directory_is_compared_without_what_means_nothing(written, compared):
    assert normalized_path(written) == compared


def test_its_name_is_the_last_part():
    assert (name_of("/work/site"), name_of("/"), name_of("")) == ("site", "/", "")


@pytest.mark.parametrize(
    ("wide", "narrow", "surely"),
    [
        ("*", "claude-opus-*", True),
        ("claude-*", "claude-opus-*", True),
        ("claude-*", "claude-opus-4-8", True),
        ("claude-opus-*", "claude-*", False),
        ("claude-?", "claude-*", False),
        ("a*]b", "a[x]b", False),
        ("a*b", "a?b", True),
    ],
)
def test_what_a_glob_surely_covers(wide, narrow, surely):
    assert covers(wide, narrow) is surely


def test_a_deep_directory_is_compared_once_with_a_glob_not_once_for_each_of_its_parents(monkeypatch):
    compared = []

    class Pattern:
        def match(self, directory):
            compared.append(directory)

    monkeypatch.setattr(module, "_compiled_above", lambda pattern: Pattern())
    assert not matches_project("/work/*/x", "/a" * 2000)
    assert len(compared) == 1
