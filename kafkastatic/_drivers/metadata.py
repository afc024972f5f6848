"""Keeps the cluster snapshot fresh: at start, on request, and when it is older than `metadata_max_age_ms`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio

from kafkastatic import _cluster
from kafkastatic._drivers.log import EventLog
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool
from kafkastatic._protocol.messages.metadata import MetadataResponse
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import KafkaError
from kafkastatic.types import ClusterSnapshot

Watcher = Callable[[ClusterSnapshot], None]


class MetadataDriver:
    """The cluster as last seen, and the loop that looks again.

    Attributes:
        snapshot: the present view; replaced as a whole, never changed.
    """

    def __init__(self, config: ConsumerConfig, pool: Pool, runtime: Runtime, log: EventLog) -> None:
        self.snapshot = ClusterSnapshot()
        self._config = config
        self._pool = pool
        self._runtime = runtime
        self._log = log
        self._topics: set[str] = set()
        self._watchers: list[Watcher] = []
        self._wanted = anyio.Event()
        self._changed = anyio.Event()
        self._lock = anyio.Lock()

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with every new snapshot."""
        self._watchers.append(watcher)

    def track(self, topics: Iterable[str]) -> None:
        """Keep these topics in the snapshot too; asks at once where one is new."""
        new = set(topics) - self._topics
        self._topics |= new
        if new:
            self.refresh_soon()

    def refresh_soon(self) -> None:
        """Ask again as soon as possible, without waiting for it."""
        self._wanted.set()

    async def refresh(self) -> None:
        """Ask now. Raises `BrokerUnreachableError` if no broker answers within `request_timeout_ms`."""
        timeout = self._config.request_timeout_ms / 1000
        async with self._lock:
            asked = _cluster.request(self._topics, allow_auto_create=self._config.allow_auto_create_topics)
            answer, address = await self._pool.request_any(asked, timeout=timeout)
        self._take(answer, address)

    async def wait_for(self, ready: Callable[[ClusterSnapshot], bool]) -> ClusterSnapshot:
        """Refresh until a snapshot is `ready`; the caller bounds the time."""
        backoff = self._backoff()
        while not ready(self.snapshot):
            changed = self._changed
            self.refresh_soon()
            await changed.wait()
            if not ready(self.snapshot):
                await anyio.sleep(backoff.next())
        return self.snapshot

    async def run(self) -> None:
        """Refresh on request and on age, for ever; failures are retried with backoff."""
        backoff = self._backoff()
        if self._topics <= self.snapshot.topics.keys():
            self._wanted = anyio.Event()  # the start has just asked for all of it
        while True:
            with anyio.move_on_after(self._config.metadata_max_age_ms / 1000):
                await self._wanted.wait()
            self._wanted = anyio.Event()
            try:
                await self.refresh()
            except KafkaError as error:
                self._log.warning("metadata_refresh_failed", error=str(error))
                self.refresh_soon()
                await anyio.sleep(backoff.next())
            else:
                backoff.reset()
                if any(not topic.partitions for topic in self.snapshot.topics.values()):
                    await anyio.sleep(backoff.next())  # a missing topic is asked for again, but not in a tight loop

    def _take(self, answer: MetadataResponse, address: str) -> None:
        self.snapshot = _cluster.merge(self.snapshot, answer)
        self._pool.update(self.snapshot.brokers.values(), advertised_by=address)
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
        for watcher in self._watchers:
            watcher(self.snapshot)

    def _backoff(self) -> Backoff:
        config = self._config
        return Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self._runtime.random)
