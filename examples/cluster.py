"""A cluster of three servers on loopback, one of them slow and one of them gone: who is asked how often?"""

import asyncio

import httpx

from meshkit import AttemptEnded, CircuitBreaker, Cluster, Endpoint, PeakEwma, Pipeline, Retry, StateChanged
from meshkit.httpx import AsyncMeshTransport


async def server(delay: float) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(delay)
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def main() -> None:
    servers = {"fast": await server(0.002), "slow": await server(0.05), "gone": await server(0)}
    endpoints = [Endpoint(f"127.0.0.1:{each.sockets[0].getsockname()[1]}", name=name) for name, each in servers.items()]
    servers["gone"].close()
    pipeline = Pipeline(
        Retry(on="connect-failure"),
        Cluster("orders", endpoints, balancer=PeakEwma(), pipeline=[CircuitBreaker(failures=3, cooldown=5.0)]),
    )
    attempts: list[AttemptEnded] = []

    def tell(event: object) -> None:
        if isinstance(event, AttemptEnded):
            attempts.append(event)
        elif isinstance(event, StateChanged):
            print(f"{event.policy} of {event.endpoint}: {event.before} -> {event.after}")

    stop = pipeline.listen(tell)
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline), base_url="http://orders") as client:
        answers = [await client.get("/") for _ in range(60)]
    stop()
    print(f"{sum(answer.is_success for answer in answers)} of {len(answers)} calls succeeded")
    for endpoint in endpoints:
        print(f"{endpoint}: {sum(attempt.endpoint == endpoint for attempt in attempts)} attempts")
    for each in servers.values():
        each.close()


asyncio.run(main())
