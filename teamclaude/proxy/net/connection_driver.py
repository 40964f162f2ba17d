"""Who carries one client connection: a thread while something may block, the event loop while nothing does.

Rules that hold in this file:

1. One thread at a time uses the connection.  Once the loop was given a task of it, the thread that did so
   leaves without another look at it: the loop's thread, or the next one, may be at work on it already.
2. In the loop's thread a request is resumed as far as it goes without a thread; for all else `needs_thread`
   is called, and `serve` goes on there.
3. A stream's request is given to the loop whenever it waits, for the API or an account, as that may last
   minutes.  Others wait in their threads: to change takes them longer than their answer.
4. An error that nobody foresaw is raised in a thread by `serve`, wherever it was raised first.
5. `close` is called by the loop's thread where closing can't block; otherwise who has called `serve` closes,
   once that has returned True or raised.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Optional, Union

from ...errors import ClientGoneError
from .client_connection import ClientConnection
from .connection_task import ConnectionTask
from .coroutine import Effect, ReadUpstream, RequestCoroutine, RunInLoop, Sleep, perform
from .event_loop import EventLoop, Task

__all__ = ["ConnectionDriver"]


class ConnectionDriver:
    """Serve the requests of one connection; a subclass says what a request is.

    `needs_thread` has `serve` called in a thread, `close` closes the connection.
    """

    client: ClientConnection
    loop_task: ConnectionTask
    use_loop_next = False  # the next request is likely one that the loop can serve
    wait_in_loop = False  # the request waits long: the loop waits for it, and has no other work of it
    has_unread_body = False  # the last request was refused before all of it was read

    # What `serve` begins with: at most one of these.
    _error: Optional[BaseException] = None
    _coroutine: Optional[RequestCoroutine[bool]] = None  # with the effect that needs a thread
    _effect: Optional[Effect] = None
    _has_request = False  # bytes of it have been read
    _is_over = False  # it only has to be ended

    _stream: Optional[Task] = None  # of `_coroutine`, while the loop runs it

    def __init__(
        self, event_loop: EventLoop, needs_thread: Callable[[], None], close: Callable[[], None]
    ) -> None:
        self._event_loop = event_loop
        self._needs_thread = needs_thread
        self._close = close

    def may_go_on(self) -> bool:
        """Return whether the connection may carry another request."""
        raise NotImplementedError

    def next_request(self) -> Union[bool, RequestCoroutine[bool]]:
        """Read the next request; serve it and return whether another may follow, or return its coroutine."""
        raise NotImplementedError

    def serve(self) -> bool:
        """Serve requests in this thread until the connection ends; False: until the event loop carries it."""
        with suppress(ClientGoneError):
            while True:
                keep = self._serve_next()
                if keep is None:
                    return False
                if not keep:
                    break
                # Idle before `may_go_on` is asked: a drain closes idle connections, or is noticed there.
                self.client.idle = not self.client.has_buffered
        if self.has_unread_body:
            self.client.idle = True
            self.client.linger()
        else:
            self.client.end()
        return True

    def _serve_next(self) -> Optional[bool]:
        """Serve one request, or what is left of it; return whether another may follow, None: in the loop."""
        coroutine, effect, has_request = self._coroutine, self._effect, self._has_request
        self._coroutine = self._effect = None
        self._has_request = False
        if coroutine is not None:
            return self._run(coroutine, effect)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._is_over or not (has_request or self.may_go_on()):
            return False
        if self._may_use_loop() and self._event_loop.start(self.loop_task, self._on_requests_end):
            return None
        found = self.next_request()
        return found if isinstance(found, bool) else self._run(found)

    def _may_use_loop(self) -> bool:
        client = self.client
        return self.use_loop_next and client.admitted and not client.has_buffered

    def _run(self, coroutine: RequestCoroutine[bool], effect: Optional[Effect] = None) -> Optional[bool]:
        """Run a request in this thread until it has ended, or until the loop runs a task of it: None."""
        try:
            # What is given is performed here: the loop could not go on with it.
            effect = perform(effect, coroutine) if effect is not None else next(coroutine)
            while True:
                while self._waits_in_loop and type(effect) is ReadUpstream and not effect.is_sent:
                    effect = self._ask(coroutine, effect)
                if self._hand_over(coroutine, effect):
                    return None
                effect = perform(effect, coroutine)
        except StopIteration as end:
            keep: bool = end.value
            return keep

    @property
    def _waits_in_loop(self) -> bool:
        return self.wait_in_loop and not self.client.watch.half_closed

    def _ask(self, coroutine: RequestCoroutine[bool], effect: ReadUpstream) -> Effect:
        """Send the request; return what it waits for then."""
        try:
            effect.send()
        except BaseException as error:
            return coroutine.throw(error)
        return effect

    def _hand_over(self, coroutine: RequestCoroutine[bool], effect: Effect) -> bool:
        """Give the request to the loop if that can carry it now."""
        if type(effect) is RunInLoop:
            self._coroutine, self._stream = coroutine, effect.task
            if self._event_loop.start(effect.task, self._on_stream_end):
                return True
            self._coroutine = self._stream = None
        elif type(effect) in (ReadUpstream, Sleep) and self._waits_in_loop:
            self.loop_task.adopt(coroutine, effect)
            if self._event_loop.start(self.loop_task, self._on_requests_end):
                return True
            self.loop_task.forget_request()
        return False

    # --- in the loop's thread -------------------------------------------------------------------------

    def _on_requests_end(self) -> None:
        """Go on where the loop can't serve this connection's requests any longer."""
        task = self.loop_task
        coroutine, effect = task.coroutine, task.effect
        task.forget_request()
        if task.error is not None:
            self._error = task.error
        elif coroutine is None:
            if task.closing:
                self._finish()
                return
            self._has_request = task.has_unserved
        else:
            if type(effect) is RunInLoop and self._hand_over(coroutine, effect):
                return
            if task.client_ended:
                self.wait_in_loop = False  # only a thread finds out whether it has left
            self._coroutine, self._effect = coroutine, effect
        self._needs_thread()

    def _on_stream_end(self) -> None:
        """Resume the request whose stream has ended."""
        coroutine, stream = self._coroutine, self._stream
        assert coroutine is not None
        assert stream is not None
        self._coroutine = self._stream = None
        try:
            effect = coroutine.throw(stream.error) if stream.error is not None else coroutine.send(True)
        except StopIteration as end:
            self._on_request_end(end.value)
            return
        except BaseException as error:
            self._error = error
        else:
            self._coroutine, self._effect = coroutine, effect
        self._needs_thread()

    def _on_request_end(self, keep_open: bool) -> None:
        self.client.idle = keep_open and not self.client.has_buffered  # first: as `serve`
        if not keep_open or not self.may_go_on():
            self._finish()
        elif not (self._may_use_loop() and self._event_loop.start(self.loop_task, self._on_requests_end)):
            self._needs_thread()

    def _finish(self) -> None:
        """End the connection here if that can't block."""
        if self.has_unread_body or self.client.speaks_tls:
            self._is_over = True
            self._needs_thread()
        else:
            self._close()
