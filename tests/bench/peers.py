"""Other proxies that the registries offer, started as their documentation says.

They are installed once, into a cache outside the repository ($TEAMCLAUDE_BENCH_CACHE or
~/.cache/teamclaude-bench).  Each gets one account, or none where it knows no such thing, and does all that
it does by default: some keep a record of every request, as ours does.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.routes import Route
from tests.bench.servers import KEY, Server, free_port

__all__ = ["peers_to"]

CACHE = Path(os.environ.get("TEAMCLAUDE_BENCH_CACHE") or Path.home() / ".cache" / "teamclaude-bench")
INSTALL_SEC = 300.0
START_SEC = 60.0  # LiteLLM takes its time


class PeerUnavailableError(Exception):
    """A proxy could not be installed or started; the text says why, in one line."""


def peers_to(api: Server, directory: Path, running: ExitStack) -> Iterator[Route]:
    """Start all proxies that are available in front of this API; report the others on stderr."""
    for name, start in PEERS.items():
        home = directory / name
        home.mkdir()
        print(f"starting {name}", file=sys.stderr)
        try:
            yield start(api, home, running)
        except (PeerUnavailableError, OSError, RuntimeError, http.client.HTTPException) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)


def _ccflare(api: Server, home: Path, running: ExitStack) -> Route:
    program = _node("better-ccflare", "3.5.4") / "dist" / "better-ccflare"
    port = free_port()
    env = {**_environment(home), "BETTER_CCFLARE_HOST": "127.0.0.1"}
    server = Server(
        [str(program), "--serve", "--port", str(port)], port, "/api/accounts", env=env, start_sec=START_SEC
    )
    running.enter_context(server)
    account = {
        "name": "a0",
        "apiKey": "sk-FAKE",
        "customEndpoint": f"http://127.0.0.1:{api.port}",
        "priority": 0,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SEC)
    fields = {"Content-Type": "application/json"}
    connection.request("POST", "/api/accounts/anthropic-compatible", json.dumps(account), fields)
    answer = connection.getresponse()
    if answer.status != 200:
        raise PeerUnavailableError(f"no account could be added: {answer.status} {answer.read(200)!r}")
    connection.close()
    return Route("better-ccflare", server)


def _portkey(api: Server, home: Path, running: ExitStack) -> Route:
    node = shutil.which("node")
    if node is None:
        raise PeerUnavailableError("node is not on the PATH")
    script = _node("@portkey-ai/gateway", "1.15.2") / "build" / "start-server.js"
    port = free_port()
    command = [node, str(script), f"--port={port}", "--headless"]
    server = Server(command, port, "/", env=_environment(home), start_sec=START_SEC)
    where = {"x-portkey-provider": "anthropic", "x-portkey-custom-host": f"http://127.0.0.1:{api.port}/v1"}
    return Route("portkey", running.enter_context(server), headers=where)


def _litellm(api: Server, home: Path, running: ExitStack) -> Route:
    port = free_port()
    command = [
        str(_python("litellm[proxy]==1.106.2") / "litellm"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    env = {
        **_environment(home),
        "ANTHROPIC_API_BASE": f"http://127.0.0.1:{api.port}",
        "ANTHROPIC_API_KEY": "sk-FAKE",
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it is fetched at each start
    }
    server = Server(command, port, "/health/liveliness", env=env, start_sec=START_SEC)
    return Route("LiteLLM", running.enter_context(server), prefix="/anthropic")


def _mitmproxy(api: Server, home: Path, running: ExitStack) -> Route:
    port = free_port()
    mode = ["--mode", f"reverse:http://127.0.0.1:{api.port}", "--listen-host", "127.0.0.1", "-p", str(port)]
    command = [str(_python("mitmproxy==11.0.2") / "mitmdump"), "-q", *mode]
    server = Server(command, port, "/", env=_environment(home), start_sec=START_SEC)
    return Route("mitmproxy", running.enter_context(server))


PEERS: dict[str, Callable[[Server, Path, ExitStack], Route]] = {
    "better-ccflare": _ccflare,
    "portkey": _portkey,
    "LiteLLM": _litellm,
    "mitmproxy": _mitmproxy,
}


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(home)}


# --- installing ---------------------------------------------------------------------------------------


def _node(package: str, version: str) -> Path:
    """Install an npm package and return its directory; raise PeerUnavailableError."""
    place = CACHE / f"{package.rpartition('/')[2]}-{version}"
    if not (place / ".ready").exists():
        npm = shutil.which("npm")
        if npm is None:
            raise PeerUnavailableError("npm is not on the PATH")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        quiet = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
        _run(npm, "install", "--prefix", str(place), *quiet, f"{package}@{version}")
        (place / ".ready").touch()
    return place.joinpath("node_modules", *package.split("/"))


def _python(requirement: str) -> Path:
    """Install a PyPI package and return the directory of its programs; raise PeerUnavailableError."""
    tag = f"{sys.implementation.name}{sys.version_info[0]}.{sys.version_info[1]}"
    place = CACHE / f"{requirement.translate(str.maketrans('[]=', '---'))}-{tag}"
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    if not (place / ".ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(place))
        _run(
            str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install", requirement
        )
        (place / ".ready").touch()
    return programs


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_SEC
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerUnavailableError(f"{command[0]}: {error}") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise PeerUnavailableError(
            " / ".join(lines[-3:])[:300] or f"{command[0]} ended with {done.returncode}"
        )
