"""What is generated: a line each, by Kafka's names. Add a line and run `tools/generate.py`."""

APIS = (
    "ApiVersions",
    "CreatePartitions",
    "CreateTopics",
    "DeleteTopics",
    "DescribeGroups",
    "Fetch",
    "FindCoordinator",
    "Heartbeat",
    "InitProducerId",
    "JoinGroup",
    "LeaveGroup",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
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
