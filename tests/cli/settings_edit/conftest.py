"""Fixtures of the tests that edit settings files."""

from __future__ import annotations

from pathlib import Path

import pytest

from teamclaude.cli.settings_edit.edited_files import EditedFiles


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "teamclaude.json"
    path.parent.mkdir()
    return path


@pytest.fixture
def files(config: Path) -> EditedFiles:
    return EditedFiles(config)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / ".claude" / "settings.json"
