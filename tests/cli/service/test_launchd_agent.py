"""The property list for launchd is one, whatever is in it."""

from __future__ import annotations

import plistlib
from pathlib import Path

from teamclaude.cli.service.launchd_agent import agent_text
from teamclaude.cli.service.unit_files import marked
from tests.cli.service.test_systemd_units import ODD, spec


def test_it_can_be_read_back() -> None:
    given = spec(name="mine", command=(ODD, "<server>", "&"), environment={"A": "<b>"}, log=Path("/l/x.log"))
    ((name, text),) = agent_text(given).items()
    assert name == "mine.server.plist"
    found = plistlib.loads(marked(text).encode())
    assert found["Label"] == "mine.server"
    assert found["ProgramArguments"] == [ODD, "<server>", "&"]
    assert found["EnvironmentVariables"] == {"A": "<b>"}
    assert found["KeepAlive"] == {"SuccessfulExit": False}
    assert found["ExitTimeOut"] == 91
    assert found["StandardOutPath"] == found["StandardErrorPath"] == "/l/x.log"
