"""The group coordinator of a cluster: requests and time in, answers out. Pure.

Every request names its group, and is handed to what knows about it; a request that waits for other members is answered
in the result of a later call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from kafkastatic._protocol.error_codes import NOT_COORDINATOR
from kafkastatic.broker.groups import joining, leaving, rebalancing, storing, syncing
from kafkastatic.broker.groups.consumer import heartbeating, moving
from kafkastatic.broker.groups.consumer.describing import describe as describe_consumer_groups
from kafkastatic.broker.groups.consumer.group import ConsumerGroup
from kafkastatic.broker.groups.consumer.leaving import rang
from kafkastatic.broker.groups.describing import (
    GroupSnapshot,
    delete_groups,
    describe_groups,
    list_groups,
    snapshot,
)
from kafkastatic.broker.groups.desk import Asked, Catalog, Desk, Reply, Timer
from kafkastatic.broker.groups.group import ClassicGroup
from kafkastatic.broker.groups.offsets import Offsets
from kafkastatic.broker.settings import BrokerSettings
from kafkastatic.types import OffsetAndMetadata, TopicPartition


class GroupCoordinator:
    """One for the whole cluster: which node speaks for which group is decided elsewhere.

    Times are seconds on a clock that never goes back. A request's `key` is anything that stands for it.
    """

    def __init__(self, settings: BrokerSettings, catalog: Catalog, new_id: Callable[[], str]) -> None:
        desk = self._desk = Desk(settings, catalog, new_id)
        offsets = self._offsets = Offsets(desk)
        self._handlers: dict[str, Callable[[Asked], None]] = {
            "JoinGroup": lambda asked: joining.join(desk, asked),
            "SyncGroup": lambda asked: syncing.sync(desk, asked),
            "Heartbeat": lambda asked: syncing.heartbeat(desk, asked),
            "LeaveGroup": lambda asked: leaving.leave(desk, asked),
            "OffsetCommit": offsets.commit,
            "OffsetFetch": offsets.fetch,
            "OffsetDelete": offsets.delete,
            "ConsumerGroupHeartbeat": lambda asked: heartbeating.heartbeat(desk, asked),
            "ConsumerGroupDescribe": lambda asked: describe_consumer_groups(desk, asked),
            "DescribeGroups": lambda asked: describe_groups(desk, asked),
            "ListGroups": lambda asked: list_groups(desk, asked),
            "DeleteGroups": lambda asked: delete_groups(desk, offsets, asked),
        }

    def handle(
        self, key: Hashable, request: Any, *, version: int, client_id: str, host: str, now: float
    ) -> list[Reply]:
        """Answer a request, now or later; the result may answer others that were waiting."""
        self._desk.now = now
        self._handlers[request.NAME](Asked(key, request, version, client_id, host))
        return self._desk.take_replies()

    def deadline(self) -> float | None:
        """When to call `expire` next; `None` while nothing is waited for."""
        return self._desk.timers.deadline()

    def expire(self, now: float) -> list[Reply]:
        """Let time pass: sessions run out, rebalances end."""
        self._desk.now = now
        while (timer := self._desk.timers.pop(now)) is not None:
            group = self._desk.groups.get(timer.group_id)
            if group is not None:
                self._ring(timer, group)
        return self._desk.take_replies()

    def _ring(self, timer: Timer, group: ClassicGroup | ConsumerGroup) -> None:
        match timer.kind:
            case _ if isinstance(group, ConsumerGroup):
                rang(self._desk, group, timer)
            case "session":
                rebalancing.session_over(self._desk, group, timer.member_id)
            case "join":
                rebalancing.joins_over(self._desk, group)
            case "sync":
                rebalancing.syncs_over(self._desk, group)
            case "rebalance":
                pass  # it was a consumer group when the timer was set

    def moved(self, group_id: str, now: float, *, loaded: bool = True) -> list[Reply]:
        """The coordinator of a group changed, or came back: the group goes on as it was last written down.

        Parked requests are answered NOT_COORDINATOR, and all sessions start anew.

        Args:
            loaded: whether there is another coordinator; until one is there, no session runs out.
        """
        desk = self._desk
        desk.now = now
        group = desk.groups.get(group_id)
        if isinstance(group, ConsumerGroup):
            moving.reload(desk, group, loaded=loaded)
        elif group is not None:
            self._reload(group, loaded=loaded)
        return desk.take_replies()

    def _reload(self, group: ClassicGroup, *, loaded: bool) -> None:
        desk, group_id = self._desk, group.group_id
        for timer in (Timer("join", group_id), Timer("sync", group_id)):
            desk.timers.cancel(timer)
        for member_id in [*group.members, *group.pending]:
            desk.end_session(group, member_id)
        for member in group.members.values():
            desk.refuse_parked_join(group, member, NOT_COORDINATOR, member.member_id)
            desk.refuse_parked_sync(member, NOT_COORDINATOR)
        found = storing.reloaded(group) or ClassicGroup(group_id)
        desk.groups[group_id] = found
        for member in found.members.values() if loaded else ():
            desk.restart_session(found, member)

    def topic_deleted(self, name: str) -> None:
        """Forget the offsets of a topic; its groups are not told."""
        self._offsets.forget_topic(name)

    # What can be seen

    def group_ids(self) -> list[str]:
        """The ids of all groups, those of offsets only included."""
        return list(self._desk.groups)

    def snapshot(self, group_id: str) -> GroupSnapshot | None:
        group = self._desk.groups.get(group_id)
        return None if group is None else snapshot(self._desk, group)

    def committed(self, group_id: str) -> dict[TopicPartition, OffsetAndMetadata]:
        return {
            TopicPartition(topic, partition): offset
            for topic, offsets in self._offsets.of(group_id).items()
            for partition, offset in offsets.items()
        }
