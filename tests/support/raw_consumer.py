"""A raw-protocol member of a KIP-848 group: the rival, the neighbour or the ghost of the member under test."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

from tests.support.raw_peer import ANSWER_WITHIN, MESSAGES, RawError, RawPeer, TopicPartition, meanwhile

HEARTBEAT, DESCRIBE = 68, 69
LEAVE, STEP_OUT = -1, -2
"""The epochs that say goodbye: for good, and for a moment."""


class RawConsumer:
    """Moved by hand; member id, epoch and assignment are kept between the calls. Of one topic."""

    def __init__(
        self, peer: RawPeer, group: str, topic: str, instance_id: str | None = None, member_id: str | None = None
    ) -> None:
        self.peer = peer
        self.group = group
        self.topic = topic
        self.instance_id = instance_id
        self.member_id = member_id or str(uuid.uuid4())
        self.epoch = 0
        self.assignment: set[TopicPartition] = set()
        self._assigned: list[Any] = []

    async def join(self) -> int:
        """ConsumerGroupHeartbeat with epoch 0; the error code."""
        self.epoch, self._assigned, self.assignment = 0, [], set()
        return await self.heartbeat(
            rebalance_timeout_ms=20_000, subscribed_topic_names=[self.topic], topic_partitions=[]
        )

    async def heartbeat(self, **fields: Any) -> int:
        """ConsumerGroupHeartbeat that tells the assignment that came last as owned; the error code."""
        fields = {"topic_partitions": self._owned()} | fields
        answer = await self._request(self.epoch, **fields)
        if answer.error_code == 0:
            self.epoch = answer.member_epoch
            if answer.assignment is not None:
                self._assigned = answer.assignment.topic_partitions
                self.assignment = {(self.topic, p) for topic in self._assigned for p in topic.partitions}
        return answer.error_code

    async def say(self, epoch: int) -> int:
        """Goodbye: `LEAVE` or `STEP_OUT`; the error code."""
        return (await self._request(epoch)).error_code

    async def settle(self, partitions: int) -> set[TopicPartition]:
        """Join, and heartbeat until so many partitions are assigned and acknowledged.

        :raises RawError: for any error code
        :raises TimeoutError: if that takes longer than `ANSWER_WITHIN`
        """
        async with asyncio.timeout(ANSWER_WITHIN):
            code = await self.join()
            while code == 0:
                done = len(self.assignment) == partitions
                code = await self.heartbeat()
                if done and code == 0 and len(self.assignment) == partitions:
                    return self.assignment
                await asyncio.sleep(0.05)
        raise RawError("ConsumerGroupHeartbeat", code)

    @contextlib.asynccontextmanager
    async def beating(self, interval: float = 0.1) -> AsyncIterator[list[int]]:
        """Heartbeats in the background while the block runs; yields the list their error codes are added to."""
        codes: list[int] = []

        async def beat() -> None:
            while not codes or codes[-1] == 0:
                codes.append(await self.heartbeat())
                await asyncio.sleep(interval)

        async with meanwhile(beat()):
            yield codes

    def _owned(self) -> list[Any]:
        owned = MESSAGES[HEARTBEAT][1].TopicPartitions
        return [owned(topic_id=topic.topic_id, partitions=list(topic.partitions)) for topic in self._assigned]

    async def _request(self, epoch: int, **fields: Any) -> Any:
        return await self.peer.request(
            "ConsumerGroupHeartbeat",
            0,  # which every release has that has any
            **{
                "group_id": self.group,
                "member_id": self.member_id,
                "member_epoch": epoch,
                "instance_id": self.instance_id,
                "rack_id": None,
                "rebalance_timeout_ms": -1,
                "subscribed_topic_names": None,
                "server_assignor": None,
                "topic_partitions": None,
                **fields,
            },
        )


async def described(peer: RawPeer, group: str) -> Any:
    """ConsumerGroupDescribe v0, the one group: group_state, group_epoch, members (member_id, instance_id, ...)."""
    answer = await peer.request("ConsumerGroupDescribe", 0, group_ids=[group], include_authorized_operations=False)
    return answer.groups[0]


async def members(peer: RawPeer, group: str) -> dict[str | None, str]:
    """Instance id -> member id of a group's present members."""
    return {member.instance_id: member.member_id for member in (await described(peer, group)).members}
