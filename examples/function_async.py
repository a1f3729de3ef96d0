"""An async function behind a pipeline: what fails is tried again, and what keeps failing is left alone for a while."""

import asyncio

from meshkit import CircuitBreaker, CircuitOpen, Exponential, Pipeline, Retry, Timeout

payments = Pipeline(
    Timeout(2.0),
    Retry(on=ConnectionError, backoff=Exponential(base=0.02)),
    CircuitBreaker(failures=5, cooldown=0.5),
)
down = 2  # so many attempts fail from here on


@payments
async def charge(order: str) -> str:
    global down  # noqa: PLW0603  # stands for an upstream
    down -= 1
    if down >= 0:
        raise ConnectionError("the payment service does not answer")
    return f"{order} is paid"


async def main() -> None:
    global down  # noqa: PLW0603
    print(payments.explain(), end="\n\n")
    print(await charge("order 1"), "(after two failures)")
    down = 1000
    for order in ("order 2", "order 3", "order 4"):
        try:
            await charge(order)
        except (ConnectionError, CircuitOpen) as error:
            print(f"{order}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ()), sep="; ")


asyncio.run(main())
