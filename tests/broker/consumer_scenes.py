"""Consumer groups to test with: members that say what the test says, and answers cut down to what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kafkastatic._protocol.framing import decode_request, decode_response, encode_request, encode_response
from kafkastatic._protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
)
from kafkastatic.broker.groups import Reply
from tests.broker.group_scenes import GROUP, Scene, Topics

Partitions = Mapping[str, Iterable[int]]


class Told(NamedTuple):
    """An answer: its error code, the member epoch, and the assignment (`None` if nothing is said of it)."""

    code: int
    epoch: int = 0
    assigned: dict[str, list[int]] | None = None


class Consumers(Scene):
    """A coordinator whose consumer groups are asked; every request and answer goes through the framing.

    Attributes:
        message, interval, member_id: what the last heartbeat was answered besides.
        others: what the last heartbeat had others answered, who waited.
    """

    def __init__(self, *, version: int = 1, **settings: Any) -> None:
        counts = settings.pop("topics", {"orders": 4})
        super().__init__(Topics(**counts), **settings)
        self.version = version
        self.message: str | None = None
        self.interval = 0
        self.member_id: str | None = None
        self.others: list[Reply] = []

    def tell(
        self,
        mid: str,
        epoch: int,
        inst: str | None = None,
        *,
        topics: Iterable[str] | None = None,
        owned: Partitions | None = None,
        rebalance: int = -1,
        version: int | None = None,
        client_id: str = "app",
        group: str = GROUP,
        **more: Any,
    ) -> Told:
        """One heartbeat, which is answered at once."""
        version = self.version if version is None else version
        request = ConsumerGroupHeartbeatRequest(
            group_id=group,
            member_id=mid,
            member_epoch=epoch,
            instance_id=inst,
            rebalance_timeout_ms=rebalance,
            subscribed_topic_names=topics,
            topic_partitions=None if owned is None else self._places(owned),
            **more,
        )
        frame = encode_request(request, version, 7, client_id)
        _, heard = decode_request(frame[4:])
        replies = self.send("it", heard, version, client_id)
        (reply,) = [reply for reply in replies if reply.key == "it"]
        self.others = [reply for reply in replies if reply.key != "it"]
        answer = decode_response(
            ConsumerGroupHeartbeatRequest, encode_response(reply.response, version, 7)[4:], version
        )
        self.message, self.interval, self.member_id = (
            answer.error_message,
            answer.heartbeat_interval_ms,
            answer.member_id,
        )
        assigned = None if answer.assignment is None else self._named(answer.assignment.topic_partitions)
        return Told(answer.error_code, answer.member_epoch, assigned)

    def join(self, mid: str, inst: str | None = None, **more: Any) -> Told:  # type: ignore[override]
        """A full request with epoch 0."""
        fields: dict[str, Any] = {"topics": ["orders"], "owned": {}, "rebalance": 5_000}
        return self.tell(mid, 0, inst, **fields | more)

    join_classic = Scene.join

    def members(self) -> dict[str, tuple[int | None, list[int]]]:
        """Of each member: its epoch, and its partitions of `orders`."""
        found = self.coordinator.snapshot(GROUP)
        assert found is not None
        return {
            member.member_id: (member.epoch, sorted(place.partition for place in member.assignment))
            for member in found.members
        }

    def two(self, *instances: str | None) -> None:
        """Members a and b with two partitions each, in epoch 3."""
        inst_a, inst_b = instances or (None, None)
        assert self.join("a", inst_a) == Told(0, 2, {"orders": [0, 1, 2, 3]})
        assert self.join("b", inst_b) == Told(0, 3, {})
        assert self.tell("a", 2, inst_a) == Told(0, 2, {"orders": [0, 1]})
        assert self.tell("a", 2, inst_a, owned={"orders": [0, 1]}) == Told(0, 3)
        assert self.tell("b", 3, inst_b) == Told(0, 3, {"orders": [2, 3]})

    def _places(self, owned: Partitions) -> list[ConsumerGroupHeartbeatRequestTopicPartitions]:
        return [
            ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=self.topics.ids[name], partitions=numbers)
            for name, numbers in owned.items()
        ]

    def _named(self, topics: Iterable[Any]) -> dict[str, list[int]]:
        return {str(self.topics.name(entry.topic_id)): list(entry.partitions) for entry in topics}
