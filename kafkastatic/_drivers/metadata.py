"""Keeps the cluster snapshot fresh: at start, on request, and when it is older than `metadata_max_age_ms`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import anyio

from kafkastatic import _cluster
from kafkastatic._drivers.log import EventLog
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import PATIENCE, Pool
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.metadata import MetadataRequest, MetadataResponse
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import BrokerUnreachableError, KafkaError
from kafkastatic.types import Broker, ClusterSnapshot, TopicInfo, TopicPartition

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
        self._wanted = asyncio.Event()
        self._lock = anyio.Lock(fast_acquire=True)
        self._asked_since: float | None = None  # no metadata since then, though asked for

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
        now = self._runtime.now()
        self._asked_since = now if self._asked_since is None else self._asked_since
        trigger = self._config.metadata_recovery_rebootstrap_trigger_ms / 1000
        if now - self._asked_since > trigger and self.snapshot.brokers:
            self._rebootstrap(f"no metadata for {now - self._asked_since:.3g} s")
            self._asked_since = now
        timeout = self._config.request_timeout_ms / 1000
        async with self._lock:
            wanted = None if self._all else self._tracked()
            asked = _cluster.request(wanted, allow_auto_create=self._config.allow_auto_create_topics)
            answer, address = await self._pool.request_any(asked, timeout=timeout)
        if answer.error_code == codes.REBOOTSTRAP_REQUIRED:
            self._rebootstrap(f"{address} demands it")
            raise BrokerUnreachableError(f"{address} says that it is no longer of the cluster known.", address=address)
        if not answer.brokers:
            raise BrokerUnreachableError(f"{address} does not know the cluster's brokers yet.", address=address)
        self._take(answer, address, complete=wanted is None)

    def _rebootstrap(self, why: str) -> None:
        """Forget the cluster and begin at the bootstrap servers (KIP-899, KIP-1102), where that is wanted."""
        if self._config.metadata_recovery_strategy == "rebootstrap":
            self._log.warning("rebootstrapping", reason=why)
            self._pool.rebootstrap()

    async def find(self, topic_ids: frozenset[bytes]) -> None:
        """Find out the names of the topics with these ids, and return when the snapshot has all of them."""
        backoff = self._backoff()
        while unknown := topic_ids - {topic.topic_id for topic in self.snapshot.topics.values()}:
            timeout = self._config.request_timeout_ms / 1000
            try:
                answer, _ = await self._pool.request_any(_cluster.request_by_id(unknown), timeout=timeout)
            except KafkaError as error:
                self._log.warning("metadata_refresh_failed", error=str(error))
            else:
                self.track(topic.name for topic in answer.topics if topic.name)
                self.refresh_soon()  # where only the id is new
            await anyio.sleep(backoff.next())

    def led_by(
        self, leaders: Mapping[TopicPartition, tuple[int, int]], brokers: Iterable[Broker]
    ) -> frozenset[TopicPartition]:
        """Take over who leads partitions by now, and in which epoch, as told along with another answer (KIP-951).

        Returns:
            The partitions of which we know as much, or more, now.
        """
        before, after = self.snapshot, _cluster.led_by(self.snapshot, leaders, brokers)
        if after is not before:
            for node_id in {leader for leader, _ in leaders.values()} & after.brokers.keys():
                if after.brokers[node_id] != before.brokers.get(node_id):
                    self._pool.add(after.brokers[node_id])
            self._show(after)
        known = {tp: after.leader(tp) for tp in leaders}
        return frozenset(tp for tp, info in known.items() if info and info.leader_epoch >= leaders[tp][1])

    async def run(self) -> None:
        """Refresh on request and on age, for ever.

        Whoever misses something may ask again and again: refreshes that bring nothing new come ever more slowly.
        """
        backoff = self._backoff()
        if self._tracked() <= self.snapshot.topics.keys():
            self._wanted = asyncio.Event()  # the start has just asked for all of it
        while True:
            before = self.snapshot
            if await self._wait() > self._config.retry_backoff_max_ms / 1000:
                backoff.reset()
            self._wanted = asyncio.Event()
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

    async def _wait(self) -> float:
        """Wait until somebody wants to know, the snapshot is too old, or a broker leaves us without an answer.

        Returns:
            The seconds it took.
        """
        began = now = self._runtime.now()
        aged = began + self._config.metadata_max_age_ms / 1000
        while not self._pool.silence() and not self._wanted.is_set() and now < aged:
            # Requests that begin meanwhile are due no sooner than that.
            with anyio.CancelScope(deadline=min(aged, now + PATIENCE, self._pool.next_silence())):
                await self._wanted.wait()
            now = self._runtime.now()
        return now - began

    def _incomplete(self) -> bool:
        """Whether a topic that somebody waits for, other than a lookup, which looks itself, is not there."""
        wanted = (name for purpose, names in self._topics.items() if purpose != LOOKUP for name in names)
        return any(name not in self.snapshot.topics or not self.snapshot.topics[name].partitions for name in wanted)

    def _take(self, answer: MetadataResponse, address: str, *, complete: bool) -> None:
        self._asked_since = None
        if self.snapshot.brokers and not self._pool.knows(address):
            self._log.warning("rebootstrapped", address=address, cluster_id=answer.cluster_id)
        missing = self._tracked() - {topic.name for topic in answer.topics} if complete else None
        _, highest = self._pool.versions_at(address).get(MetadataRequest.API_KEY, (0, 0))
        snapshot = _cluster.merge(self.snapshot, answer, missing, epochs=highest >= _cluster.RELIABLE_EPOCHS)
        self.knows_all = complete and self._all
        self._pool.update(snapshot.brokers.values(), advertised_by=address)
        self._show(snapshot)

    def _show(self, snapshot: ClusterSnapshot) -> None:
        self.snapshot = snapshot
        for watcher in self._watchers:
            watcher(self.snapshot)

    def _backoff(self) -> Backoff:
        config = self._config
        return Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self._runtime.random)
