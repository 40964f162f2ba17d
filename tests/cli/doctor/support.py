"""What the tests of the examination share."""

from __future__ import annotations

from teamclaude.cli.doctor.finding import Finding, Group

__all__ = ["by_id", "ids"]


def ids(group: Group) -> list[str]:
    """Return the ids of what was found."""
    return [finding.kind.id for finding in group.findings]


def by_id(group: Group) -> dict[str, Finding]:
    """Return the findings by id; there must be one of each."""
    assert len(set(ids(group))) == len(group.findings)
    return {finding.kind.id: finding for finding in group.findings}
