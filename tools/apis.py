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
    "JoinGroup",
    "LeaveGroup",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
    "OffsetFetch",
    "Produce",
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
