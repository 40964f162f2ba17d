"""The servers that are measured, each in a process of its own: upstream, TeamClaude, nginx as a proxy."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.bench import paced, sse
from tests.bench.load import ROOT
from tests.bench.responder import MESSAGE
from tests.ports import free_port

__all__ = [
    "KEY",
    "Pem",
    "Server",
    "accounts",
    "certificate",
    "configured",
    "free_port",
    "nginx_proxy",
    "nginx_version",
    "node_proxy",
    "paced_upstream",
    "stream_upstream",
    "teamclaude",
    "upstream",
]

KEY = "tc-FAKEproxykeyFAKEproxykey"
ACCOUNTS = 16  # 64 conversations fit without waiting
START_SEC = 20.0
FAR = 4_102_444_800_000

_NO_CLOSE = 'proxy_set_header Connection "";'


class Pem(NamedTuple):
    """A self-signed certificate of 127.0.0.1, with its key."""

    cert: Path
    key: Path


class Server:
    """A child process that answers on `port`; leaving the block ends it.

    `started` is the seconds from its start to its first answer, `path` what it is asked for.
    """

    def __init__(
        self,
        command: list[str],
        port: int,
        path: str,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
        tls: bool = False,
        start_sec: float = START_SEC,
    ) -> None:
        self.port = port
        self._tls = tls
        began = time.perf_counter()
        self._child = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self._child.stdin is not None
        self._child.stdin.write(stdin)
        self._child.stdin.close()
        try:
            self._wait(path, began + start_sec)
        except BaseException:
            self.stop()
            raise
        self.started = time.perf_counter() - began

    def _wait(self, path: str, deadline: float) -> None:
        while not _answers(self.port, path, self._tls):
            if self._child.poll() is not None or time.perf_counter() > deadline:
                assert self._child.stderr is not None
                self._child.kill()
                raise RuntimeError(f"no answer: {self._child.stderr.read().decode()[-500:]}")
            time.sleep(0.001)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def threads(self) -> float | None:
        """Return the present number of threads; None without /proc."""
        return self._status("Threads")

    @property
    def peak_mb(self) -> float | None:
        """Return the peak of resident memory in MB; None without /proc."""
        kib = self._status("VmHWM")
        return None if kib is None else kib * 1024 / 1e6

    def _status(self, name: str) -> float | None:
        try:
            text = Path(f"/proc/{self._child.pid}/status").read_text()
        except OSError:
            return None
        return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(name)), None)

    @property
    def cpu_sec(self) -> float | None:
        """Return the processor time in seconds; None where another process's can't be read."""
        try:
            return time.clock_gettime((~self._child.pid << 3) | 2)  # Linux: the clock of a process
        except (OSError, AttributeError):
            return None

    @property
    def resident_mb(self) -> float | None:
        """Return the resident memory in MB; None without /proc."""
        try:
            with open(f"/proc/{self._child.pid}/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        except (OSError, ValueError):
            return None

    def switches_per_sec(self, after: float, during: float) -> float | None:
        """Wait `after` seconds; return the context switches per second of the `during` seconds that follow.

        Of threads that exist at the end.  None without /proc.
        """
        time.sleep(after)
        before, began = self._switches(), time.perf_counter()
        time.sleep(during)
        now, lasted = self._switches(), time.perf_counter() - began
        return sum(count - before.get(thread, 0) for thread, count in now.items()) / lasted if now else None

    def _switches(self) -> dict[str, int]:
        """Return the context switches of each thread so far."""
        found = {}
        for task in Path(f"/proc/{self._child.pid}/task").glob("*/status"):
            with suppress(OSError):  # it has ended
                lines = task.read_text().splitlines()
                counts = [line.split()[1] for line in lines if "voluntary_ctxt_switches" in line]
                found[task.parent.name] = sum(map(int, counts))
        return found

    def stop(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stderr is not None:
            self._child.stderr.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def accounts(count: int) -> list[dict[str, object]]:
    """Return `count` accounts as they stand in a config file."""
    return [
        {"name": f"a{n}", "type": "oauth", "accessToken": f"sk-ant-oat01-FAKE-{n}", "expiresAt": FAR}
        for n in range(count)
    ]


def configured(
    directory: Path,
    upstream_port: int,
    inflight: int = 5,
    ca: Path | None = None,
    more: Mapping[str, object] = {},
    document: Mapping[str, object] = {},
) -> tuple[int, dict[str, str]]:
    """Write a config file for a proxy in front of `upstream_port`; return the proxy's port and environment.

    `inflight` is `maxInflightPerAccount`; with `ca` the upstream is reached by TLS, and trusted for that;
    `more` is for the section `proxy`, `document` for the top level.
    """
    port = free_port()
    config = directory / "teamclaude.json"
    proxy = {"host": "127.0.0.1", "port": port, "apiKey": KEY, **more}
    whole = {
        "proxy": proxy,
        "upstream": f"{'http' if ca is None else 'https'}://127.0.0.1:{upstream_port}",
        "accounts": accounts(ACCOUNTS),
        "maxInflightPerAccount": inflight,
        **({} if ca is None else {"upstreamCaFile": str(ca)}),
        **document,
    }
    config.write_text(json.dumps(whole))
    config.chmod(0o600)
    env = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "TEAMCLAUDE_CONFIG": str(config),
    }
    return port, env


def teamclaude(
    directory: Path,
    upstream_port: int,
    inflight: int = 5,
    ca: Path | None = None,
    more: Mapping[str, object] = {},
    document: Mapping[str, object] = {},
) -> Server:
    """Start the proxy as a user does, `configured` in `directory`, which is its home."""
    port, env = configured(directory, upstream_port, inflight, ca, more, document)
    command = [sys.executable, "-m", "teamclaude", "server", "--headless"]
    return Server(command, port, "/health", env=env, tls="tls" in more)


def upstream(directory: Path, pem: Pem | None = None, reads_bodies: bool = False) -> Server:
    """Start nginx, else the responder: a fixed answer to every request; `pem` needs nginx.

    `reads_bodies`: it answers once it has the whole body, as the API does; nginx alone answers at once.
    """
    body = json.dumps(MESSAGE, separators=(",", ":"))
    port, headers = free_port(), _headers()
    if _nginx() is None:
        return Server([sys.executable, "-m", "tests.bench.responder", str(port)], port, "/", _answer_bytes())
    fields = " ".join(
        f'add_header {name} "{value}";' for name, value in headers.items() if name != "Content-Type"
    )
    answer = f"default_type application/json; {fields} return 200 '{body}';"
    serve = f"location / {{ {answer} }}"
    if reads_bodies:
        # `mirror` reads the body before a file is looked for, which takes no POST.
        serve += (
            f" root {directory}; location @answer {{ {answer} }}"
            f" location = /mirror {{ internal; return 204; }}"
            f" location /v1/ {{ mirror /mirror; try_files /nginx-{port}/nginx.conf =404;"
            f" error_page 405 =200 @answer; }}"
        )
    listen = f"listen 127.0.0.1:{port};"
    if pem is not None:
        listen = f"listen 127.0.0.1:{port} ssl; ssl_certificate {pem.cert}; ssl_certificate_key {pem.key};"
    return _start_nginx(directory, port, f"server {{ {listen} {serve} }}", pem is not None)


def _answer_bytes() -> bytes:
    body = json.dumps(MESSAGE, separators=(",", ":"))
    fields = "".join(f"{name}: {value}\r\n" for name, value in _headers().items())
    return f"HTTP/1.1 200 OK\r\n{fields}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def stream_upstream() -> Server:
    """Start an API that streams events."""
    port = free_port()
    return Server(sse.command(port), port, "/")


def paced_upstream() -> Server:
    """Start an API that reads no faster than a slow line brings it."""
    port = free_port()
    return Server(paced.command(port), port, "/", _answer_bytes())


def nginx_proxy(directory: Path, upstream_port: int, ca: Path | None = None) -> Server | None:
    """Start nginx as a plain reverse proxy; None without nginx.  `ca` as for `teamclaude`."""
    if _nginx() is None:
        return None
    port = free_port()
    behind = f"upstream api {{ server 127.0.0.1:{upstream_port}; keepalive 64; }}"
    scheme, trust = "http", ""
    if ca is not None:
        scheme = "https"
        trust = f"proxy_ssl_trusted_certificate {ca}; proxy_ssl_verify on; proxy_ssl_name localhost;"
    serve = f"location / {{ proxy_pass {scheme}://api; proxy_http_version 1.1; {trust} {_NO_CLOSE} }}"
    return _start_nginx(directory, port, f"{behind} server {{ listen 127.0.0.1:{port}; {serve} }}")


def node_proxy(upstream_port: int) -> Server | None:
    """Start a plain reverse proxy on Node's own `http`; None without Node."""
    node = shutil.which("node")
    if node is None:
        return None
    port = free_port()
    script = Path(__file__).with_name("node_proxy.js")
    return Server([node, str(script), str(port), str(upstream_port)], port, "/")


def certificate(directory: Path) -> Pem | None:
    """Make a new certificate; None without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    made = Pem(directory / "cert.pem", directory / "key.pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = [openssl, "req", "-x509", *curve, *names, "-keyout", str(made.key), "-out", str(made.cert)]
    subprocess.run(command, check=True, capture_output=True, timeout=START_SEC)
    return made


def nginx_version() -> str | None:
    """Return `1.22.1`, or None without nginx."""
    program = _nginx()
    if program is None:
        return None
    said = subprocess.run([program, "-v"], capture_output=True, text=True, timeout=10).stderr
    return said.strip().rpartition("/")[2]


def _nginx() -> str | None:
    # Debian keeps it where the PATH of a user does not look.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def _start_nginx(directory: Path, port: int, servers: str, tls: bool = False) -> Server:
    home = directory / f"nginx-{port}"
    home.mkdir()
    temporary = " ".join(
        f"{name}_temp_path {home}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = home / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {home}/pid; error_log stderr crit;\n"
        f"events {{ worker_connections 4096; }}\n"
        f"http {{ access_log off; client_max_body_size 100m; client_body_buffer_size 4m; "
        f"proxy_buffering off; "
        f"keepalive_requests 1000000000; {temporary} {servers} }}\n"
    )
    program = _nginx()
    assert program is not None
    return Server([program, "-p", str(home), "-e", "stderr", "-c", str(config)], port, "/", tls=tls)


def _headers() -> dict[str, str]:
    """Return the quota headers of an account that is hardly used."""
    reset = int(time.time()) + 3600
    unified = "anthropic-ratelimit-unified"
    return {
        "Content-Type": "application/json",
        "request-id": "req_fake00000001",
        f"{unified}-status": "allowed",
        f"{unified}-reset": str(reset),
        f"{unified}-5h-status": "allowed",
        f"{unified}-5h-reset": str(reset),
        f"{unified}-5h-utilization": "0.05",
        f"{unified}-7d-status": "allowed",
        f"{unified}-7d-reset": str(reset + 300_000),
        f"{unified}-7d-utilization": "0.05",
        f"{unified}-representative-claim": "five_hour",
    }


def _answers(port: int, path: str, tls: bool) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SEC)
    if tls:  # that it answers is all that is asked
        unverified = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=START_SEC, context=unverified)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
