"""What is subscribed to, and what becomes of topics: they match a pattern, appear, grow, vanish, are created again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from kafkastatic import _cluster
from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import SUBSCRIPTION, MetadataDriver
from kafkastatic._fetch import topics as fate
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.positions import PartitionState
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import ConfigError
from kafkastatic.types import NO_TOPIC_ID, ClusterSnapshot, TopicPartition

_INTERNAL = ("__consumer_offsets", "__transaction_state", "__share_group_state")
"""Kafka's own topics."""


class TopicsDriver:
    """Keeps the subscription and the positions in step with the cluster's topics.

    Attributes:
        names: the topics subscribed to; of a pattern those that match as far as is known.
        pattern: what names have to match, where the subscription is one by pattern.
        alone: without a group and not by hand: all partitions of the topics are ours.

    Args:
        server_side: the group's coordinator matches the pattern too, and assigns by what it finds (KIP-848).
        subscribed: told when something else is subscribed to, or other topics match the pattern.
        forget: drops partitions that vanished, where no group does it.
        moved: told when positions were added, dropped or begun again.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        metadata: MetadataDriver,
        consumption: Consumption,
        log: EventLog,
        names: frozenset[str],
        *,
        server_side: bool,
        subscribed: Callable[[frozenset[str]], None],
        forget: Callable[[frozenset[TopicPartition]], None],
        moved: Callable[[], None],
    ) -> None:
        self.names = names
        self.pattern: re.Pattern[str] | None = None
        self.alone = False
        self._server_side = server_side
        self._internal = not config.exclude_internal_topics
        self._metadata = metadata
        self._consumption = consumption
        self._log = log
        self._subscribed = subscribed
        self._forget = forget
        self._moved = moved
        self._present: set[str] = set()  # of those subscribed to or assigned
        self._ids: dict[str, bytes] = {}  # the last id that each of them had
        self._left: dict[TopicPartition, PartitionState] = {}  # as they stood when their topics were deleted
        metadata.track(names, SUBSCRIPTION)
        metadata.watch(self._seen)

    @property
    def wanted(self) -> bool:
        """Whether anything is subscribed to, be it that nothing matches yet."""
        return bool(self.names) or self.pattern is not None

    @property
    def server_pattern(self) -> str | None:
        """The pattern as the coordinator is told it, where it is.

        It would assign Kafka's own topics too, if they match: where they are excluded, this side matches instead.
        """
        if self.pattern is None or not self._server_side:
            return None
        if not self._internal and any(map(self.pattern.fullmatch, _INTERNAL)):
            return None
        return for_brokers(self.pattern)

    def subscribe(self, names: frozenset[str], pattern: re.Pattern[str] | None) -> None:
        """Subscribe to these topics, or to those that will turn out to match; not both.

        Raises:
            ConfigError: if the coordinator is to match the pattern, and it has a flag that brokers do not know.
        """
        if pattern is not None and self._server_side:
            for_brokers(pattern)
        self.pattern = pattern
        self._present.clear()
        self._metadata.track(names, SUBSCRIPTION)
        self._metadata.track_all(pattern is not None)
        if pattern is None:
            self.names = names
            self._subscribed(names)
            return
        if self.server_pattern is not None:
            self._subscribed(self.names)  # it matches for itself; a broker that knows no patterns is told names as ever
        if self._metadata.knows_all:
            self._match(pattern, self._metadata.snapshot)

    def look(self) -> None:
        """Look at the cluster as it is known: something was subscribed to, or assigned."""
        self._seen(self._metadata.snapshot)

    def _seen(self, snapshot: ClusterSnapshot) -> None:
        if self.pattern is not None and self._metadata.knows_all:
            self._match(self.pattern, snapshot)
        self._tell(snapshot)
        grown = self.alone and self._own_everything(snapshot)
        if self._follow(snapshot) or grown:
            self._moved()

    def _match(self, pattern: re.Pattern[str], snapshot: ClusterSnapshot) -> None:
        names, before = _cluster.matching(snapshot, pattern, internal=self._internal), self.names
        if names == before:
            return
        self.names = names
        self._metadata.track(names)  # to be remembered, should they vanish
        added, removed = sorted(names - before), sorted(before - names)
        self._log.info("subscription_changed", pattern=pattern.pattern, added=added, removed=removed)
        self._subscribed(names)

    def _tell(self, snapshot: ClusterSnapshot) -> None:
        """Report every topic that vanishes or is created again, once, whoever of the group owns its partitions."""
        owned = Counter(tp.topic for tp in self._consumption.positions.partitions())
        for name in sorted(self.names | owned.keys() | self._present):
            topic = snapshot.topics.get(name)
            if topic is not None and fate.exists(topic):
                if self._ids.get(name, NO_TOPIC_ID) not in (topic.topic_id, NO_TOPIC_ID):
                    self._log.warning("topic_recreated", topic=name, partitions=owned[name])
                self._ids[name] = topic.topic_id
                self._present.add(name)
            elif name in self._present:
                self._log.warning("topic_vanished", topic=name, partitions=owned[name])
                self._present.remove(name)

    def _follow(self, snapshot: ClusterSnapshot) -> bool:
        """Let go of what was deleted, and begin again where another topic has taken the name.

        With a group the partitions of a deleted topic go with the rebalance that its leader begins.
        """
        positions = self._consumption.positions
        vanished, recreated = fate.observe(positions, snapshot)
        self._consumption.vanish(vanished)
        self._consumption.begin_again(recreated)
        if self.alone:
            self._left |= {tp: positions[tp] for tp in vanished}
            self._forget(vanished)
        return bool(vanished or recreated)

    def _own_everything(self, snapshot: ClusterSnapshot) -> bool:
        """Own all partitions that the topics have. One that was there before goes on, or begins again, from there."""
        positions = self._consumption.positions
        found = {
            TopicPartition(name, p)
            for name in self.names
            if name in snapshot.topics
            for p in snapshot.topics[name].partitions
        }
        new = found - positions.partitions()
        for tp in sorted(new & self._left.keys()):
            positions.put_back(self._left.pop(tp))
        positions.add(new)
        return bool(new)


_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}
"""The flags that mean the same to brokers, whose regular expressions are RE2's."""


def for_brokers(pattern: re.Pattern[str]) -> str:
    """A pattern as a broker takes it (KIP-848).

    Raises:
        ConfigError: if it was compiled with a flag that brokers do not know.
    """
    if pattern.flags & re.VERBOSE:
        raise ConfigError(
            f"The pattern {pattern.pattern!r} is a verbose one, which brokers do not understand.",
            remedy="Write it without re.VERBOSE, or use group_protocol='classic', where this side matches.",
        )
    flags = "".join(letter for flag, letter in _FLAGS.items() if pattern.flags & flag)
    return f"(?{flags}){pattern.pattern}" if flags else pattern.pattern
