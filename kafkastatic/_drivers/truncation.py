"""Asks new leaders whether their logs continue what was consumed, before anything more is fetched from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio

from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import MetadataDriver
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.truncation import Question, TruncationCheck
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError, UnsupportedVersionError


class TruncationDriver:
    """One question at a time to each leader.

    Args:
        changed: called when an answer has changed what may be fetched, or what can be handed out.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        pool: Pool,
        metadata: MetadataDriver,
        consumption: Consumption,
        runtime: Runtime,
        log: EventLog,
        *,
        changed: Callable[[], None],
    ) -> None:
        self._config = config
        self._pool = pool
        self._metadata = metadata
        self._runtime = runtime
        self._log = log
        self._changed = changed
        self._retry = Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, runtime.random)
        self._check = TruncationCheck(config.auto_offset_reset, consumption, self._retry.next)
        self._wake = asyncio.Event()
        self._asking: set[int] = set()

    def wake(self) -> None:
        """Positions or leaders changed: look again at what is in doubt."""
        wake, self._wake = self._wake, asyncio.Event()
        wake.set()

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                wake, now = self._wake, self._runtime.now()
                for node_id, question in self._check.questions(self._metadata.snapshot, now).items():
                    if node_id not in self._asking:
                        self._asking.add(node_id)
                        tasks.start_soon(self._ask, node_id, question, name=f"kafkastatic:truncation:{node_id}")
                with anyio.CancelScope(deadline=self._check.next_try(self._metadata.snapshot, now)):
                    await wake.wait()

    async def _ask(self, node_id: int, question: Question) -> None:
        """Ask on the connection for quick requests: that for fetches may be waiting for other partitions' records."""
        timeout = self._config.request_timeout_ms / 1000
        try:
            answer = await self._pool.request(node_id, question.request, Role.QUICK, timeout=timeout)
            found = self._check.take(question, answer, self._runtime.now())
        except UnsupportedVersionError:
            self._check.unsupported(question)
        except KafkaError as error:
            self._log.warning("position_not_validated", broker=node_id, error=str(error))
            self._check.failed(question, self._runtime.now())
            self._metadata.refresh_soon()
        else:
            for cut in found.truncations:
                topic, partition = cut.tp
                self._log.warning(
                    "log_truncated", topic=topic, partition=partition, position=cut.position, offset=cut.offset
                )
            if found.stale:
                self._metadata.refresh_soon()
            else:
                self._retry.reset()
        finally:
            self._asking.discard(node_id)
        self.wake()
        self._changed()
