# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.
"""One module per API; import the module you need."""

from typing import Final

REQUESTS: Final = {
    0: ("produce", "ProduceRequest"),
    1: ("fetch", "FetchRequest"),
    2: ("list_offsets", "ListOffsetsRequest"),
    3: ("metadata", "MetadataRequest"),
    8: ("offset_commit", "OffsetCommitRequest"),
    9: ("offset_fetch", "OffsetFetchRequest"),
    10: ("find_coordinator", "FindCoordinatorRequest"),
    11: ("join_group", "JoinGroupRequest"),
    12: ("heartbeat", "HeartbeatRequest"),
    13: ("leave_group", "LeaveGroupRequest"),
    14: ("sync_group", "SyncGroupRequest"),
    15: ("describe_groups", "DescribeGroupsRequest"),
    16: ("list_groups", "ListGroupsRequest"),
    17: ("sasl_handshake", "SaslHandshakeRequest"),
    18: ("api_versions", "ApiVersionsRequest"),
    19: ("create_topics", "CreateTopicsRequest"),
    20: ("delete_topics", "DeleteTopicsRequest"),
    22: ("init_producer_id", "InitProducerIdRequest"),
    23: ("offset_for_leader_epoch", "OffsetForLeaderEpochRequest"),
    32: ("describe_configs", "DescribeConfigsRequest"),
    36: ("sasl_authenticate", "SaslAuthenticateRequest"),
    37: ("create_partitions", "CreatePartitionsRequest"),
    42: ("delete_groups", "DeleteGroupsRequest"),
    47: ("offset_delete", "OffsetDeleteRequest"),
    60: ("describe_cluster", "DescribeClusterRequest"),
    68: ("consumer_group_heartbeat", "ConsumerGroupHeartbeatRequest"),
    69: ("consumer_group_describe", "ConsumerGroupDescribeRequest"),
}
"""The module and class of each request, by API key."""
