"""The group's coordinator: found when needed, forgotten when lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

import anyio

from kafkastatic._drivers.log import EventLog
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role, Versions
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkastatic._protocol.primitives import R, Request
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError
from kafkastatic.types import Broker

_ONE_GROUP = 3
"""The last version of FindCoordinator that asks for one group only."""


class Coordinator:
    """Requests to whichever broker coordinates the group now.

    Attributes:
        last_error: the last passing failure of `find`, to name when the time has run out.
        forgotten: called whenever a coordinator that was known is forgotten, whoever lost it.
    """

    def __init__(self, config: ConsumerConfig, pool: Pool, runtime: Runtime, log: EventLog) -> None:
        assert config.group_id is not None
        self._group = config.group_id
        self._config = config
        self._pool = pool
        self._runtime = runtime
        self._log = log
        self._broker: Broker | None = None
        self._lock = anyio.Lock(fast_acquire=True)
        self.last_error: KafkaError | None = None
        self.forgotten: Callable[[], None] = lambda: None

    async def find(self) -> Versions:
        """Find and connect to the coordinator, retrying passing failures; the caller bounds the time.

        Returns:
            The API versions that it serves.

        Raises:
            BrokerError: if the cluster refuses for good, for want of rights for instance.
        """
        config = self._config
        backoff = Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self._runtime.random)
        while True:
            try:
                broker = await self._locate()
                return await self._pool.ensure(broker.node_id)
            except KafkaError as error:
                if not error.retriable:
                    raise
                self.forget()
                self.last_error = error
                self._log.info("coordinator_not_found", error=str(error))
                await anyio.sleep(backoff.next())

    def found(self) -> Versions | None:
        """What `find` would return at once; `None` if it would have to ask or to connect."""
        return self._pool.connected(self._broker.node_id) if self._broker is not None else None

    async def look_ahead(self, role: Role) -> None:
        """Find the coordinator and connect for the join, to save time; what fails here is met again by `find`.

        Args:
            role: that of the connection by which the member joins.
        """
        with contextlib.suppress(KafkaError):
            broker = await self._locate()
            await self._pool.ensure(broker.node_id, role)

    async def versions(self) -> Versions:
        """The API versions that the coordinator serves. Raises as `request`."""
        broker = await self._locate()
        with self._forgotten_upon_failure(broker):
            return await self._pool.ensure(broker.node_id)

    def forget(self) -> None:
        if self._broker is not None:
            self._broker = None
            self.forgotten()

    async def request(
        self,
        request: Request[R],
        role: Role,
        *,
        timeout: float,
        cap: int | None = None,
        ahead: Request[Any] | None = None,
    ) -> R:
        """Send a request to the coordinator. Raises as `Pool.request`; where a retry may help it is looked up again."""
        broker = await self._locate()
        with self._forgotten_upon_failure(broker):
            return await self._pool.request(broker.node_id, request, role, timeout=timeout, cap=cap, ahead=ahead)

    @contextlib.contextmanager
    def _forgotten_upon_failure(self, asked: Broker) -> Generator[None]:
        try:
            yield
        except KafkaError as error:
            if error.retriable and self._broker is asked:  # else its successor is known by now
                self.forget()
            raise

    def abandon(self, role: Role) -> None:
        """Close the connections of a role: nobody waits for their answers any more."""
        self._pool.abandon(role)

    async def _locate(self) -> Broker:
        if self._broker is not None:
            return self._broker
        async with self._lock:
            if self._broker is None:
                request = FindCoordinatorRequest(key=self._group, key_type=0)
                timeout = self._config.request_timeout_ms / 1000
                answer, address = await self._pool.request_any(request, timeout=timeout, cap=_ONE_GROUP)
                if answer.error_code != codes.NONE:
                    raise error_for(
                        answer.error_code, api="FindCoordinator", detail=answer.error_message, group=self._group
                    )
                self._broker = Broker(answer.node_id, answer.host, answer.port)
                self._pool.add(self._broker, advertised_by=address)
            return self._broker
