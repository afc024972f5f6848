"""Group requests that are refused as a whole: the answer of each API with an error code. Pure."""

from __future__ import annotations

from typing import Any

from kafkastatic._protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from kafkastatic._protocol.messages.describe_groups import (
    DescribedGroup,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkastatic._protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from kafkastatic._protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from kafkastatic._protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kafkastatic._protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from kafkastatic._protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse


def refused(request: Any, version: int, code: int) -> Any:
    """The answer that says `code` of everything that the request asks for."""
    match request:
        case JoinGroupRequest():
            return JoinGroupResponse(error_code=code, protocol_name=None if version >= 7 else "")
        case SyncGroupRequest():
            return SyncGroupResponse(error_code=code)
        case HeartbeatRequest():
            return HeartbeatResponse(error_code=code)
        case LeaveGroupRequest():
            return LeaveGroupResponse(error_code=code)
        case OffsetCommitRequest():
            return _commit(request, code)
        case OffsetFetchRequest():
            return _fetch(request, version, code)
        case OffsetDeleteRequest():
            return OffsetDeleteResponse(error_code=code)
        case DescribeGroupsRequest():
            return DescribeGroupsResponse(groups=[DescribedGroup(group_id=g, error_code=code) for g in request.groups])
        case DeleteGroupsRequest():
            results = [DeletableGroupResult(group_id=group_id, error_code=code) for group_id in request.groups_names]
            return DeleteGroupsResponse(results=results)
        case ListGroupsRequest():
            return ListGroupsResponse(error_code=code)
        case _:
            raise TypeError(f"{request!r} is no group request.")


def _commit(request: OffsetCommitRequest, code: int) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _fetch(request: OffsetFetchRequest, version: int, code: int) -> OffsetFetchResponse:
    if version >= 8:
        groups = [OffsetFetchResponseGroup(group_id=group.group_id, error_code=code) for group in request.groups]
        return OffsetFetchResponse(groups=groups)
    if version >= 2:
        return OffsetFetchResponse(error_code=code)
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(partition_index=index, committed_offset=-1, error_code=code)
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics or ()
        ]
    )
