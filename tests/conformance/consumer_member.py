"""A member of a scenario's consumer group (KIP-848): identity, epoch and assignment are kept between its calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tests.conformance.session import built

if TYPE_CHECKING:
    from tests.conformance.session import Call, Session

Owned = list[dict[str, Any]]
"""Partitions by topic id, as requests and responses tell them."""

_KEEP: Any = object()
"""As the member has it."""


class ConsumerMember:
    """Each call sends and returns at once, see `Call`; what is given overrides what the member knows, for this call.

    Member ids are `NAME-1`, and `NAME-2` after `restarted()`: assignors look at them, so they are not left to chance.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        *,
        topics: Iterable[str] | None = None,
        pattern: str | None = None,
        instance_id: str | None = None,
        group: str | None = None,
        assignor: str | None = None,
        rebalance_timeout_ms: int = 30_000,
    ) -> None:
        self.session = session
        self.name = name
        self.topics = None if topics is None else list(topics)
        self.pattern = pattern
        self.instance_id = instance_id
        self.group = session.group if group is None else group
        self.assignor = assignor
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.lives = 1
        self.epoch = 0
        self.assigned: Owned = []
        self.member_id = f"{name}-1"

    def restarted(self) -> ConsumerMember:
        """The same member in another process: a new member id, and nothing owned."""
        self.lives += 1
        self.member_id = f"{self.name}-{self.lives}"
        self.epoch, self.assigned = 0, []
        return self

    def join(self, note: str = "", version: int | None = None, **others: Any) -> Call:
        """ConsumerGroupHeartbeat with epoch 0 and everything that a member says of itself."""
        fields: dict[str, Any] = {
            "member_epoch": 0,
            "rebalance_timeout_ms": self.rebalance_timeout_ms,
            "subscribed_topic_names": self.topics,
            "subscribed_topic_regex": self.pattern,
            "server_assignor": self.assignor,
            "topic_partitions": [],
        }
        return self.heartbeat(note, version, **(fields | others))

    def acknowledge(self, note: str = "", version: int | None = None, **others: Any) -> Call:
        """ConsumerGroupHeartbeat that tells the partitions of the last assignment as owned."""
        return self.heartbeat(note, version, topic_partitions=self.assigned, **others)

    def leave(self, note: str = "", version: int | None = None, **others: Any) -> Call:
        """ConsumerGroupHeartbeat with epoch -1."""
        return self.heartbeat(note, version, **({"member_epoch": -1} | others))

    def step_out(self, note: str = "", version: int | None = None, **others: Any) -> Call:
        """ConsumerGroupHeartbeat with epoch -2: back in a moment."""
        return self.heartbeat(note, version, **({"member_epoch": -2} | others))

    def heartbeat(self, note: str = "", version: int | None = None, **others: Any) -> Call:
        """ConsumerGroupHeartbeat that says only who it is, and what is given."""
        fields: dict[str, Any] = {
            "group_id": self.group,
            "member_id": self.member_id,
            "member_epoch": self.epoch,
            "instance_id": self.instance_id,
        }
        return self.session.send(
            self.name, "ConsumerGroupHeartbeat", version, note, then=self._beaten, **(fields | others)
        )

    def _beaten(self, answer: Any) -> None:
        if answer.error_code == 0:
            self.member_id, self.epoch = answer.member_id or self.member_id, answer.member_epoch
            if answer.assignment is not None:
                self.assigned = [
                    {"topic_id": one.topic_id, "partitions": list(one.partitions)}
                    for one in answer.assignment.topic_partitions
                ]

    def commit(
        self,
        topic: str,
        offset: int = 1,
        note: str = "",
        version: int = 9,
        *,
        partition: int = 0,
        member_id: str = _KEEP,
        epoch: int = _KEEP,
        instance_id: str | None = _KEEP,
    ) -> Call:
        """OffsetCommit of one partition."""
        one = {"partition_index": partition, "committed_offset": offset, "committed_metadata": ""}
        fields = {
            "group_id": self.group,
            "generation_id_or_member_epoch": self.epoch if epoch is _KEEP else epoch,
            "member_id": self.member_id if member_id is _KEEP else member_id,
            "group_instance_id": self.instance_id if instance_id is _KEEP else instance_id,
            "topics": [{"name": topic, "partitions": [one | {"committed_leader_epoch": -1}]}],
        }
        return self.session.send(self.name, "OffsetCommit", version, note, **fields)

    def fetch_offset(
        self, topic: str, note: str = "", version: int = 9, *, member_id: str | None = _KEEP, epoch: int = _KEEP
    ) -> Call:
        """OffsetFetch of partition 0."""
        group = {
            "group_id": self.group,
            "member_id": self.member_id if member_id is _KEEP else member_id,
            "member_epoch": self.epoch if epoch is _KEEP else epoch,
            "topics": [{"name": topic, "partition_indexes": [0]}],
        }
        return self.session.send(self.name, "OffsetFetch", version, note, groups=[group], require_stable=False)


async def topic_of(session: Session, suffix: str = "t", partitions: int = 1) -> str:
    """A topic of the scenario's own, made off the record, that the group coordinator knows too; returns its name.

    A coordinator hears of topics by a way of its own: a group that is there sooner sees the topic come, an epoch later.
    """
    name = await session.topic(suffix, partitions)
    probe = ConsumerMember(session, "setup", topics=[name], group=f"~{name}")
    await probe.join().task
    await session.eventually(lambda: probe.heartbeat().task, lambda _: probe.assigned)
    await probe.leave().task
    return name


async def stable(*members: ConsumerMember) -> None:
    """Let the members heartbeat, off the record, until each owns what it is to own and nothing is left to be done."""
    session, group = members[0].session, members[0].group

    async def beaten() -> Any:
        for member in members:
            answer = await member.acknowledge().task
            assert answer.error_code == 0, answer
        return await described(session, group)

    await session.eventually(beaten, _is_stable)


async def joined(*members: ConsumerMember) -> None:
    """Let the members join, one after the other, and get to a stable group, off the record."""
    for place, member in enumerate(members):
        answer = await member.join().task
        assert answer.error_code == 0, answer
        await stable(*members[: place + 1])


async def described(session: Session, group: str) -> Any:
    """The group by ConsumerGroupDescribe v0, off the record."""
    asked: Mapping[str, Any] = {"group_ids": [group], "include_authorized_operations": False}
    answer = await session.peer("setup").request("ConsumerGroupDescribe", 0, **built("ConsumerGroupDescribe", 0, asked))
    return answer.groups[0]


def _is_stable(group: Any) -> bool:
    return group.group_state == "Stable" and all(
        member.member_epoch == group.group_epoch
        and _partitions(member.assignment) == _partitions(member.target_assignment)
        for member in group.members
    )


def _partitions(assignment: Any) -> set[tuple[str, int]]:
    return {(str(one.topic_id), partition) for one in assignment.topic_partitions for partition in one.partitions}
