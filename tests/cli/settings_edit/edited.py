"""A settings file that two commands edit, for the tests of the edits and of their records."""

from __future__ import annotations

from pathlib import Path

from teamclaude.cli.settings_edit.edit_record import Edit

URL, KEY = ("env", "URL"), ("env", "KEY")
EDITS = (Edit(URL, "http://127.0.0.1:1"), Edit(KEY, "tc-1"))

CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "an empty object": b"{\n}",
    "two blanks": b'{\n  "model": "opus",\n  "env": {\n    "X": "x"\n  }\n}\n',
    "an empty env": b'{"env": {}}',
    "tabs and CRLF": b'{\r\n\t"model": "opus"\r\n}',
    "byte order mark": b'\xef\xbb\xbf{"model": "opus"}',
    "UTF-16": '\ufeff{\r\n\t"model": "opus"\r\n}'.encode("utf-16-le"),
    "comments": b'// mine\n{\n  "env": { // none\n  }, /* x */\n}\n',
    "our keys with other values": b'{"env": {"URL": "https://gateway.example",   "KEY": "sk"}, "a": 1}',
    "a number and a wrong type": b'{"env": {"URL": 17, "KEY": [ 1,2 ]}}',
}


def written(file: Path, data: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file
