"""What a ConsumerGroupHeartbeat has to have to be looked at. Pure."""

from __future__ import annotations

from kafkastatic._protocol.error_codes import INVALID_REQUEST, UNSUPPORTED_ASSIGNOR
from kafkastatic._protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkastatic.broker.groups.consumer.group import AWAY, Refused
from kafkastatic.broker.groups.desk import Asked, Desk

CLIENTS_MAKE_IDS = 1
"""From this version on a member brings its member id (KIP-1082)."""


def check_request(desk: Desk, asked: Asked) -> None:
    """Raises Refused: if something is missing, or is there and must not be."""
    request: ConsumerGroupHeartbeatRequest = asked.request
    # Who joins is given an id; by a coordinator of 4.x, who steps out without one is not found.
    without = (0,) if desk.early else (0, AWAY)
    if asked.version >= CLIENTS_MAKE_IDS or (request.member_epoch not in without and request.member_epoch >= AWAY):
        _not_empty("MemberId", request.member_id)
    _not_empty("GroupId", request.group_id)
    _not_empty("InstanceId", request.instance_id)
    _not_empty("RackId", request.rack_id)
    if request.member_epoch == 0:
        _check_join(desk, request)
    elif request.member_epoch == AWAY:
        if request.instance_id is None:
            raise Refused(INVALID_REQUEST, "InstanceId can't be null.")
    elif request.member_epoch < AWAY:
        raise Refused(INVALID_REQUEST, "MemberEpoch is invalid.")
    if request.server_assignor is not None and request.server_assignor not in desk.assignors:
        raise Refused(
            UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.server_assignor} is not supported. Supported assignors:"
            f" {', '.join(desk.assignors)}.",
        )


def _check_join(desk: Desk, request: ConsumerGroupHeartbeatRequest) -> None:
    if request.rebalance_timeout_ms == -1:
        raise Refused(INVALID_REQUEST, "RebalanceTimeoutMs must be provided in first request.")
    if request.topic_partitions is None or request.topic_partitions:
        raise Refused(INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining.")
    if desk.early:
        if not request.subscribed_topic_names:
            raise Refused(INVALID_REQUEST, "SubscribedTopicNames must be set in first request.")
    elif request.subscribed_topic_names is None and request.subscribed_topic_regex is None:
        raise Refused(
            INVALID_REQUEST, "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
        )


def _not_empty(field: str, value: str | None) -> None:
    if value is not None and not value.strip():
        raise Refused(INVALID_REQUEST, f"{field} can't be empty.")
