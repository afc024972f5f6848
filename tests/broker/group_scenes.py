"""Groups to test with: a coordinator on a clock moved by hand, and requests of Kafka's own shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkastatic._protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from kafkastatic._protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberIdentity,
    MemberResponse,
)
from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from kafkastatic._protocol.messages.sync_group import (
    SyncGroupRequest,
    SyncGroupRequestAssignment,
    SyncGroupResponse,
)
from kafkastatic.broker.groups import GroupCoordinator, Reply
from kafkastatic.broker.settings import BrokerSettings

GROUP = "billing"
RANGE = (("range", b"meta"),)


class Topics:
    """A catalog of a few topics, with four partitions each unless `counts` says another number."""

    def __init__(self, *names: str, **counts: int) -> None:
        self.ids = {name: bytes([number + 1] * 16) for number, name in enumerate((*names, *counts))}
        self.counts = dict(counts)

    def topic_id(self, name: str) -> bytes | None:
        return self.ids.get(name)

    def name(self, topic_id: bytes) -> str | None:
        return next((name for name, known in self.ids.items() if known == topic_id), None)

    def names(self) -> list[str]:
        return list(self.ids)

    def has(self, name: str, partition: int) -> bool:
        return 0 <= partition < self.partitions(name)

    def partitions(self, name: str) -> int:
        return self.counts.get(name, 4) if name in self.ids else 0


class Scene:
    """A coordinator whose ids are 1, 2, ...; each request is its own key, named by the test."""

    def __init__(self, topics: Topics | None = None, **settings: Any) -> None:
        self._count = 0
        self.topics = topics or Topics("orders", "payments")
        self.coordinator = GroupCoordinator(BrokerSettings(**settings), self.topics, self._new_id)
        self.now = 0.0

    def _new_id(self) -> str:
        self._count += 1
        return str(self._count)

    def send(
        self, key: str, request: Any, version: int, client_id: str = "app", host: str = "/127.0.0.1"
    ) -> list[Reply]:
        return self.coordinator.handle(key, request, version=version, client_id=client_id, host=host, now=self.now)

    def at(self, now: float) -> list[Reply]:
        """Let time pass, deadline by deadline, as whoever runs a coordinator does."""
        replies: list[Reply] = []
        while (deadline := self.coordinator.deadline()) is not None and deadline <= now:
            replies += self.coordinator.expire(deadline)
        self.now = now
        return replies

    def state(self) -> str:
        found = self.coordinator.snapshot(GROUP)
        return found.state if found else "Dead"

    def generation(self) -> int:
        found = self.coordinator.snapshot(GROUP)
        assert found is not None
        return found.generation

    def ids(self) -> list[str]:
        found = self.coordinator.snapshot(GROUP)
        assert found is not None
        return [member.member_id for member in found.members]

    def join(
        self,
        key: str,
        inst: str | None = None,
        mid: str = "",
        *,
        protocols: Iterable[tuple[str, bytes]] = RANGE,
        session: int = 10_000,
        rebalance: int = 20_000,
        version: int = 9,
        group: str = GROUP,
        protocol_type: str = "consumer",
        **who: str,
    ) -> list[Reply]:
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session,
            rebalance_timeout_ms=rebalance,
            member_id=mid,
            group_instance_id=inst,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name, metadata in protocols],
        )
        return self.send(key, request, version, **who)

    def sync(
        self,
        key: str,
        mid: str,
        inst: str | None = None,
        *,
        gen: int = 1,
        assign: Mapping[str, bytes] | None = None,
        version: int = 5,
        protocol_type: str | None = "consumer",
        protocol: str | None = "range",
        group: str = GROUP,
    ) -> list[Reply]:
        request = SyncGroupRequest(
            group_id=group,
            generation_id=gen,
            member_id=mid,
            group_instance_id=inst,
            protocol_type=protocol_type,
            protocol_name=protocol,
            assignments=[
                SyncGroupRequestAssignment(member_id=member, assignment=data) for member, data in (assign or {}).items()
            ],
        )
        return self.send(key, request, version)

    def beat(self, key: str, mid: str, inst: str | None = None, *, gen: int = 1, group: str = GROUP) -> list[Reply]:
        request = HeartbeatRequest(group_id=group, generation_id=gen, member_id=mid, group_instance_id=inst)
        return self.send(key, request, 4)

    def leave(self, key: str, *who: tuple[str, str | None], version: int = 5, group: str = GROUP) -> list[Reply]:
        if version < 3:
            return self.send(key, LeaveGroupRequest(group_id=group, member_id=who[0][0]), version)
        members = [MemberIdentity(member_id=mid, group_instance_id=inst) for mid, inst in who]
        return self.send(key, LeaveGroupRequest(group_id=group, members=members), version)

    def commit(
        self,
        key: str,
        mid: str = "",
        inst: str | None = None,
        *,
        gen: int = 1,
        offset: int = 7,
        partition: int = 0,
        version: int = 9,
        topic: str = "orders",
        metadata: str | None = None,
        group: str = GROUP,
    ) -> int:
        """Commit one partition; its error code. (The whole answers are looked at in `test_groups_offsets`.)"""
        by_id = version >= 10
        request = OffsetCommitRequest(
            group_id=group,
            generation_id_or_member_epoch=gen,
            member_id=mid,
            group_instance_id=inst,
            topics=[
                OffsetCommitRequestTopic(
                    name="" if by_id else topic,
                    topic_id=(self.topics.topic_id(topic) or bytes([99] * 16)) if by_id else bytes(16),
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=partition, committed_offset=offset, committed_metadata=metadata
                        )
                    ],
                )
            ],
        )
        (reply,) = self.send(key, request, version)
        return reply.response.topics[0].partitions[0].error_code


def joined(
    key: str,
    mid: str,
    leader: str,
    members: Mapping[str, str | None] | None = None,
    *,
    gen: int = 1,
    skip: bool = False,
    protocol: str = "range",
    metadata: bytes = b"meta",
) -> Reply:
    """A successful join; `members` are the ids and instance ids that a leader is told."""
    return Reply(
        key,
        JoinGroupResponse(
            generation_id=gen,
            protocol_type="consumer",
            protocol_name=protocol,
            leader=leader,
            skip_assignment=skip,
            member_id=mid,
            members=[
                JoinGroupResponseMember(member_id=member, group_instance_id=inst, metadata=metadata)
                for member, inst in (members or {}).items()
            ],
        ),
    )


def not_joined(key: str, code: int, mid: str = "", *, version: int = 9) -> Reply:
    name = None if version >= 7 else ""
    return Reply(key, JoinGroupResponse(error_code=code, member_id=mid, protocol_name=name))


def synced(key: str, assignment: bytes = b"") -> Reply:
    return Reply(key, SyncGroupResponse(protocol_type="consumer", protocol_name="range", assignment=assignment))


def not_synced(key: str, code: int) -> Reply:
    return Reply(key, SyncGroupResponse(error_code=code))


def beaten(key: str, code: int = 0) -> Reply:
    return Reply(key, HeartbeatResponse(error_code=code))


def left(key: str, *codes: tuple[str, str | None, int]) -> Reply:
    members = [MemberResponse(member_id=mid, group_instance_id=inst, error_code=code) for mid, inst, code in codes]
    return Reply(key, LeaveGroupResponse(members=members))


def stable(*instances: str, scene: Scene | None = None, **options: Any) -> Scene:
    """A stable group of static members a-1, b-2, ..., each assigned its name; generation 2, 1 with a single member."""
    scene = scene or Scene()
    first, *others = instances
    scene.join(f"join {first}", first, **options)
    scene.at(scene.now)
    for inst in others:
        scene.join(f"join {inst}", inst, **options)
    if others:
        scene.join(f"again {first}", first, f"{first}-1", **options)
    gen = scene.generation()
    ids = dict(zip(instances, scene.ids(), strict=True))
    for inst in others:
        scene.sync(f"sync {inst}", ids[inst], inst, gen=gen)
    scene.sync(f"sync {first}", ids[first], first, gen=gen, assign={mid: i.encode() for i, mid in ids.items()})
    assert scene.state() == "Stable"
    return scene
