"""All that concerns groups: requests to the coordinator, and its answers, now or later, to those who wait."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Hashable
from copy import copy
from typing import Any

from kafkastatic._protocol.error_codes import NOT_COORDINATOR
from kafkastatic._protocol.messages.consumer_group_describe import ConsumerGroupDescribeResponse
from kafkastatic._protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from kafkastatic._protocol.messages.delete_groups import DeleteGroupsResponse
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsResponse
from kafkastatic._protocol.messages.heartbeat import HeartbeatResponse
from kafkastatic._protocol.messages.join_group import JoinGroupResponse
from kafkastatic._protocol.messages.leave_group import LeaveGroupResponse
from kafkastatic._protocol.messages.list_groups import ListGroupsResponse
from kafkastatic._protocol.messages.offset_commit import OffsetCommitResponse
from kafkastatic._protocol.messages.offset_delete import OffsetDeleteResponse
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchResponse
from kafkastatic._protocol.messages.sync_group import SyncGroupResponse
from kafkastatic._runtime import Runtime
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import NOBODY, Cluster, slot_of
from kafkastatic.broker.groups import GroupCoordinator, Reply
from kafkastatic.broker.refusals import refuse


class GroupsApi:
    """The group APIs of all nodes.

    Attributes:
        coordinator: what decides; it is told here which requests come, and that time passes.
    """

    def __init__(self, cluster: Cluster, runtime: Runtime) -> None:
        self.coordinator = GroupCoordinator(cluster.settings, cluster, runtime.new_id)
        cluster.on_delete = self.coordinator.topic_deleted
        self._cluster = cluster
        self._runtime = runtime
        self._keys = itertools.count()
        self._waiting: dict[Hashable, asyncio.Future[Any]] = {}
        self._alarm: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Let no more time pass for the groups."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def moved(self, slots: Collection[int]) -> None:
        """The groups in these slots have another coordinator now, or none."""
        for group_id in self.coordinator.group_ids():
            if slot_of(group_id) in slots:
                loaded = self._cluster.coordinator(group_id) != NOBODY
                self._deliver(self.coordinator.moved(group_id, self._runtime.now(), loaded=loaded))

    # ── of one group ──

    async def join_group(self, call: Call) -> JoinGroupResponse:
        return await self._of_one_group(call)

    async def sync_group(self, call: Call) -> SyncGroupResponse:
        return await self._of_one_group(call)

    async def heartbeat(self, call: Call) -> HeartbeatResponse:
        return await self._of_one_group(call)

    async def leave_group(self, call: Call) -> LeaveGroupResponse:
        return await self._of_one_group(call)

    async def consumer_group_heartbeat(self, call: Call) -> ConsumerGroupHeartbeatResponse:
        return await self._of_one_group(call)

    async def offset_commit(self, call: Call) -> OffsetCommitResponse:
        return await self._of_one_group(call)

    async def offset_delete(self, call: Call) -> OffsetDeleteResponse:
        return await self._of_one_group(call)

    async def _of_one_group(self, call: Call) -> Any:
        if not self._coordinates(call, call.request.group_id):
            return refuse(call.request, call.version, NOT_COORDINATOR)
        return await self._ask(call)

    # ── of several groups: each one by itself ──

    async def offset_fetch(self, call: Call) -> OffsetFetchResponse:
        return await (self._of_several(call, "groups", "groups") if call.version >= 8 else self._of_one_group(call))

    async def describe_groups(self, call: Call) -> DescribeGroupsResponse:
        return await self._of_several(call, "groups", "groups")

    async def consumer_group_describe(self, call: Call) -> ConsumerGroupDescribeResponse:
        return await self._of_several(call, "group_ids", "groups")

    async def delete_groups(self, call: Call) -> DeleteGroupsResponse:
        return await self._of_several(call, "groups_names", "results")

    async def _of_several(self, call: Call, asked: str, answered: str) -> Any:
        """Those that this node coordinates are asked for; the others are refused beside them.

        Args:
            asked, answered: where the request and the response have their lists.
        """
        ours, foreign = copy(call.request), copy(call.request)
        setattr(ours, asked, [])
        setattr(foreign, asked, [])
        for group in getattr(call.request, asked):
            mine = self._coordinates(call, getattr(group, "group_id", group))
            getattr(ours if mine else foreign, asked).append(group)
        response = await self._ask(call.evolve(request=ours))
        getattr(response, answered).extend(getattr(refuse(foreign, call.version, NOT_COORDINATOR), answered))
        return response

    async def list_groups(self, call: Call) -> ListGroupsResponse:
        """Those that this node coordinates: a client asks every node."""
        response: ListGroupsResponse = await self._ask(call)
        response.groups = [group for group in response.groups if self._coordinates(call, group.group_id)]
        return response

    # ── requests in, answers out ──

    def _coordinates(self, call: Call, group_id: str) -> bool:
        return self._cluster.coordinator(group_id) == call.node

    async def _ask(self, call: Call) -> Any:
        """The answer. Who gives up waiting for it is still waited for by the group: Kafka does not notice either."""
        key = next(self._keys)
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            self._deliver(
                self.coordinator.handle(
                    key,
                    call.request,
                    version=call.version,
                    client_id=call.client_id,
                    host=call.host,
                    now=self._runtime.now(),
                )
            )
            return await answer
        finally:
            del self._waiting[key]

    def _deliver(self, replies: list[Reply]) -> None:
        for reply in replies:
            waiting = self._waiting.get(reply.key)
            if waiting is not None and not waiting.done():
                waiting.set_result(reply.response)
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Wake up in time. An alarm that rings too early, when a session was put off, does no harm."""
        deadline = self.coordinator.deadline()
        if deadline is None or (self._alarm is not None and self._alarm.when() <= deadline):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._deliver(self.coordinator.expire(self._runtime.now()))
