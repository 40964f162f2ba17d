"""Modules with OpenSSL are loaded by their first use, and by nothing before."""

from __future__ import annotations

import hmac as real_hmac
import subprocess
import sys
from pathlib import Path

import pytest

from teamclaude.lazy_modules import hmac

ROOT = Path(__file__).resolve().parents[1]
OPENSSL = {"_hashlib", "_ssl", "hashlib", "hmac", "secrets", "ssl"}


def loaded_by(code: str) -> set[str]:
    """Run code in a new interpreter; return which modules with OpenSSL are loaded then."""
    command = [sys.executable, "-S", "-c", f"{code}; import sys; print(*sys.modules)"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return OPENSSL & set(ended.stdout.split())


def test_the_import_alone_loads_none_of_them() -> None:
    assert loaded_by("from teamclaude.lazy_modules import hashlib, hmac, secrets, ssl") == set()


def test_the_first_use_loads_that_module() -> None:
    found = loaded_by("from teamclaude.lazy_modules import hashlib, ssl; hashlib.sha256()")
    assert "hashlib" in found
    assert "ssl" not in found


def test_it_is_the_module_itself_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hmac.compare_digest is real_hmac.compare_digest
    monkeypatch.setattr(real_hmac, "compare_digest", len)
    assert hmac.compare_digest is len  # type: ignore[comparison-overlap]


def test_what_a_module_does_not_have_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        hmac.no_such_name  # type: ignore[attr-defined] # noqa: B018
