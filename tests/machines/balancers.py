"""The real HAProxy and nginx, with the configurations that the manual shows."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from tests.bench.servers import free_port
from tests.machines.recipe import haproxy_file, nginx_file
from tests.machines.servers import Pool, until
from tests.proxy.conftest import Pem

__all__ = ["Haproxy", "Nginx"]


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except OSError:
        return False
    return True


class _Balancer:
    """A program in the foreground, listening on `port`."""

    def __init__(self, home: Path, command: list[str]) -> None:
        self._log = home / "balancer.log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self, port: int) -> None:
        """Wait until it listens."""
        until(lambda: _listens(port) or self._process.poll() is not None, "the balancer listens")
        assert self._process.poll() is None, self._log.read_text("utf-8", "replace")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(60)


class Haproxy(_Balancer):
    """HAProxy in front of the pool."""

    def __init__(self, home: Path, pool: Pool, pem: Pem, ca_file: str = "") -> None:
        self.port = free_port()
        self._admin = str(home / "admin.sock")
        both = home / "both.pem"
        both.write_text(Path(pem.cert).read_text() + Path(pem.key).read_text())
        config = home / "haproxy.cfg"
        bind = f"127.0.0.1:{self.port}"
        config.write_text(haproxy_file(pool.addresses, bind, str(both), self._admin, ca_file))
        checked = subprocess.run(["haproxy", "-c", "-f", str(config)], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        assert "WARNING" not in checked.stderr
        super().__init__(home, ["haproxy", "-db", "-f", str(config)])
        self.wait(self.port)

    def servers(self) -> dict[str, tuple[str, int]]:
        """Return status and weight of each server, by the order of the pool: a, b, c."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(60)
            admin.connect(self._admin)
            admin.sendall(b"show stat\n")
            text = b""
            while data := admin.recv(65536):
                text += data
        rows = [
            line.split(",") for line in text.decode().splitlines() if line.startswith("teamclaude_servers,")
        ]
        found = {row[1]: (row[17], int(row[18])) for row in rows}
        return dict(zip("abc", (found[name] for name in ("one", "two", "three"))))

    def wait_up(self, *names: str) -> None:
        """Wait until these servers are up and take new conversations."""
        until(
            lambda: all(self.servers()[name][0] == "UP" for name in names or "abc"),
            f"{names} are up: {self.servers()}",
        )


class Nginx(_Balancer):
    """nginx in front of the pool."""

    def __init__(self, home: Path, pool: Pool, pem: Pem) -> None:
        self.port = free_port()
        site = home / "teamclaude.conf"
        site.write_text(nginx_file(pool.addresses, f"127.0.0.1:{self.port}", pem.cert, pem.key))
        temporary = "".join(
            f"    {kind}_temp_path {home}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config = home / "nginx.conf"
        config.write_text(
            f"daemon off;\nerror_log stderr warn;\npid {home}/nginx.pid;\nworker_processes 2;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{\n    access_log off;\n{temporary}"
            f"    include {site};\n}}\n"
        )
        command = ["nginx", "-p", str(home), "-c", str(config)]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        super().__init__(home, command)
        self.wait(self.port)

    def close(self) -> None:
        """End the master, which ends its workers."""
        self._process.terminate()
        self._process.wait(60)
