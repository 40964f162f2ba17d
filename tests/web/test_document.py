"""The page put together from its files: nothing is loaded, nothing else runs."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from teamclaude.web.document import assemble, page_document

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = {
    "page.html": '<head>\n<link rel="stylesheet" href="a.css">\n'
    '<script src="js/late.js" defer></script>\n</head>'
    '<body>\n<script src="js/a.js"></script>\n</body>',
    "a.css": "a { color: red }\n",
    "js/a.js": "one();\n",
    "js/late.js": "two();\n",
}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_styles_and_scripts_are_put_in_with_their_hashes() -> None:
    document = assemble(FILES.__getitem__)
    assert document.body.decode() == (
        "<head>\n<style>a { color: red }\n</style>\n</head>"
        "<body>\n<script>one();\n</script>\n<script>two();\n</script>\n</body>"
    )
    policy = dict(document.headers)["Content-Security-Policy"]
    assert f"style-src {hash_of(FILES['a.css'])};" in policy
    assert hash_of(FILES["js/a.js"]) in policy
    assert hash_of(FILES["js/late.js"]) in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize("text", ["x = '</script>'", "/* </STYLE */", "<!-- x"])
def test_a_file_that_would_end_its_element_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a\.css"):
        assemble({**FILES, "a.css": text}.__getitem__)


def test_the_document_of_this_version_is_whole_and_small() -> None:
    document = page_document()
    html = document.body.decode()
    assert len(document.body) <= 150_000
    assert not re.search(r"<link rel=\"stylesheet\"|<script [^>]*src", html)
    policy = dict(document.headers)["Content-Security-Policy"]
    for kind in ("style", "script"):
        for text in re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.S):
            assert hash_of(text) in policy
    assert "http://" not in re.sub(r"http://(?:www\.w3\.org|127\.0\.0\.1|localhost)", "", html)


@pytest.mark.parametrize("how", ["copy", "zip"])
def test_the_page_comes_from_a_copied_directory_and_from_a_zip(tmp_path: Path, how: str) -> None:
    shutil.copytree(
        ROOT / "teamclaude", tmp_path / "x" / "teamclaude", ignore=shutil.ignore_patterns("*.pyc")
    )
    place = tmp_path / "x"
    if how == "zip":
        place = tmp_path / "x.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for path in (tmp_path / "x").rglob("*"):
                archive.write(path, path.relative_to(tmp_path / "x"))
    code = (
        f"import sys; sys.path.insert(0, {str(place)!r}); from teamclaude.web.document import page_document; "
        "sys.stdout.buffer.write(page_document().body)"
    )
    command = [sys.executable, "-I", "-c", code]
    found = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    assert found.stdout.replace(b"\r\n", b"\n") == page_document().body
