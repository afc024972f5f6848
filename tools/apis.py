"""What is generated: a line each, by Kafka's names. Add a line and run `tools/generate.py`."""

APIS = (
    "ApiVersions",
    "ConsumerGroupDescribe",
    "ConsumerGroupHeartbeat",
    "CreatePartitions",
    "CreateTopics",
    "DeleteGroups",
    "DeleteTopics",
    "DescribeCluster",
    "DescribeConfigs",
    "DescribeGroups",
    "Fetch",
    "FindCoordinator",
    "Heartbeat",
    "InitProducerId",
    "JoinGroup",
    "LeaveGroup",
    "ListGroups",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
    "OffsetDelete",
    "OffsetFetch",
    "OffsetForLeaderEpoch",
    "Produce",
    "SaslAuthenticate",
    "SaslHandshake",
    "SyncGroup",
)
"""APIs whose request and response share a module."""

OTHERS = (
    "ConsumerProtocolAssignment",
    "ConsumerProtocolSubscription",
    "RequestHeader",
    "ResponseHeader",
)
"""Messages that have a module of their own."""
