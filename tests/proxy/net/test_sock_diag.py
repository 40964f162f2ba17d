"""Queries for one socket: only the kernel's reply about exactly that socket counts."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from teamclaude.proxy.net.sock_diag import SocketDiag, SocketOwner

Pair = Callable[[], tuple[socket.socket, socket.socket]]
Reply = Callable[[bytes], bytes]
PEER, OURS = (ip_address("127.0.0.1"), 50001), (ip_address("127.0.0.1"), 3456)
UNTOLD, NOBODY = SocketOwner(False), SocketOwner(True)

netlink = pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="netlink is Linux'")
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells whose")


class Kernel:
    """Answers each query with the next reply; `sender` is the port id of its sender."""

    def __init__(self, *replies: Reply, sender: int = 0) -> None:
        self.replies = list(replies)
        self.sender = sender
        self.questions: list[bytes] = []
        self.opened = 0

    def open(self) -> Any:
        self.opened += 1
        return self

    def send(self, question: bytes) -> None:
        self.questions.append(question)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[int, int]]:
        if not self.replies:
            raise socket.timeout("nothing comes")
        return self.replies.pop(0)(self.questions[-1]), (self.sender, 0)

    def close(self) -> None:
        pass


def message(kind: int, sequence: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body


def sequence_of(question: bytes) -> int:
    return int(struct.unpack("=IHHII", question[:16])[3])


def found(uid: int = 1000, state: int = 1, inode: int = 4711, **changes: Any) -> Reply:
    """The socket that was asked for."""

    def reply(question: bytes) -> bytes:
        ends = changes.get("ends", question[24:60])
        family = changes.get("family", question[16])
        body = struct.pack("=BBBB", family, state, 0, 0) + ends + bytes(12)
        body += struct.pack("=IIIII", 0, 0, 0, uid, inode)
        return message(20, sequence_of(question) + changes.get("later", 0), body)

    return reply


def error(code: int) -> Reply:
    return lambda question: message(2, sequence_of(question), struct.pack("=i", -code) + question[:16])


NONE = error(errno.ENOENT)


def ask(kernel: Kernel) -> SocketOwner:
    return SocketDiag(kernel.open).owner(*PEER, *OURS)


@netlink
def test_the_owner_of_the_socket_that_was_asked_for() -> None:
    kernel = Kernel(found(uid=1001))
    assert ask(kernel) == SocketOwner(True, 1001)
    ports = struct.unpack("!HH", kernel.questions[0][24:28])
    assert ports == (50001, 3456)


@netlink
@pytest.mark.parametrize(
    "reply",
    [
        found(inode=0),
        found(uid=0, state=6),  # TIME_WAIT
        found(state=10, ends=struct.pack("!HH32x", 50001, 0)),  # somebody listens on the peer's port
        found(ends=struct.pack("!HH", 50001, 3457) + bytes(32)),
        found(ends=struct.pack("!HH4s12x4s12x", 50001, 3456, b"\x7f\0\0\1", b"\x7f\0\0\2")),
        found(family=socket.AF_INET6),  # with addresses that are not the v4-mapped ones
    ],
)
def test_a_closed_socket_or_another_one_has_no_owner(reply: Reply) -> None:
    assert ask(Kernel(reply)) == NOBODY


@netlink
def test_a_v6_socket_may_carry_a_v4_connection() -> None:
    mapped = bytes(10) + b"\xff\xff\x7f\0\0\1"
    ends = struct.pack("!HH", 50001, 3456) + mapped * 2
    assert ask(Kernel(found(uid=7, family=socket.AF_INET6, ends=ends))) == SocketOwner(True, 7)


@netlink
def test_no_such_socket_is_believed_of_a_kernel_that_knows_our_own_end() -> None:
    assert ask(Kernel(NONE, NONE, found())) == NOBODY
    assert ask(Kernel(NONE, NONE, NONE)) == UNTOLD


@netlink
def test_a_socket_bound_to_the_loopback_interface_is_found_by_that() -> None:
    kernel = Kernel(NONE, found(uid=5))
    assert ask(kernel) == SocketOwner(True, 5)
    assert [struct.unpack("=I", question[60:64])[0] for question in kernel.questions] == [0, 1]


@netlink
def test_only_the_kernel_is_believed() -> None:
    assert ask(Kernel(*[found()] * 99, sender=4711)) == UNTOLD


@netlink
def test_a_reply_to_an_earlier_query_is_skipped() -> None:
    assert ask(Kernel(found(uid=1, later=-1), found(uid=2))) == SocketOwner(True, 2)


@netlink
@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT])
def test_where_it_is_refused_it_is_not_asked_again(code: int) -> None:
    opened: list[int] = []

    def refused() -> socket.socket:
        opened.append(code)
        raise OSError(code, "no")

    diag = SocketDiag(refused)
    assert [diag.owner(*PEER, *OURS) for _ in range(3)] == [UNTOLD] * 3
    assert len(opened) == 1


@netlink
@pytest.mark.parametrize(
    "reply", [error(errno.ENOBUFS), lambda question: b"", lambda question: question[:20]]
)
def test_a_malformed_reply_is_no_answer(reply: Reply) -> None:
    assert ask(Kernel(reply)) == UNTOLD


@netlink
def test_a_time_out_may_pass() -> None:
    kernel = Kernel()
    diag = SocketDiag(kernel.open)
    assert diag.owner(*PEER, *OURS) == UNTOLD
    kernel.replies.append(found(uid=3))
    assert diag.owner(*PEER, *OURS) == SocketOwner(True, 3)


@netlink
@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_without_a_free_descriptor_the_error_says_so(code: int) -> None:
    def full() -> socket.socket:
        raise OSError(code, "Too many open files")

    with pytest.raises(OSError, match="Too many"):
        SocketDiag(full).owner(*PEER, *OURS)


@netlink
def test_one_netlink_socket_serves_all_queries() -> None:
    kernel = Kernel(found(), found())
    diag = SocketDiag(kernel.open)
    assert [diag.owner(*PEER, *OURS).uid for _ in range(2)] == [1000, 1000]
    assert kernel.opened == 1


@on_linux
def test_the_real_kernel_answers_or_refuses(tcp_pair: Pair) -> None:
    near, _ = tcp_pair()
    ends = [(ip_address(host), port) for host, port in (near.getsockname(), near.getpeername())]
    diag = SocketDiag()
    assert diag.owner(*ends[0], *ends[1]) in (SocketOwner(True, os.geteuid()), UNTOLD)
    near.close()
    assert diag.owner(*ends[0], *ends[1]).uid is None


def test_without_netlink_the_owner_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.sock_diag._NETLINK", None)
    assert SocketDiag().owner(*PEER, *OURS) == UNTOLD
