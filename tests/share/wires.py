"""What stands at the far end in these tests: work that takes virtual time, and answers in chunks, all to be closed."""

from __future__ import annotations

import anyio

from meshkit import Pipeline
from meshkit.httpx import AsyncMeshTransport
from meshkit.testing import virtual_clock

pause = anyio.sleep


class Work:
    """A function that takes a second, and what was asked of it when. ``ends`` are its ends in order, then "done"."""

    def __init__(self, *ends, seconds=1.0):
        self.began = []
        self.ends = list(ends)
        self.seconds = seconds

    async def __call__(self, *args, **kwargs):
        self.began.append(virtual_clock())
        end = self.ends.pop(0) if self.ends else f"done {len(self.began)}"
        await pause(self.seconds)
        if isinstance(end, BaseException):
            raise end
        return end


class Wire:
    """Each request is answered by the next of ``answers``, the last again and again: an exception, a response, or a
    dict of ``status``, ``headers``, ``chunks``, ``head`` and ``gap``, the seconds before the head and before a chunk.
    """

    def __init__(self, lib, *answers):
        self.lib = lib
        self.answers = list(answers) or [{}]
        self.requests = []
        self.open = set()

    async def handle_async_request(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not isinstance(answer, dict):
            await pause(1.0)
            if isinstance(answer, BaseException):
                raise answer
            return answer(request)
        await pause(answer.get("head", 1.0))
        body = self._body(answer.get("chunks", [b"o", b"k"]), answer.get("gap", 0.1))
        self.open.add(body)
        headers = answer.get("headers", {})
        return self.lib.Response(
            answer.get("status", 200),
            headers=headers,
            stream=body,
            extensions={"http_version": b"HTTP/1.1", "network_stream": object()},
        )

    def _body(self, chunks, gap):
        wire = self

        class Body(self.lib.AsyncByteStream):
            async def __aiter__(self):
                for chunk in chunks:
                    await pause(gap)
                    if isinstance(chunk, BaseException):
                        raise chunk
                    yield chunk

            async def aclose(self):
                wire.open.discard(self)
                await anyio.lowlevel.checkpoint()

        return Body()

    def client(self, *policies, **options):
        """A client with a pipeline in between, which is ``client.stack``, in ``client.transport``."""
        stack = Pipeline(*policies, clock=virtual_clock, seed=1)
        transport = AsyncMeshTransport(stack, self, **options)
        client = self.lib.AsyncClient(transport=transport)
        client.stack, client.transport = stack, transport
        return client


async def at(*calls):
    """Make calls, each after so many seconds; answers what became of them, each with when."""
    began = virtual_clock()
    ends = [None] * len(calls)

    async def one(k, after, call):
        await pause(after)
        try:
            end = await call()
        except Exception as error:
            end = error
        ends[k] = (virtual_clock() - began, end)

    async with anyio.create_task_group() as tasks:
        for k, (after, call) in enumerate(calls):
            tasks.start_soon(one, k, after, call)
    return ends


def stack(*policies):
    return Pipeline(*policies, clock=virtual_clock, seed=1)
