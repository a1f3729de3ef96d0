"""The same for those who await: each chunk is read by the call's deadline, and a read can be cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from ..call import Call, Verdict
from ..errors import TimedOut
from ..runtime.alarm import Cancelled, arm
from .body import Held
from .library import library_of

__all__ = ["AsyncBody"]

FAILURE, IGNORED = Verdict.FAILURE, Verdict.IGNORED


class AsyncBody(Held):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        call = self.call
        chunks = self.stream.__aiter__()
        try:
            if call is None or call.deadline is None:
                async for chunk in chunks:
                    self.counted += len(chunk)
                    yield chunk
                return
            while True:
                if self.late(call):
                    raise self.overdue(call)
                try:
                    chunk = await within(self, call, chunks.__anext__)
                except StopAsyncIteration:
                    return
                self.counted += len(chunk)
                yield chunk
        except GeneratorExit:  # the reader went away; `aclose` follows
            if hasattr(chunks, "aclose"):
                await chunks.aclose()
            raise
        except Exception as error:
            self.end(FAILURE, error)
            raise
        except BaseException as error:
            self.end(IGNORED, error)
            raise

    async def aclose(self) -> None:
        try:
            await self.stream.aclose()
        finally:
            self.end(self.verdict)


async def within(body: AsyncBody, call: Call, read: Callable[[], Awaitable[bytes]]) -> bytes:
    """One chunk, by the call's deadline."""
    clock = body.tree.clock
    read, alarms = arm(body, call, read, clock(), clock)
    try:
        return await read()  # type: ignore[no-any-return]  # what `arm` answers is any callable
    except TimedOut as error:
        if isinstance(error, library_of(call.request).TimeoutException):
            raise  # of a pipeline further in
        raise body.overdue(call) from None
    except Cancelled:
        if alarms is None or not alarms.expired(body):
            raise
        alarms = None
        raise body.overdue(call) from None
    finally:
        if alarms is not None and alarms.pop(body, None) is None and body in alarms.rang:
            alarms.expired(body)
