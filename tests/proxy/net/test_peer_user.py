from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from teamclaude.errors import OverloadedError
from teamclaude.proxy.net import peer_user as peer_module
from teamclaude.proxy.net.peer_user import (
    Address,
    PeerUserCheck,
    ProcNetTables,
    is_loopback,
    listener_uid,
    same_user,
)
from teamclaude.proxy.net.peer_user import peer_uid as told_uid
from teamclaude.proxy.net.sock_diag import SocketDiag

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
OURS = Address("127.0.0.1", 3456)
THEIRS = Address("127.0.0.1", 50001)

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the tables below are of such a machine")
on_linux = pytest.mark.skipif(
    not os.path.exists("/proc/net/tcp"), reason="only Linux says who owns a socket (/proc/net/tcp)"
)


def refused() -> socket.socket:
    raise PermissionError(errno.EPERM, "not here")


def peer_uid(local: Address, peer: Address, proc_net: str = "/proc/net") -> int | None:
    """The kernel does not answer queries for one socket."""
    return told_uid(local, peer, ProcNetTables(proc_net), SocketDiag(refused))


def row(local: str, remote: str, uid: int = 1000, state: str = "01", inode: int = 4711) -> str:
    return (
        f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000"
        f" {uid:5d}        0 {inode} 1 0000000000000000 20 4 30 10 -1\n"
    )


V4_PEER_SIDE = ("0100007F:C351", "0100007F:0D80")
MAPPED_PEER_SIDE = (
    "0000000000000000FFFF00000100007F:C351",
    "0000000000000000FFFF00000100007F:0D80",
)
V6_PEER_SIDE = (
    "00000000000000000000000001000000:C351",
    "00000000000000000000000001000000:0D80",
)


def tables(directory: Path, tcp: str = "", tcp6: str = "") -> str:
    (directory / "tcp").write_text(HEADER + tcp)
    (directory / "tcp6").write_text(HEADER + tcp6)
    return str(directory)


@little_endian
def test_finds_the_peers_side_and_not_ours(tmp_path: Path) -> None:
    ours = row(V4_PEER_SIDE[1], V4_PEER_SIDE[0], uid=7)
    proc = tables(tmp_path, tcp=ours + row(*V4_PEER_SIDE, uid=1001))
    assert peer_uid(OURS, THEIRS, proc) == 1001


@little_endian
def test_another_connection_of_the_same_client_port_is_not_it(tmp_path: Path) -> None:
    proc = tables(tmp_path, tcp=row(V4_PEER_SIDE[0], "0100007F:0D81", uid=1001))
    assert peer_uid(OURS, THEIRS, proc) is None


@little_endian
@pytest.mark.parametrize("prefix", ["", "::ffff:"])
def test_v4_addresses_are_found_mapped_and_plain_on_either_side(tmp_path: Path, prefix: str) -> None:
    local, peer = Address(prefix + "127.0.0.1", 3456), Address(prefix + "127.0.0.1", 50001)
    assert peer_uid(local, peer, tables(tmp_path, tcp=row(*V4_PEER_SIDE, uid=5))) == 5
    assert peer_uid(local, peer, tables(tmp_path, tcp6=row(*MAPPED_PEER_SIDE, uid=6))) == 6


@little_endian
def test_v6(tmp_path: Path) -> None:
    proc = tables(tmp_path, tcp6=row(*V6_PEER_SIDE, uid=1002))
    assert peer_uid(Address("::1", 3456), Address("::1", 50001), proc) == 1002


@little_endian
@pytest.mark.parametrize("ghost", [{"state": "06"}, {"inode": 0}])
def test_the_row_of_a_closed_socket_names_root_and_is_ignored(
    tmp_path: Path, ghost: dict[str, object]
) -> None:
    line = row(*V4_PEER_SIDE, uid=0, **ghost)  # type: ignore[arg-type]
    assert peer_uid(OURS, THEIRS, tables(tmp_path, tcp=line)) is None


@pytest.mark.parametrize("content", ["", "garbage\n", HEADER + "   0: 0100007F:C351 0100007F:0D80 01\n"])
def test_malformed_tables_are_no_answer(tmp_path: Path, content: str) -> None:
    (tmp_path / "tcp").write_text(content)
    assert peer_uid(OURS, THEIRS, str(tmp_path)) is None


def test_no_tables_no_answer(tmp_path: Path) -> None:
    assert peer_uid(OURS, THEIRS, str(tmp_path)) is None


def test_no_uids_on_this_system_no_answer() -> None:
    assert same_user(OURS, THEIRS, own_uid=None) is None


def test_addresses_that_are_no_ip_addresses_are_no_answer() -> None:
    assert peer_uid(Address("", 1), Address("/tmp/socket", 2)) is None


def test_same_user_compares_with_our_own_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "peer_uid", lambda local, peer: 1001)
    assert same_user(OURS, THEIRS, lambda: 1001) is True
    assert same_user(OURS, THEIRS, lambda: 0) is False
    monkeypatch.setattr(peer_module, "peer_uid", lambda local, peer: None)
    assert same_user(OURS, THEIRS, lambda: 0) is None


# --- when no descriptor is free -----------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_without_a_descriptor_the_user_is_unknown_and_asked_for_again(tmp_path: Path, code: int) -> None:
    def full() -> socket.socket:
        raise OSError(code, "Too many open files")

    with pytest.raises(OverloadedError) as refusal:
        told_uid(OURS, THEIRS, ProcNetTables(tables(tmp_path)), SocketDiag(full))
    assert (refusal.value.status, refusal.value.kind) == (503, "overloaded_error")
    assert list(refusal.value.headers()) == [("Retry-After", "1")]


def test_a_table_that_cannot_be_opened_for_want_of_descriptors_is_no_answer_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*about: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(OverloadedError):
        peer_uid(OURS, THEIRS, str(tmp_path))


def test_a_look_up_that_failed_for_want_of_descriptors_is_made_again() -> None:
    answers: list[bool | OverloadedError] = [OverloadedError("full", 1), True]

    def lookup(local: Address, peer: Address) -> bool | None:
        answer = answers.pop(0)
        if isinstance(answer, OverloadedError):
            raise answer
        return answer

    with connection("127.0.0.1", "127.0.0.1") as (accepted, _):
        check = PeerUserCheck(accepted, lookup)
        with pytest.raises(OverloadedError):
            check()
        assert [check(), check()] == [True, True]


# --- a burst ------------------------------------------------------------------------------------------


@little_endian
def test_a_reading_serves_earlier_queries_and_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first query reads the table; all queries meanwhile share one reading that begins after them."""
    proc = ProcNetTables(tables(tmp_path, tcp=row(*V4_PEER_SIDE, uid=1)))
    reading, go_on = threading.Event(), threading.Event()
    reads: list[str] = []
    real_open = open

    def slow(path: str, mode: str) -> object:
        reads.append(path)
        if len(reads) == 1:
            reading.set()
            assert go_on.wait(30)
        return real_open(path, mode)

    monkeypatch.setattr("builtins.open", slow)
    found: list[int | None] = []
    ask = [threading.Thread(target=lambda: found.append(uid_by(proc))) for _ in range(20)]
    ask[0].start()
    assert reading.wait(30)
    tables(tmp_path, tcp=row(*V4_PEER_SIDE, uid=2))  # while the first has its table open, or nearly
    for each in ask[1:]:
        each.start()
    while proc._queries < 20:
        pass
    go_on.set()
    for each in ask:
        each.join(30)
    assert len(reads) == 2
    assert found == [2] * 20
    tables(tmp_path, tcp=row(*V4_PEER_SIDE, uid=3))
    assert uid_by(proc) == 3


def uid_by(proc: ProcNetTables) -> int | None:
    return proc.owner("tcp", V4_PEER_SIDE[0].encode(), V4_PEER_SIDE[1].encode())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::1%lo", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback_peers(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@contextmanager
def connection(listen: str, connect: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """(accepted side, client side) of a real connection."""
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    client = socket.socket(socket.AF_INET6 if ":" in connect else socket.AF_INET, socket.SOCK_STREAM)
    accepted: socket.socket | None = None
    try:
        try:
            if listen == "::":
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind((listen, 0))
            server.listen(1)
            client.connect((connect, server.getsockname()[1]))
            accepted, _ = server.accept()
        except OSError as error:
            pytest.skip(f"no {listen} <- {connect} on this host: {error}")
        yield accepted, client
    finally:
        for each in (server, client, accepted):
            if each is not None:
                each.close()


@on_linux
@pytest.mark.parametrize(
    ("listen", "connect"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("::1", "::1"),
        ("::", "127.0.0.1"),
        ("::", "::ffff:127.0.0.1"),
    ],
)
def test_a_real_connection_belongs_to_our_user(listen: str, connect: str) -> None:
    with connection(listen, connect) as (accepted, _):
        assert PeerUserCheck(accepted)() is True
        local, peer = Address(*accepted.getsockname()[:2]), Address(*accepted.getpeername()[:2])
        assert told_uid(local, peer) == peer_uid(local, peer) == os.geteuid()


@on_linux
def test_a_real_connection_whose_client_closed_has_no_owner() -> None:
    with connection("127.0.0.1", "127.0.0.1") as (accepted, client):
        client.close()
        assert PeerUserCheck(accepted)() is None


def test_a_connection_is_looked_up_once() -> None:
    asked: list[tuple[Address, Address]] = []
    with connection("127.0.0.1", "127.0.0.1") as (accepted, client):
        check = PeerUserCheck(accepted, lambda ours, theirs: asked.append((ours, theirs)))
        assert [check(), check()] == [None, None]
        assert asked == [(Address(*accepted.getsockname()), Address(*client.getsockname()))]


def test_a_connection_that_is_gone_is_no_answer() -> None:
    with socket.socket() as unconnected:
        assert PeerUserCheck(unconnected)() is None


# --- who listens ----------------------------------------------------------------------------------------


@on_linux
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_listener_s_owner_is_found_before_anything_is_accepted(host: str) -> None:
    with socket.create_server((host, 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1])
        assert listener_uid(address) == os.geteuid()
    assert listener_uid(address) is None


def test_a_listener_at_the_address_itself_comes_first(tmp_path: Path) -> None:
    words = int.to_bytes(0x7F000001, 4, "big")
    local = f"{int.from_bytes(words, sys.byteorder):08X}:0D80"
    rows = [
        f"0: 00000000:0D80 00000000:0000 0A 0:0 0:0 0 {1001} 0 5",
        f"1: {local} 0100007F:9999 01 0:0 0:0 0 {1002} 0 6",
        f"2: {local} 00000000:0000 0A 0:0 0:0 0 {1003} 0 7",
    ]
    (tmp_path / "tcp").write_text("header\n" + "\n".join(rows) + "\n")
    assert listener_uid(Address("127.0.0.1", 3456), str(tmp_path)) == 1003
    assert listener_uid(Address("127.0.0.2", 3456), str(tmp_path)) == 1001
    (tmp_path / "tcp6").write_text(f"header\n0: {'0' * 32}:0D81 {'0' * 32}:0000 0A 0:0 0:0 0 {1004} 0 8\n")
    assert listener_uid(Address("127.0.0.1", 3457), str(tmp_path)) == 1004
    assert listener_uid(Address("::1", 3457), str(tmp_path)) == 1004
    assert listener_uid(Address("no address", 1), str(tmp_path)) is None
