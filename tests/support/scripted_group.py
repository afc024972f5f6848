"""A scripted broker's group of the consumer protocol (KIP-848), with room for one static member.

    group = ScriptedGroup(broker)
    group.assign(orders=[0])         # the next heartbeat tells; it begins with all partitions
    group.bump()                     # the next heartbeat brings a new epoch, and nothing else

A member that is not away keeps its instance id: another one is answered 111, and -2 of anybody else 82.
"""

from __future__ import annotations

from typing import Any

from tests.support.scripted_broker import Call, ScriptedBroker, refusal

API = "ConsumerGroupHeartbeat"


class ScriptedGroup:
    """What the coordinator knows.

    Attributes:
        member_id: the member, whether it is there or away.
        epoch: its epoch; that of what it will be told next.
        away: it left for now.
        interval_ms: between heartbeats, as it is told.
    """

    def __init__(self, broker: ScriptedBroker, member_id: str = "") -> None:
        self.member_id = member_id
        self.away = not member_id
        self.epoch = 7
        self.interval_ms = 20
        self._broker = broker
        self._target: dict[str, list[int]] | None = None
        self._told: dict[str, list[int]] | None = None
        self._ours = 0  # the epoch that the member has been told
        broker.on(API, self.heartbeat)
        broker.on("OffsetCommit", self._commit)
        broker.on("OffsetFetch", self._fetch)
        broker.on("ConsumerGroupDescribe", self._describe)

    def assign(self, **target: list[int]) -> None:
        self._target = target
        self.bump()

    def bump(self) -> None:
        self.epoch += 1

    @property
    def assignment(self) -> dict[str, list[int]]:
        if self._target is not None:
            return self._target
        return {name: list(range(count)) for name, count in self._broker.topics.items()}

    def beats(self) -> list[Any]:
        """Every heartbeat that was received."""
        return [call.request for call in self._broker.of(API)]

    def heartbeat(self, call: Call) -> Any:
        """The answer to a heartbeat."""
        request = call.request
        mine = request.member_id == self.member_id
        if request.member_epoch < 0:
            if not mine:
                return refusal(call, 82 if self.member_id else 25)
            self.away = True
            return request.RESPONSE(member_id=request.member_id, member_epoch=request.member_epoch)
        if request.member_epoch == 0:
            if not self.away:
                return refusal(call, 111)
            self.member_id, self.away, self._told = request.member_id, False, None
        elif not mine or self.away:
            return refusal(call, 25 if self.away and mine else 82)
        elif request.member_epoch != self._ours:
            return refusal(call, 110)
        self._ours = self.epoch
        answer = request.RESPONSE(member_id=self.member_id, member_epoch=self.epoch)
        answer.heartbeat_interval_ms = self.interval_ms
        if self.assignment != self._told:
            self._told = self.assignment
            made = call.messages
            answer.assignment = made.Assignment(
                topic_partitions=[
                    made.ConsumerGroupHeartbeatResponseTopicPartitions(
                        topic_id=self._broker.topic_id(name), partitions=partitions
                    )
                    for name, partitions in self.assignment.items()
                ]
            )
        return answer

    def _judge(self, member_id: str | None, epoch: int) -> int:
        if member_id != self.member_id:
            return 25
        return 0 if epoch == self._ours and not self.away else 113

    def _commit(self, call: Call) -> Any:
        request = call.request
        code = self._judge(request.member_id, request.generation_id_or_member_epoch)
        for topic in request.topics if not code else ():
            for entry in topic.partitions:
                self._broker.committed[topic.name, entry.partition_index] = entry.committed_offset
        return refusal(call, code)

    def _fetch(self, call: Call) -> Any:
        (group,) = call.request.groups
        code = self._judge(group.member_id, group.member_epoch) if group.member_id else 0
        return refusal(call, code) if code else self._broker.default(call)

    def _describe(self, call: Call) -> Any:
        answer, made = refusal(call, 0), call.messages
        member = made.Member(member_id=self.member_id, instance_id="billing-0", client_id="other")
        member.client_host = "/10.0.0.7"
        answer.groups[0].members.append(member)
        return answer
