"""A FastAPI service that consumes beside its endpoints; readiness follows the consumer.

    BOOTSTRAP_SERVERS=localhost:9092 TOPIC=orders GROUP_ID=billing KAFKA_GROUP_INSTANCE_ID=billing-0 \
        uvicorn examples.fastapi_app:app

`/readyz` answers 200 while the consumer is in its group, through rebalances and short failovers too, and 503 with the
reason otherwise, or when the handling has died. `/healthz` answers 503 when only a new process can go on. A replica
that was fenced is not ready, but left alive: starting it again under the same instance id would evict the process that
has the id now.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from kafkastatic import Consumer, ConsumerRecord, FencedInstanceIdError, identity

logger = logging.getLogger(__name__)


class Service:
    """What the endpoints tell of the consumer.

    Attributes:
        died: the name of the error that ended the handling: the consumer's own, or a handler's.
        handled: how many records were.
    """

    def __init__(self) -> None:
        self.consumer = Consumer(
            os.environ["TOPIC"],
            bootstrap_servers=os.environ["BOOTSTRAP_SERVERS"],
            group_id=os.environ["GROUP_ID"],
            group_instance_id=identity.from_env(),
            auto_offset_reset="earliest",
            session_timeout_ms=60_000,  # longer than a restart takes
        )
        self.died: str | None = None
        self.handled = 0

    async def consume(self) -> None:
        """Handle records until the consumer is stopped, or dies."""
        try:
            await self.consumer.run(self.handle)
        except Exception as error:
            self.died = type(error).__name__
            logger.critical("the consumer has died: %s", error)

    async def handle(self, record: ConsumerRecord[bytes, bytes]) -> None:
        self.handled += 1


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    service = app.state.service = Service()
    async with service.consumer, asyncio.TaskGroup() as tasks:
        tasks.create_task(service.consume())
        yield
        service.consumer.stop()  # the records in hand are still handled, then what is done is committed


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz(request: Request, response: Response) -> dict[str, str]:
    service: Service = request.app.state.service
    health = service.consumer.health()
    alive = health.live or isinstance(health.error, FencedInstanceIdError)
    if not alive:
        response.status_code = 503
    return {"status": "alive" if alive else health.reason}


@app.get("/readyz")
async def readyz(request: Request, response: Response) -> dict[str, str | int]:
    service: Service = request.app.state.service
    health = service.consumer.health()
    if not health.ready or service.died:
        response.status_code = 503
    return {"status": service.died or health.reason, "handled": service.handled}
