"""An HTTP answer as values, and the steps that send it or break it off. PURE."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Union

from ..values import NamedTuple, dataclass, replace
from .fault import Cut, Fault, error_body
from .stream import event

__all__ = ["ApiAnswer", "Close", "Send", "Step", "Wait", "error_answer", "head_bytes", "steps"]

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ApiAnswer:
    """One answer; `parts` are the events of a stream, or the whole body as one part.

    `framing` is length, chunked, close (the body ends with the connection) or none (no body).
    `first_wait` and `gap` are the API's own pace in seconds: before the head, and between parts.
    """

    status: int
    headers: Headers = ()
    parts: Sequence[bytes] = ()
    framing: str = "length"
    first_wait: float = 0.0
    gap: float = 0.0


class Wait(NamedTuple):
    """Wait `seconds` of the API's clock."""

    seconds: float


class Send(NamedTuple):
    """Send `data`."""

    data: bytes
    event: int = 0
    """Number of the event that these bytes complete (from 1); 0: none."""
    head: bool = False
    """Whether these bytes complete the head."""


class Close(NamedTuple):
    """End the connection."""

    how: str
    """rst, fin, or hang: send nothing until the client leaves."""


Step = Union[Wait, Send, Close]


def head_bytes(answer: ApiAnswer, version: str = "1.1") -> bytes:
    """Return the response head, framing headers included."""
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Overloaded" if answer.status == 529 else "Unknown"
    lines = [f"HTTP/{version} {answer.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif answer.framing == "close":
        lines.append("Connection: close")
    elif answer.framing == "length":
        lines.append(f"Content-Length: {sum(map(len, answer.parts))}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def steps(answer: ApiAnswer, fault: Fault | None, *, head_only: bool = False) -> Iterator[Step]:
    """Yield what happens to the connection; without a Close at the end it stays open."""
    fault = fault or Fault()
    changed = _apply_fault(answer, fault)
    if head_only:
        # A HEAD answer has the head of the GET answer and no body (RFC 9110 9.3.2).
        head: Iterator[Step] = iter([Send(head_bytes(changed, fault.version), head=True)])
        return _cut_bytes(head, fault.cut) if fault.cut else head
    return _in_small_writes(_sequence(changed, fault), fault)


def _apply_fault(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    """Return the answer with the framing, headers, gzip, pings and error event of the fault."""
    extra = () if fault.code is not None else fault.headers
    parts = list(answer.parts)
    headers = [*answer.headers, *extra]
    if fault.pings:
        parts[1:1] = [event("ping", {"type": "ping"})] * fault.pings
    if fault.error_after is not None:
        parts[fault.error_after :] = [event("error", _error_document(fault.error_kind))]
    if fault.gzip:
        parts = _gzip(parts)
        headers.append(("content-encoding", "gzip"))
    return replace(answer, headers=headers, parts=parts, framing=fault.framing or answer.framing)


def _error_document(kind: str) -> dict[str, object]:
    messages = {"overloaded_error": "Overloaded", "rate_limit_error": "Too many requests at the moment."}
    message = messages.get(kind, "Something went wrong.")
    return {"type": "error", "error": {"type": kind, "message": message}}


def _gzip(parts: Sequence[bytes]) -> list[bytes]:
    """Return the parts of one gzip body; a flush after each makes it decodable on arrival."""
    compressor = zlib.compressobj(wbits=31)
    out = [compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    if out:
        out[-1] += compressor.flush()
    return out


def _sequence(answer: ApiAnswer, fault: Fault) -> Iterator[Step]:
    if fault.cut and fault.cut.at == "start":
        yield Wait(fault.before_head)
        yield Close(fault.cut.how)
        return
    yield Wait(fault.before_head + answer.first_wait)
    if fault.raw is not None:
        yield Send(fault.raw)
        if fault.then != "keep":
            yield Close(fault.then or "fin")
        return
    if fault.interim:
        yield Send(f"HTTP/1.1 {fault.interim} Interim\r\nx-interim: yes\r\n\r\n".encode())
    head = head_bytes(answer, fault.version)
    if fault.cut and fault.cut.at == "head":
        yield Send(head[: fault.cut.n])
        yield Close(fault.cut.how)
        return
    yield Send(head, head=True)
    yield from _body(answer, fault)
    if fault.then or answer.framing == "close" or fault.version == "1.0":
        yield Close(fault.then or "fin")


def _body(answer: ApiAnswer, fault: Fault) -> Iterator[Step]:
    body = _parts(answer, fault.between_events, fault.cut)
    if fault.cut and fault.cut.at == "body":
        yield from _cut_bytes(body, fault.cut)
    else:
        yield from body


def _parts(answer: ApiAnswer, extra_gap: float, cut: Cut | None) -> Iterator[Step]:
    for number, part in enumerate(answer.parts, 1):
        if cut and cut.at == "event" and number > cut.n:
            yield from _end(answer, cut)
            return
        if number > 1:
            yield Wait(answer.gap + extra_gap)
        framed = b"%x\r\n%b\r\n" % (len(part), part) if answer.framing == "chunked" else part
        if cut and cut.at == "inside" and number == cut.n:
            yield Send(framed[: len(framed) // 2])
            yield Close(cut.how)
            return
        yield Send(framed, number)
    if answer.framing == "chunked":
        if cut and cut.at in ("event", "inside") and cut.how != "clean":
            yield Close(cut.how)
            return
        yield Send(b"0\r\n\r\n")


def _end(answer: ApiAnswer, cut: Cut) -> Iterator[Step]:
    if cut.how != "clean":
        yield Close(cut.how)
    elif answer.framing == "chunked":
        yield Send(b"0\r\n\r\n")
    else:
        yield Close("fin")


def _cut_bytes(body: Iterator[Step], cut: Cut) -> Iterator[Step]:
    left = cut.n
    for step in body:
        if not isinstance(step, Send):
            yield step
        elif len(step.data) <= left:
            left -= len(step.data)
            yield step
        else:
            yield Send(step.data[:left])
            yield Close(cut.how if cut.how != "clean" else "fin")
            return


def _in_small_writes(sequence: Iterator[Step], fault: Fault) -> Iterator[Step]:
    for step in sequence:
        if not isinstance(step, Send) or not fault.write_size:
            yield step
            continue
        size = fault.write_size
        pieces = [step.data[i : i + size] for i in range(0, len(step.data), size)]
        for piece in pieces[:-1]:
            yield Send(piece)
            yield Wait(fault.write_gap)
        yield step._replace(data=pieces[-1] if pieces else b"")


def error_answer(status: int, message: str, kind: str = "", headers: Headers = ()) -> ApiAnswer:
    """Return an answer with the API's error document."""
    rows = [("content-type", "application/json"), *headers]
    return ApiAnswer(status, rows, (error_body(status, message, kind),))
