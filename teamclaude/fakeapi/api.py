"""The fake API: an HTTP/1.1 server on loopback, with faults that are exact to the byte.

    api = FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")])
    with api:
        api.script.once(Fault.overloaded(), account="a")
        ...                                # requests to api.url
        assert api.log[0].status == 529

One thread per connection.  Every request ends as one LoggedExchange in `log`; `live` has those
that are being answered.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import TypeVar

from ..values import dataclass, replace
from .answer import ApiAnswer, error_answer, steps
from .api_endpoints import ApiEndpoints, ApiPace, PendingCharge
from .api_script import ApiScript
from .clock import real_seconds
from .fake_account import FakeAccount
from .fault import Fault
from .wire import ApiConnection, NotHttpError, PeerClosedError, Request, SendProgress

__all__ = ["FakeApi", "LoggedExchange"]

_Api = TypeVar("_Api", bound="FakeApi")


@dataclass(frozen=True)
class LoggedExchange(Request):
    """One request and its outcome; times are seconds of the API's clock.

    `outcome`: open (not over yet), answered, "client closed after N bytes", or
    "cut (rst|fin|hang) after N bytes" when a fault broke the answer off.
    `status` is 0 when no head was sent.  `connection` is the number of the client's connection.
    """

    number: int
    at: float
    size: int
    account: str | None
    connection: int
    status: int = 0
    outcome: str = "open"
    sent: int = 0
    ended: float | None = None


class FakeApi:
    """The server; `seed` fixes the random faults of `script.profile`, `keep_bodies=False` logs sizes only.

    `prefix` is a path in front of every target; `tls` makes it an https server.
    """

    def __init__(
        self,
        accounts: Sequence[FakeAccount],
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        script: ApiScript | None = None,
        pace: ApiPace | None = None,
        port: int = 0,
        prefix: str = "",
        keep_bodies: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.clock = clock
        self.script = script or ApiScript(seed=seed)
        self.endpoints = ApiEndpoints(accounts, clock, pace)
        self.port = port
        self._prefix = prefix
        self._keep_bodies = keep_bodies
        self._tls = tls
        self._listener: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._connection_numbers = itertools.count(1)
        # Guards the three collections below; `wait_until` waits on it.
        self._changed = threading.Condition()
        self._log: list[LoggedExchange] = []
        self._live: dict[int, LoggedExchange] = {}
        self._connections: set[ApiConnection] = set()

    # --- start and stop ------------------------------------------------------------------

    def start(self: _Api) -> _Api:
        """Listen, and return the API itself."""
        self.listen()
        return self

    def stop(self) -> None:
        """Close the listener and every connection; return when their exchanges are logged (or after 5 s)."""
        self.stop_listening()
        self.close_connections()
        with self._changed:
            self._changed.wait_for(lambda: not self._connections, timeout=5)

    def close_connections(self) -> None:
        """Close every open connection at once, also during an answer."""
        with self._changed:
            open_now = list(self._connections)
        for connection in open_now:
            connection.shut_down()

    def __enter__(self: _Api) -> _Api:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def listen(self) -> None:
        """Accept connections (again), always on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop_listening(self) -> None:
        """Close the listener: new connections are refused, open ones continue."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        # On Linux only shutdown() wakes the thread inside accept(); elsewhere only close() does.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()

    # --- observing -----------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base URL, prefix included."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{self._prefix}"

    @property
    def accounts(self) -> Mapping[str, FakeAccount]:
        """The accounts by name."""
        return self.endpoints.accounts

    @property
    def log(self) -> tuple[LoggedExchange, ...]:
        """The finished exchanges, in the order of their arrival.

        The order of their ends is not reliable: each is logged by its connection's thread, and of two
        attempts of one request the first may be logged last.
        """
        with self._changed:
            return tuple(sorted(self._log, key=lambda exchange: exchange.number))

    @property
    def live(self) -> tuple[LoggedExchange, ...]:
        """The exchanges that have arrived and are not finished."""
        with self._changed:
            return tuple(self._live.values())

    @property
    def arrived(self) -> int:
        """Number of exchanges so far, also of those whose answer has left but whose end is not logged yet."""
        with self._changed:
            return len(self._log) + len(self._live)

    @property
    def inflight(self) -> int:
        """Number of unfinished exchanges."""
        return len(self.live)

    @property
    def connections(self) -> int:
        """Number of open client connections, idle ones included."""
        with self._changed:
            return len(self._connections)

    def wait_until(self, condition: Callable[[FakeApi], bool], timeout: float = 30.0) -> bool:
        """Wait until `condition(self)`; False after `timeout` seconds.

        It is checked whenever an exchange or a connection begins or ends.
        """
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout)

    # --- serving -------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        number = next(self._connection_numbers)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            plain = self._tls.wrap_socket(sock, server_side=True) if self._tls else sock
        except OSError:
            sock.close()
            return
        connection = ApiConnection(plain, real_seconds(self.clock, 1.0))
        with self._changed:
            self._connections.add(connection)
            self._changed.notify_all()
        try:
            self._serve_requests(connection, number)
        finally:
            connection.close()
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()

    def _serve_requests(self, connection: ApiConnection, number: int) -> None:
        fault = self.script.on_accept()
        if fault is not None and not _apply_accept_fault(connection, fault):
            return
        while True:
            try:
                request = connection.read_request()
            except PeerClosedError:
                return
            except NotHttpError as exc:
                refusal = error_answer(400, str(exc))
                connection.send_steps(steps(replace(refusal, framing="close"), None), SendProgress())
                return
            if request is None or not self._serve_one(connection, number, request):
                return

    def _serve_one(self, connection: ApiConnection, number: int, request: Request) -> bool:
        """Serve one request from arrival to log; return whether the connection stays open."""
        inner = replace(request, target=self._without_prefix(request.target))
        owner = self.endpoints.account_of(inner)
        exchange = self._log_arrival(request, number, owner)
        fault = self.script.fault(inner, exchange.account)
        answer, charge = self._answer(inner, owner, fault)
        answer = _with_request_id(answer, exchange.number)
        head_only = request.method == "HEAD"
        progress = SendProgress()
        try:
            connection.send_steps(steps(answer, fault, head_only=head_only), progress)
        finally:
            if charge is not None:
                self.endpoints.finish_charge(charge, progress.events)
            self._log_end(exchange, answer, fault, progress)
        asked_to_close = (request.header("connection") or "").lower() == "close"
        return not (progress.gone or progress.closed or asked_to_close or request.version == "HTTP/1.0")

    def _without_prefix(self, target: str) -> str:
        if self._prefix and target.startswith(self._prefix):
            return target[len(self._prefix) :] or "/"
        return target

    def _answer(
        self, request: Request, owner: FakeAccount | None, fault: Fault | None
    ) -> tuple[ApiAnswer, PendingCharge | None]:
        if fault is not None and fault.replaces:
            return self.endpoints.fault_answer(request, owner, fault), None
        return self.endpoints.answer(request, owner, lambda: self.script.reply(request))

    def _log_arrival(self, request: Request, number: int, owner: FakeAccount | None) -> LoggedExchange:
        exchange = LoggedExchange(
            number=next(self._numbers),
            at=self.clock(),
            method=request.method,
            target=request.target,
            version=request.version,
            headers=request.headers,
            body=request.body if self._keep_bodies else b"",
            size=len(request.body),
            account=owner.name if owner else None,
            connection=number,
        )
        with self._changed:
            self._live[exchange.number] = exchange
            self._changed.notify_all()
        return exchange

    def _log_end(
        self, exchange: LoggedExchange, answer: ApiAnswer, fault: Fault | None, progress: SendProgress
    ) -> None:
        outcome = "answered"
        if progress.gone and progress.closed != "hang":
            outcome = f"client closed after {progress.sent} bytes"
        elif progress.closed and fault is not None and (fault.cut or fault.raw is not None):
            outcome = f"cut ({progress.closed}) after {progress.sent} bytes"
        done = replace(
            exchange,
            status=answer.status if progress.head else 0,
            outcome=outcome,
            sent=progress.sent,
            ended=self.clock(),
        )
        with self._changed:
            del self._live[exchange.number]
            self._log.append(done)
            self._changed.notify_all()


def _apply_accept_fault(connection: ApiConnection, fault: Fault) -> bool:
    """Apply a fault before the first request is read; return whether the connection stays open."""
    progress = SendProgress()
    try:
        connection.wait(fault.before_read)
    except PeerClosedError:
        return False
    if fault.cut is not None:
        connection.send_steps(steps(ApiAnswer(0), fault), progress)
        return False
    return True


def _with_request_id(answer: ApiAnswer, number: int) -> ApiAnswer:
    extra = [("Date", formatdate(usegmt=True)), ("request-id", f"req_fake{number:08d}")]
    return replace(answer, headers=[*extra, *answer.headers])
