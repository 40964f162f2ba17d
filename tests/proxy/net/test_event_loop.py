"""Many streams in one thread: each is served as if it were alone."""

from __future__ import annotations

import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Optional

import pytest

from teamclaude.errors import ClientGoneError, UpstreamLostError
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fake_account import FakeAccount
from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.http.framing import BodyKind, Framing
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net import event_loop as module
from teamclaude.proxy.net.client_connection import ClientConnection
from teamclaude.proxy.net.event_loop import STALLED_SEC, EventLoop, LoopState, Task, unregister_from_loop
from teamclaude.proxy.net.relay import relay
from teamclaude.proxy.net.socket_wait import ClientWatch
from teamclaude.proxy.net.upstream_connection import UpstreamConnection, read_response
from tests.proxy.net.conftest import half_close

Pair = Callable[[], tuple[socket.socket, socket.socket]]
StartStream = Callable[..., Any]
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.skipif(
    not hasattr(select, "epoll"), reason="no epoll here: streams keep their threads"
)


class Stream:
    """One stream that a thread hands to the event loop; its first event was relayed before."""

    def __init__(
        self, client_pair: Pair, pair: Pair, event_loop: EventLoop, idle: float, see: Callable[[Any], None]
    ) -> None:
        self.reader, here = client_pair()
        there, self.upstream = pair()
        self.client = ClientConnection(here, 5.0, 5.0, 5.0)
        self.upstream.sendall(HEAD + b"5\r\nfirst\r\n")
        self.answer = read_response(
            UpstreamConnection(there, Origin("http", "127.0.0.1", 1)), "POST", ClientWatch(None), 5.0
        )
        self.error: Optional[BaseException] = None
        self._hand_over = (event_loop, idle, see)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.reads(5) == b"first"

    def _run(self) -> None:
        event_loop, idle, see = self._hand_over
        try:
            relay(
                self.answer,
                self.client,
                b"",
                Framing(BodyKind.UNTIL_CLOSE),
                [see],
                idle,
                event_loop=event_loop,
            )
        except BaseException as error:
            self.error = error

    def says(self, data: bytes) -> None:
        self.upstream.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def reads(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            data = self.reader.recv(count - len(out))
            assert data, f"ended after {len(out)} bytes"
            out += data
        return out

    def flows(self) -> bool:
        self.says(b"still here")
        return self.reads(10) == b"still here"

    def ends(self) -> Optional[BaseException]:
        """How the relay ended."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.error


@pytest.fixture
def start_stream(
    client_pair: Pair, tcp_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Stream]]:
    """Make a Stream; all of them run in one event loop."""
    monkeypatch.setattr(module, "IDLE_EXIT_SEC", 0.0)
    event_loop = EventLoop()
    made: list[Stream] = []

    def make(idle: float = 5.0, see: Callable[[Any], None] = lambda piece: None) -> Stream:
        made.append(Stream(client_pair, tcp_pair, event_loop, idle, see))
        return made[-1]

    yield make
    for stream in made:
        with suppress(OSError):
            stream.client.sock.shutdown(socket.SHUT_RDWR)
    event_loop.close()
    assert loop_threads() == 0


def loop_threads() -> int:
    return sum(thread.name == "event-loop" for thread in threading.enumerate())


def test_one_thread_relays_all_streams(start_stream: StartStream) -> None:
    streams = [start_stream() for _ in range(20)]
    for turn in range(5):
        for number, stream in enumerate(streams):
            stream.says(b"%d of %d;" % (turn, number))
    for number, stream in enumerate(streams):
        expected = b"".join(b"%d of %d;" % (turn, number) for turn in range(5))
        assert stream.reads(len(expected)) == expected
    assert loop_threads() == 1
    for stream in streams:
        stream.upstream.sendall(b"0\r\n\r\n")
    assert [stream.ends() for stream in streams] == [None] * 20
    assert all(stream.answer.reusable for stream in streams)


def test_a_client_that_does_not_read_stops_only_its_upstream(start_stream: StartStream) -> None:
    lazy, busy = start_stream(), start_stream()
    lazy.upstream.sendall(b"%x\r\n" % (1 << 40))  # one endless chunk
    lazy.upstream.setblocking(False)
    poured = stuck = 0
    while stuck < 20:  # until nothing moves any more
        try:
            poured += lazy.upstream.send(b"x" * 65536)
            stuck = 0
        except BlockingIOError:
            stuck += 1
            assert busy.flows()
        assert poured < 100_000_000, "what nobody reads is piled up"
    lazy.upstream.setblocking(True)
    lazy.upstream.settimeout(30)
    assert lazy.reads(poured) == b"x" * poured
    lazy.upstream.sendall(b"yy")
    assert lazy.reads(2) == b"yy"


def test_silence_ends_only_the_silent_stream(start_stream: StartStream) -> None:
    patient, hasty = start_stream(), start_stream(idle=0.05)
    error = hasty.ends()
    assert isinstance(error, UpstreamLostError)
    assert str(error) == "the upstream sent no data for 0.05 s"
    assert patient.flows()


def test_a_stream_that_moves_is_not_late(start_stream: StartStream) -> None:
    stream = start_stream(idle=0.1)
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        assert stream.flows()
        time.sleep(0.02)
    stream.upstream.sendall(b"0\r\n\r\n")
    assert stream.ends() is None


def test_a_client_that_leaves_ends_only_its_own_stream(start_stream: StartStream) -> None:
    leaving, staying = start_stream(), start_stream()
    leaving.reader.close()
    assert isinstance(leaving.ends(), ClientGoneError)
    assert staying.flows()


def test_a_half_closed_client_still_gets_what_has_arrived(start_stream: StartStream) -> None:
    waiting, going_on = threading.Event(), threading.Event()

    def waits(piece: Any) -> None:
        if bytes(piece) == b"wait":
            waiting.set()
            going_on.wait(5)

    stream, other = start_stream(), start_stream(see=waits)
    other.says(b"wait")
    assert waiting.wait(30)  # while the loop blocks here, both of these happen
    half_close(stream.reader)
    stream.says(b"last words")
    going_on.set()
    assert stream.reads(10) == b"last words"
    stream.reader.close()
    assert isinstance(stream.ends(), ClientGoneError)


@pytest.mark.skipif(sys.platform != "linux", reason="the peer's socket can't be looked up")
def test_a_half_closed_client_gets_the_rest_of_its_stream_from_its_thread(start_stream: StartStream) -> None:
    stream, other = start_stream(), start_stream()
    half_close(stream.reader)
    assert other.flows()
    assert stream.flows()
    assert stream.flows()
    other.upstream.sendall(b"0\r\n\r\n")
    assert other.ends() is None
    assert stream.flows(), "without the loop, which has ended by now"
    stream.upstream.sendall(b"0\r\n\r\n")
    assert stream.ends() is None
    assert stream.answer.complete


def test_a_failing_observer_ends_only_its_own_stream(start_stream: StartStream) -> None:
    def fails(piece: Any) -> None:
        if bytes(piece) != b"first":
            raise ZeroDivisionError

    broken, whole = start_stream(see=fails), start_stream()
    broken.says(b"x")
    assert isinstance(broken.ends(), ZeroDivisionError)
    assert whole.flows()


def test_a_defect_of_the_loop_leaves_no_thread_waiting(
    start_stream: StartStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [start_stream() for _ in range(3)]
    with monkeypatch.context() as defect:
        defect.setattr(module, "MAX_EVENTS", "many")
        for stream in streams:
            stream.says(b"x")
        assert {type(stream.ends()) for stream in streams} == {TypeError}
    assert start_stream().flows()


@pytest.mark.parametrize("lacking", ["event_loop.EPOLL", "relay.StreamTask.register"])
def test_without_a_free_watch_the_thread_goes_on(
    start_stream: StartStream, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    def full(*anything: Any) -> Any:
        raise OSError("no descriptor left")

    monkeypatch.setattr(f"teamclaude.proxy.net.{lacking}", full)
    stream = start_stream()
    assert stream.flows()
    stream.upstream.sendall(b"0\r\n\r\n")
    assert stream.ends() is None


def test_bytes_that_tls_has_decrypted_are_read(
    stage: Callable[..., Any], pem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TLS record is decrypted as a whole: a poll says nothing of the bytes that one read leaves."""
    monkeypatch.setattr("teamclaude.proxy.net.upstream_connection.RECV_BYTES", 3)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem.cert, pem.key)
    with FakeApi([FakeAccount("a", "sk-ant-oat01-FAKE-a")], tls=context) as api:
        api.script.always(Fault.slow(between_events=0.005))
        s = stage("a", upstream=api.url, upstreamCaFile=pem.cert, bodyIdleTimeoutSec=0.5)
        reply = s.ask()
        assert (reply.status, b"message_stop" in reply.body) == (200, True)
    assert [record["outcome"] for record in s.records] == ["served"]


def test_the_usage_tap_sees_what_the_loop_relays(stage: Callable[..., Any]) -> None:
    s = stage("a")
    s.api.script.once(Fault.slow(between_events=0.005))
    assert b"message_stop" in s.ask().body
    assert s.records[-1]["outcome"] == "served"
    assert s.records[-1]["outputTokens"] > 0


# --- registrations ---------------------------------------------------------------------------------

IN = getattr(select, "EPOLLIN", 0)


def connection_of(pair: Pair) -> UpstreamConnection:
    return UpstreamConnection(pair()[0], Origin("http", "127.0.0.1", 1))


def test_a_connection_is_registered_once_however_often_it_is_watched(tcp_pair: Pair) -> None:
    state, connection = LoopState(select.epoll()), connection_of(tcp_pair)
    state.watch(connection, IN)
    state.watch(connection, IN)
    assert connection.epoll is state.epoll


def test_an_unwatched_connection_can_be_registered_again(tcp_pair: Pair) -> None:
    state, connection = LoopState(select.epoll()), connection_of(tcp_pair)
    state.watch(connection, IN)
    state.unwatch(connection)
    assert connection.epoll is None
    assert not state.idle_watched
    state.epoll.register(connection.sock.fileno(), IN)  # EEXIST if it were still registered


def test_a_new_registration_forgets_what_an_earlier_one_reported(tcp_pair: Pair) -> None:
    state, connection = LoopState(select.epoll()), connection_of(tcp_pair)
    state.watch(connection, IN)
    unregister_from_loop(connection)
    connection.has_unexpected_data = True  # an event that had been polled before
    state.watch(connection, IN)
    assert not connection.has_unexpected_data


def test_unwatching_a_closed_connection_is_no_error(tcp_pair: Pair) -> None:
    state, connection = LoopState(select.epoll()), connection_of(tcp_pair)
    state.watch(connection, IN)
    connection.close()
    state.unwatch(connection)
    assert connection.epoll is None


def test_unwatching_a_connection_of_an_earlier_loop_leaves_other_registrations(
    tcp_pair: Pair,
) -> None:
    earlier, state, connection = (
        LoopState(select.epoll()),
        LoopState(select.epoll()),
        connection_of(tcp_pair),
    )
    earlier.watch(connection, IN)
    state.epoll.register(connection.sock.fileno(), IN)
    state.unwatch(connection)
    assert connection.epoll is None
    state.epoll.modify(connection.sock.fileno(), 0)  # ENOENT if it had been taken away


# --- a peer that keeps the loop busy --------------------------------------------------------------------


class Greedy(Task):
    """Reads for as long as something comes, as one read of TLS does."""

    done = False
    deadline = float("inf")
    min_timeout = 60.0
    reads_tls = True

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.fileno())
        self.sock = sock
        self.began = threading.Event()

    def register(self, loop_state: LoopState, now: float) -> None:
        self.loop_state = loop_state
        loop_state.epoll.register(self.sock.fileno(), select.EPOLLIN)

    def unregister(self) -> None:
        self.loop_state.unregister(self.sock.fileno())

    def on_ready(self, fd: int, events: int, now: float) -> None:
        self.began.set()
        while self.sock.recv(1):
            pass
        self.done = True


def test_a_connection_that_stalls_the_loop_is_cut(tcp_pair: Pair) -> None:
    near, far = tcp_pair()
    now = [100.0]
    loop, task = EventLoop(monotonic=lambda: now[0]), Greedy(near)
    runner = threading.Thread(target=loop.run, args=(task,), daemon=True)
    assert not loop.cut_stalled()
    runner.start()
    far.sendall(b"KeyUpdate")
    assert task.began.wait(30)
    assert not loop.cut_stalled(), "it may have begun just now"
    now[0] += STALLED_SEC - 0.1
    assert not loop.cut_stalled(), "a busy machine stops threads, too"
    now[0] += 0.1
    assert loop.cut_stalled()
    runner.join(30)
    assert task.done
    assert not loop.cut_stalled()
    assert not loop.run(Greedy(near)), "clients with TLS are kept out of the loop for a while"
    loop.close()


def test_a_loop_that_waits_is_not_stalled(tcp_pair: Pair) -> None:
    near, far = tcp_pair()
    now = [100.0]
    loop, task = EventLoop(monotonic=lambda: now[0]), Greedy(near)
    runner = threading.Thread(target=loop.run, args=(task,), daemon=True)
    runner.start()
    for _ in range(3):
        assert not loop.cut_stalled()
        now[0] += STALLED_SEC
    far.close()
    runner.join(30)
    assert task.done
    loop.close()
