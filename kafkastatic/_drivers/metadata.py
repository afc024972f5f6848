"""Keeps the cluster snapshot fresh: at start, on request, and when it is older than `metadata_max_age_ms`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio

from kafkastatic import _cluster
from kafkastatic._drivers.log import EventLog
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import BrokerUnreachableError, KafkaError
from kafkastatic.types import ClusterSnapshot, TopicInfo

Watcher = Callable[[ClusterSnapshot], None]

SUBSCRIPTION, ASSIGNED, GROUP, LOOKUP = "subscription", "assigned", "group", "lookup"
"""What topics are tracked for: being subscribed to, assigned by hand, those of the group we lead, and lookups."""


class MetadataDriver:
    """The cluster as last seen, and the loop that looks again.

    Attributes:
        snapshot: the present view; replaced as a whole, never changed.
        knows_all: the snapshot has all topics that the cluster has.
    """

    def __init__(self, config: ConsumerConfig, pool: Pool, runtime: Runtime, log: EventLog) -> None:
        self.snapshot = ClusterSnapshot()
        self._config = config
        self._pool = pool
        self._runtime = runtime
        self._log = log
        self._topics: dict[str, frozenset[str]] = {}  # by who wants them
        self._all = False
        self.knows_all = False
        self._watchers: list[Watcher] = []
        self._wanted = anyio.Event()
        self._lock = anyio.Lock()

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with every new snapshot."""
        self._watchers.append(watcher)

    def track(self, topics: Iterable[str], purpose: str = LOOKUP) -> None:
        """Keep these topics in the snapshot too; asks at once where one is new.

        Args:
            purpose: the topics take the place of those tracked for it before; those of lookups add up.
        """
        before, new = self._tracked(), frozenset(topics)
        self._topics[purpose] = new if purpose != LOOKUP else new | self._topics.get(LOOKUP, frozenset())
        if not new <= before:
            self.refresh_soon()

    def track_all(self, wanted: bool) -> None:
        """Keep all topics of the cluster in the snapshot, or not any more; asks at once where that is new."""
        if wanted and not self._all:
            self.refresh_soon()
        self._all = wanted
        self.knows_all &= wanted

    def renew_all(self) -> None:
        """Ask again if it is for all topics: the group is about to rebalance, and should do so once for new ones."""
        if self._all:
            self.refresh_soon()

    def _tracked(self) -> frozenset[str]:
        return frozenset(name for names in self._topics.values() for name in names)

    def topic(self, name: str) -> TopicInfo | None:
        """The description of a topic, if it is known."""
        return self.snapshot.topics.get(name)

    def refresh_soon(self) -> None:
        """Ask again as soon as possible, without waiting for it."""
        self._wanted.set()

    async def refresh(self) -> None:
        """Ask now. Raises `BrokerUnreachableError` if no broker answers usefully within `request_timeout_ms`."""
        timeout = self._config.request_timeout_ms / 1000
        async with self._lock:
            wanted = None if self._all else self._tracked()
            asked = _cluster.request(wanted, allow_auto_create=self._config.allow_auto_create_topics)
            answer, address = await self._pool.request_any(asked, timeout=timeout)
        if not answer.brokers:
            raise BrokerUnreachableError(f"{address} does not know the cluster's brokers yet.", address=address)
        missing = None if wanted is not None else self._tracked() - {topic.name for topic in answer.topics}
        self.snapshot = _cluster.merge(self.snapshot, answer, missing)
        self.knows_all = wanted is None and self._all
        self._pool.update(self.snapshot.brokers.values(), advertised_by=address)
        for watcher in self._watchers:
            watcher(self.snapshot)

    async def run(self) -> None:
        """Refresh on request and on age, for ever.

        Whoever misses something may ask again and again: refreshes that bring nothing new come ever more slowly.
        """
        backoff = self._backoff()
        if self._tracked() <= self.snapshot.topics.keys():
            self._wanted = anyio.Event()  # the start has just asked for all of it
        while True:
            before = self.snapshot
            with anyio.move_on_after(self._config.metadata_max_age_ms / 1000):
                await self._wanted.wait()
            self._wanted = anyio.Event()
            try:
                await self.refresh()
            except KafkaError as error:
                self._log.warning("metadata_refresh_failed", error=str(error))
                self.refresh_soon()
            else:
                if self.snapshot != before:
                    backoff.reset()
                if self._incomplete():
                    self.refresh_soon()  # a topic that is missing may appear
            await anyio.sleep(backoff.next())

    def _incomplete(self) -> bool:
        """Whether a topic that somebody waits for, other than a lookup, which looks itself, is not there."""
        wanted = (name for purpose, names in self._topics.items() if purpose != LOOKUP for name in names)
        return any(name not in self.snapshot.topics or not self.snapshot.topics[name].partitions for name in wanted)

    def _backoff(self) -> Backoff:
        config = self._config
        return Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self._runtime.random)
