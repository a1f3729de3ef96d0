"""What a call turned out to cost: from the response, or by the bytes of its body, for limits that settle."""

from __future__ import annotations

import gc
from types import ModuleType
from typing import Any

import pytest

from meshkit import ConfigError, Constant, Hedge, Pipeline, Retry, Verdict
from meshkit.httpx import AsyncMeshTransport, MeshTransport

from .stand_ins import Inner, Probe, streaming

URL = "http://a/"


class Bills(Probe):
    """Remembers what each call had spent when it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.bills: list[Any] = []

    def exit(self, call: Any, began: float, now: float, verdict: Verdict) -> None:
        super().exit(call, began, now, verdict)
        self.bills.append(call.spent)


class Bills2(Bills):
    name = "further in"


async def through(call: Any, call_next: Any) -> Any:
    return await call_next()


async def counts(response: Any) -> float:
    return 1.0


@pytest.mark.parametrize("spent", ["byte", 3, None, b"bytes", counts], ids=["word", "number", "none", "bytes", "async"])
def test_what_cannot_be_written(lib: ModuleType, spent: Any) -> None:
    for transport in (MeshTransport, AsyncMeshTransport):
        if spent is None:
            transport(Pipeline(), Inner(lambda request: None), spent=spent)
            continue
        with pytest.raises(ConfigError, match="spent="):
            transport(Pipeline(), Inner(lambda request: None), spent=spent)


async def test_a_function_of_the_response(lib: ModuleType) -> None:
    def tokens(response: Any) -> float:
        return float(response.headers.get("x-tokens", 0))

    bills = Bills()
    inner = Inner(lambda request: lib.Response(200, headers={"x-tokens": "7"}))
    with lib.Client(transport=MeshTransport(Pipeline(bills), inner, spent=tokens)) as client:
        client.get(URL)
    async with lib.AsyncClient(transport=AsyncMeshTransport(Pipeline(bills), inner, spent=tokens)) as async_client:
        await async_client.get(URL)
    assert bills.bills == [7.0, 7.0]


async def test_the_bytes_of_the_body(lib: ModuleType) -> None:
    bills = Bills()
    inner = Inner(lambda request: lib.Response(200, stream=streaming(lib, [b"abc", b"de"])))
    with lib.Client(transport=MeshTransport(Pipeline(bills), inner, spent="bytes")) as client:
        client.get(URL)
    async with lib.AsyncClient(transport=AsyncMeshTransport(Pipeline(bills), inner, spent="bytes")) as async_client:
        await async_client.get(URL)
    assert bills.bills == [5, 5]


async def test_of_a_body_in_memory(lib: ModuleType) -> None:
    bills = Bills()
    inner = Inner(lambda request: lib.Response(200, content=b"abcd"))
    with lib.Client(transport=MeshTransport(Pipeline(bills), inner, spent="bytes")) as client:
        client.get(URL)
    assert bills.bills == [4]


async def test_of_a_body_that_was_closed_before_it_was_read(lib: ModuleType) -> None:
    bills = Bills()

    def answer(request: Any) -> Any:
        response = lib.Response(200, stream=streaming(lib, [b"a"]))
        response.close()
        return response

    MeshTransport(Pipeline(bills), Inner(answer), spent="bytes").handle_request(lib.Request("GET", URL))
    assert bills.bills == [0]


async def test_of_a_body_that_was_read_in_part(lib: ModuleType) -> None:
    bills = Bills()
    inner = Inner(lambda request: lib.Response(200, stream=streaming(lib, [b"abc", b"de"])))
    with lib.Client(transport=MeshTransport(Pipeline(bills), inner, spent="bytes")) as client:
        with client.stream("GET", URL) as response:
            assert next(response.iter_raw()) == b"abc"
        assert bills.bills == [3]
        response = client.send(client.build_request("GET", URL), stream=True)
        next(iter(response.stream))
        del response
        gc.collect()
    assert bills.bills == [3, 3]
    assert bills.inside == 0


async def test_of_a_body_that_breaks(lib: ModuleType) -> None:
    bills = Bills()
    inner = Inner(lambda request: lib.Response(200, stream=streaming(lib, [b"abc", lib.ReadError("gone")])))
    async with lib.AsyncClient(transport=AsyncMeshTransport(Pipeline(bills), inner, spent="bytes")) as client:
        with pytest.raises(lib.ReadError):
            await client.get(URL)
    assert (bills.bills, bills.verdicts) == ([3], ["failure"])


@pytest.mark.parametrize("around", [through, Hedge(9.0)], ids=["middleware", "hedge"])
@pytest.mark.parametrize("spent", ["bytes", lambda response: 5], ids=["bytes", "function"])
async def test_behind_a_middleware_it_is_known_as_well(lib: ModuleType, around: Any, spent: Any) -> None:
    outside, inside = Bills(), Bills2()
    inner = Inner(lambda request: lib.Response(200, stream=streaming(lib, [b"abc", b"de"])))
    transport = AsyncMeshTransport(Pipeline(outside, around, inside), inner, spent=spent)
    async with lib.AsyncClient(transport=transport) as client:
        await client.get(URL)
    assert (outside.bills, inside.bills) == ([5], [5])


async def test_each_attempt_has_its_own(lib: ModuleType) -> None:
    outside, inside = Bills(), Bills2()
    answers = [lib.Response(503, headers={"x-tokens": "2"}), lib.Response(200, headers={"x-tokens": "7"})]
    again = Retry("5xx", backoff=Constant(0.0))
    transport = MeshTransport(
        Pipeline(outside, again, inside),
        Inner(lambda request: answers.pop(0)),
        spent=lambda response: int(response.headers["x-tokens"]),
    )
    with lib.Client(transport=transport) as client:
        client.get(URL)
    assert (inside.bills, outside.bills) == ([2, 7], [7])


async def test_a_function_that_fails_costs_nothing_and_harms_no_call(lib: ModuleType) -> None:
    """An answer that was good must not be lost to a look into it."""
    bills = Bills()

    def broken(response: Any) -> float:
        raise KeyError("no usage in there")

    inner = Inner(lambda request: lib.Response(200, text="good"))
    with lib.Client(transport=MeshTransport(Pipeline(bills), inner, spent=broken)) as client:
        assert client.get(URL).text == "good"
    async with lib.AsyncClient(transport=AsyncMeshTransport(Pipeline(bills), inner, spent=broken)) as async_client:
        assert (await async_client.get(URL)).text == "good"
    assert bills.bills == [None, None]
    assert Pipeline(bills)(spent=broken)(lambda: "good")() == "good"
