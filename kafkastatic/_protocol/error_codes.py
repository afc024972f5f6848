# Generated from kafka-clients 4.4.0 by tools/generate.py; do not edit.
"""Kafka's error codes: a constant each, and what Kafka says about it."""

from typing import Final, NamedTuple


class ErrorInfo(NamedTuple):
    name: str
    retriable: bool
    message: str


UNKNOWN_SERVER_ERROR: Final = -1
NONE: Final = 0
OFFSET_OUT_OF_RANGE: Final = 1
CORRUPT_MESSAGE: Final = 2
UNKNOWN_TOPIC_OR_PARTITION: Final = 3
INVALID_FETCH_SIZE: Final = 4
LEADER_NOT_AVAILABLE: Final = 5
NOT_LEADER_OR_FOLLOWER: Final = 6
REQUEST_TIMED_OUT: Final = 7
BROKER_NOT_AVAILABLE: Final = 8
REPLICA_NOT_AVAILABLE: Final = 9
MESSAGE_TOO_LARGE: Final = 10
STALE_CONTROLLER_EPOCH: Final = 11
OFFSET_METADATA_TOO_LARGE: Final = 12
NETWORK_EXCEPTION: Final = 13
COORDINATOR_LOAD_IN_PROGRESS: Final = 14
COORDINATOR_NOT_AVAILABLE: Final = 15
NOT_COORDINATOR: Final = 16
INVALID_TOPIC_EXCEPTION: Final = 17
RECORD_LIST_TOO_LARGE: Final = 18
NOT_ENOUGH_REPLICAS: Final = 19
NOT_ENOUGH_REPLICAS_AFTER_APPEND: Final = 20
INVALID_REQUIRED_ACKS: Final = 21
ILLEGAL_GENERATION: Final = 22
INCONSISTENT_GROUP_PROTOCOL: Final = 23
INVALID_GROUP_ID: Final = 24
UNKNOWN_MEMBER_ID: Final = 25
INVALID_SESSION_TIMEOUT: Final = 26
REBALANCE_IN_PROGRESS: Final = 27
INVALID_COMMIT_OFFSET_SIZE: Final = 28
TOPIC_AUTHORIZATION_FAILED: Final = 29
GROUP_AUTHORIZATION_FAILED: Final = 30
CLUSTER_AUTHORIZATION_FAILED: Final = 31
INVALID_TIMESTAMP: Final = 32
UNSUPPORTED_SASL_MECHANISM: Final = 33
ILLEGAL_SASL_STATE: Final = 34
UNSUPPORTED_VERSION: Final = 35
TOPIC_ALREADY_EXISTS: Final = 36
INVALID_PARTITIONS: Final = 37
INVALID_REPLICATION_FACTOR: Final = 38
INVALID_REPLICA_ASSIGNMENT: Final = 39
INVALID_CONFIG: Final = 40
NOT_CONTROLLER: Final = 41
INVALID_REQUEST: Final = 42
UNSUPPORTED_FOR_MESSAGE_FORMAT: Final = 43
POLICY_VIOLATION: Final = 44
OUT_OF_ORDER_SEQUENCE_NUMBER: Final = 45
DUPLICATE_SEQUENCE_NUMBER: Final = 46
INVALID_PRODUCER_EPOCH: Final = 47
INVALID_TXN_STATE: Final = 48
INVALID_PRODUCER_ID_MAPPING: Final = 49
INVALID_TRANSACTION_TIMEOUT: Final = 50
CONCURRENT_TRANSACTIONS: Final = 51
TRANSACTION_COORDINATOR_FENCED: Final = 52
TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Final = 53
SECURITY_DISABLED: Final = 54
OPERATION_NOT_ATTEMPTED: Final = 55
KAFKA_STORAGE_ERROR: Final = 56
LOG_DIR_NOT_FOUND: Final = 57
SASL_AUTHENTICATION_FAILED: Final = 58
UNKNOWN_PRODUCER_ID: Final = 59
REASSIGNMENT_IN_PROGRESS: Final = 60
DELEGATION_TOKEN_AUTH_DISABLED: Final = 61
DELEGATION_TOKEN_NOT_FOUND: Final = 62
DELEGATION_TOKEN_OWNER_MISMATCH: Final = 63
DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: Final = 64
DELEGATION_TOKEN_AUTHORIZATION_FAILED: Final = 65
DELEGATION_TOKEN_EXPIRED: Final = 66
INVALID_PRINCIPAL_TYPE: Final = 67
NON_EMPTY_GROUP: Final = 68
GROUP_ID_NOT_FOUND: Final = 69
FETCH_SESSION_ID_NOT_FOUND: Final = 70
INVALID_FETCH_SESSION_EPOCH: Final = 71
LISTENER_NOT_FOUND: Final = 72
TOPIC_DELETION_DISABLED: Final = 73
FENCED_LEADER_EPOCH: Final = 74
UNKNOWN_LEADER_EPOCH: Final = 75
UNSUPPORTED_COMPRESSION_TYPE: Final = 76
STALE_BROKER_EPOCH: Final = 77
OFFSET_NOT_AVAILABLE: Final = 78
MEMBER_ID_REQUIRED: Final = 79
PREFERRED_LEADER_NOT_AVAILABLE: Final = 80
GROUP_MAX_SIZE_REACHED: Final = 81
FENCED_INSTANCE_ID: Final = 82
ELIGIBLE_LEADERS_NOT_AVAILABLE: Final = 83
ELECTION_NOT_NEEDED: Final = 84
NO_REASSIGNMENT_IN_PROGRESS: Final = 85
GROUP_SUBSCRIBED_TO_TOPIC: Final = 86
INVALID_RECORD: Final = 87
UNSTABLE_OFFSET_COMMIT: Final = 88
THROTTLING_QUOTA_EXCEEDED: Final = 89
PRODUCER_FENCED: Final = 90
RESOURCE_NOT_FOUND: Final = 91
DUPLICATE_RESOURCE: Final = 92
UNACCEPTABLE_CREDENTIAL: Final = 93
INCONSISTENT_VOTER_SET: Final = 94
INVALID_UPDATE_VERSION: Final = 95
FEATURE_UPDATE_FAILED: Final = 96
PRINCIPAL_DESERIALIZATION_FAILURE: Final = 97
SNAPSHOT_NOT_FOUND: Final = 98
POSITION_OUT_OF_RANGE: Final = 99
UNKNOWN_TOPIC_ID: Final = 100
DUPLICATE_BROKER_REGISTRATION: Final = 101
BROKER_ID_NOT_REGISTERED: Final = 102
INCONSISTENT_TOPIC_ID: Final = 103
INCONSISTENT_CLUSTER_ID: Final = 104
TRANSACTIONAL_ID_NOT_FOUND: Final = 105
FETCH_SESSION_TOPIC_ID_ERROR: Final = 106
INELIGIBLE_REPLICA: Final = 107
NEW_LEADER_ELECTED: Final = 108
OFFSET_MOVED_TO_TIERED_STORAGE: Final = 109
FENCED_MEMBER_EPOCH: Final = 110
UNRELEASED_INSTANCE_ID: Final = 111
UNSUPPORTED_ASSIGNOR: Final = 112
STALE_MEMBER_EPOCH: Final = 113
MISMATCHED_ENDPOINT_TYPE: Final = 114
UNSUPPORTED_ENDPOINT_TYPE: Final = 115
UNKNOWN_CONTROLLER_ID: Final = 116
UNKNOWN_SUBSCRIPTION_ID: Final = 117
TELEMETRY_TOO_LARGE: Final = 118
INVALID_REGISTRATION: Final = 119
TRANSACTION_ABORTABLE: Final = 120
INVALID_RECORD_STATE: Final = 121
SHARE_SESSION_NOT_FOUND: Final = 122
INVALID_SHARE_SESSION_EPOCH: Final = 123
FENCED_STATE_EPOCH: Final = 124
INVALID_VOTER_KEY: Final = 125
DUPLICATE_VOTER: Final = 126
VOTER_NOT_FOUND: Final = 127
INVALID_REGULAR_EXPRESSION: Final = 128
REBOOTSTRAP_REQUIRED: Final = 129
STREAMS_INVALID_TOPOLOGY: Final = 130
STREAMS_INVALID_TOPOLOGY_EPOCH: Final = 131
STREAMS_TOPOLOGY_FENCED: Final = 132
SHARE_SESSION_LIMIT_REACHED: Final = 133
GROUP_DELETION_FAILED: Final = 134
STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED: Final = 135
CONTROLLER_ID_NOT_REGISTERED: Final = 136

TABLE: Final[dict[int, ErrorInfo]] = {
    -1: ErrorInfo("UNKNOWN_SERVER_ERROR", False, "The server experienced an unexpected error when processing the request."),
    0: ErrorInfo("NONE", False, "NONE"),
    1: ErrorInfo("OFFSET_OUT_OF_RANGE", False, "The requested offset is not within the range of offsets maintained by the server."),
    2: ErrorInfo("CORRUPT_MESSAGE", True, "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted topic, or is otherwise corrupt."),
    3: ErrorInfo("UNKNOWN_TOPIC_OR_PARTITION", True, "This server does not host this topic-partition."),
    4: ErrorInfo("INVALID_FETCH_SIZE", False, "The requested fetch size is invalid."),
    5: ErrorInfo("LEADER_NOT_AVAILABLE", True, "There is no leader for this topic-partition as we are in the middle of a leadership election."),
    6: ErrorInfo("NOT_LEADER_OR_FOLLOWER", True, "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition."),
    7: ErrorInfo("REQUEST_TIMED_OUT", True, "The request timed out."),
    8: ErrorInfo("BROKER_NOT_AVAILABLE", False, "The broker is not available."),
    9: ErrorInfo("REPLICA_NOT_AVAILABLE", True, "The replica is not available for the requested topic-partition. Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition."),
    10: ErrorInfo("MESSAGE_TOO_LARGE", False, "The request included a message larger than the max message size the server will accept."),
    11: ErrorInfo("STALE_CONTROLLER_EPOCH", False, "The controller moved to another broker."),
    12: ErrorInfo("OFFSET_METADATA_TOO_LARGE", False, "The metadata field of the offset request was too large."),
    13: ErrorInfo("NETWORK_EXCEPTION", True, "The server disconnected before a response was received."),
    14: ErrorInfo("COORDINATOR_LOAD_IN_PROGRESS", True, "The coordinator is loading and hence can't process requests."),
    15: ErrorInfo("COORDINATOR_NOT_AVAILABLE", True, "The coordinator is not available."),
    16: ErrorInfo("NOT_COORDINATOR", True, "This is not the correct coordinator."),
    17: ErrorInfo("INVALID_TOPIC_EXCEPTION", False, "The request attempted to perform an operation on an invalid topic."),
    18: ErrorInfo("RECORD_LIST_TOO_LARGE", False, "The request included message batch larger than the configured segment size on the server."),
    19: ErrorInfo("NOT_ENOUGH_REPLICAS", True, "Messages are rejected since there are fewer in-sync replicas than required."),
    20: ErrorInfo("NOT_ENOUGH_REPLICAS_AFTER_APPEND", True, "Messages are written to the log, but to fewer in-sync replicas than required."),
    21: ErrorInfo("INVALID_REQUIRED_ACKS", False, "Produce request specified an invalid value for required acks."),
    22: ErrorInfo("ILLEGAL_GENERATION", False, "Specified group generation id is not valid."),
    23: ErrorInfo("INCONSISTENT_GROUP_PROTOCOL", False, "The group member's supported protocols are incompatible with those of existing members or first group member tried to join with empty protocol type or empty protocol list."),
    24: ErrorInfo("INVALID_GROUP_ID", False, "The group id is invalid."),
    25: ErrorInfo("UNKNOWN_MEMBER_ID", False, "The coordinator is not aware of this member."),
    26: ErrorInfo("INVALID_SESSION_TIMEOUT", False, "The session timeout is not within the range allowed by the broker (as configured by group.min.session.timeout.ms and group.max.session.timeout.ms)."),
    27: ErrorInfo("REBALANCE_IN_PROGRESS", False, "The group is rebalancing, so a rejoin is needed."),
    28: ErrorInfo("INVALID_COMMIT_OFFSET_SIZE", False, "The committing offset data size is not valid."),
    29: ErrorInfo("TOPIC_AUTHORIZATION_FAILED", False, "Topic authorization failed."),
    30: ErrorInfo("GROUP_AUTHORIZATION_FAILED", False, "Group authorization failed."),
    31: ErrorInfo("CLUSTER_AUTHORIZATION_FAILED", False, "Cluster authorization failed."),
    32: ErrorInfo("INVALID_TIMESTAMP", False, "The timestamp of the message is out of acceptable range."),
    33: ErrorInfo("UNSUPPORTED_SASL_MECHANISM", False, "The broker does not support the requested SASL mechanism."),
    34: ErrorInfo("ILLEGAL_SASL_STATE", False, "Request is not valid given the current SASL state."),
    35: ErrorInfo("UNSUPPORTED_VERSION", False, "The version of API is not supported."),
    36: ErrorInfo("TOPIC_ALREADY_EXISTS", False, "Topic with this name already exists."),
    37: ErrorInfo("INVALID_PARTITIONS", False, "Number of partitions is below 1."),
    38: ErrorInfo("INVALID_REPLICATION_FACTOR", False, "Replication factor is below 1 or larger than the number of available brokers."),
    39: ErrorInfo("INVALID_REPLICA_ASSIGNMENT", False, "Replica assignment is invalid."),
    40: ErrorInfo("INVALID_CONFIG", False, "Configuration is invalid."),
    41: ErrorInfo("NOT_CONTROLLER", True, "This is not the correct controller for this cluster."),
    42: ErrorInfo("INVALID_REQUEST", False, "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details."),
    43: ErrorInfo("UNSUPPORTED_FOR_MESSAGE_FORMAT", False, "The message format version on the broker does not support the request."),
    44: ErrorInfo("POLICY_VIOLATION", False, "Request parameters do not satisfy the configured policy."),
    45: ErrorInfo("OUT_OF_ORDER_SEQUENCE_NUMBER", False, "The broker received an out of order sequence number."),
    46: ErrorInfo("DUPLICATE_SEQUENCE_NUMBER", False, "The broker received a duplicate sequence number."),
    47: ErrorInfo("INVALID_PRODUCER_EPOCH", False, "Producer attempted to produce with an old epoch."),
    48: ErrorInfo("INVALID_TXN_STATE", False, "The producer attempted a transactional operation in an invalid state."),
    49: ErrorInfo("INVALID_PRODUCER_ID_MAPPING", False, "The producer attempted to use a producer id which is not currently assigned to its transactional id."),
    50: ErrorInfo("INVALID_TRANSACTION_TIMEOUT", False, "The transaction timeout is larger than the maximum value allowed by the broker (as configured by transaction.max.timeout.ms)."),
    51: ErrorInfo("CONCURRENT_TRANSACTIONS", True, "The producer attempted to update a transaction while another concurrent operation on the same transaction was ongoing."),
    52: ErrorInfo("TRANSACTION_COORDINATOR_FENCED", False, "Indicates that the transaction coordinator sending a WriteTxnMarker is no longer the current coordinator for a given producer."),
    53: ErrorInfo("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", False, "Transactional Id authorization failed."),
    54: ErrorInfo("SECURITY_DISABLED", False, "Security features are disabled."),
    55: ErrorInfo("OPERATION_NOT_ATTEMPTED", False, "The broker did not attempt to execute this operation. This may happen for batched RPCs where some operations in the batch failed, causing the broker to respond without trying the rest."),
    56: ErrorInfo("KAFKA_STORAGE_ERROR", True, "Disk error when trying to access log file on the disk."),
    57: ErrorInfo("LOG_DIR_NOT_FOUND", False, "The user-specified log directory is not found in the broker config."),
    58: ErrorInfo("SASL_AUTHENTICATION_FAILED", False, "SASL Authentication failed."),
    59: ErrorInfo("UNKNOWN_PRODUCER_ID", False, "This exception is raised by the broker if it could not locate the producer metadata associated with the producerId in question. This could happen if, for instance, the producer's records were deleted because their retention time had elapsed. Once the last records of the producerId are removed, the producer's metadata is removed from the broker, and future appends by the producer will return this exception."),
    60: ErrorInfo("REASSIGNMENT_IN_PROGRESS", False, "A partition reassignment is in progress."),
    61: ErrorInfo("DELEGATION_TOKEN_AUTH_DISABLED", False, "Delegation Token feature is not enabled."),
    62: ErrorInfo("DELEGATION_TOKEN_NOT_FOUND", False, "Delegation Token is not found on server."),
    63: ErrorInfo("DELEGATION_TOKEN_OWNER_MISMATCH", False, "Specified Principal is not valid Owner/Renewer."),
    64: ErrorInfo("DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", False, "Delegation Token requests are not allowed on PLAINTEXT/1-way SSL channels and on delegation token authenticated channels."),
    65: ErrorInfo("DELEGATION_TOKEN_AUTHORIZATION_FAILED", False, "Delegation Token authorization failed."),
    66: ErrorInfo("DELEGATION_TOKEN_EXPIRED", False, "Delegation Token is expired."),
    67: ErrorInfo("INVALID_PRINCIPAL_TYPE", False, "Supplied principalType is not supported."),
    68: ErrorInfo("NON_EMPTY_GROUP", False, "The group is not empty."),
    69: ErrorInfo("GROUP_ID_NOT_FOUND", False, "The group id does not exist."),
    70: ErrorInfo("FETCH_SESSION_ID_NOT_FOUND", True, "The fetch session ID was not found."),
    71: ErrorInfo("INVALID_FETCH_SESSION_EPOCH", True, "The fetch session epoch is invalid."),
    72: ErrorInfo("LISTENER_NOT_FOUND", True, "There is no listener on the leader broker that matches the listener on which metadata request was processed."),
    73: ErrorInfo("TOPIC_DELETION_DISABLED", False, "Topic deletion is disabled."),
    74: ErrorInfo("FENCED_LEADER_EPOCH", True, "The leader epoch in the request is older than the epoch on the broker."),
    75: ErrorInfo("UNKNOWN_LEADER_EPOCH", True, "The leader epoch in the request is newer than the epoch on the broker."),
    76: ErrorInfo("UNSUPPORTED_COMPRESSION_TYPE", False, "The requesting client does not support the compression type of given partition."),
    77: ErrorInfo("STALE_BROKER_EPOCH", False, "Broker epoch has changed."),
    78: ErrorInfo("OFFSET_NOT_AVAILABLE", True, "The leader high watermark has not caught up from a recent leader election so the offsets cannot be guaranteed to be monotonically increasing."),
    79: ErrorInfo("MEMBER_ID_REQUIRED", False, "The group member needs to have a valid member id before actually entering a consumer group."),
    80: ErrorInfo("PREFERRED_LEADER_NOT_AVAILABLE", True, "The preferred leader was not available."),
    81: ErrorInfo("GROUP_MAX_SIZE_REACHED", False, "The group has reached its maximum size."),
    82: ErrorInfo("FENCED_INSTANCE_ID", False, "The broker rejected this static consumer since another consumer with the same group.instance.id has registered with a different member.id."),
    83: ErrorInfo("ELIGIBLE_LEADERS_NOT_AVAILABLE", True, "Eligible topic partition leaders are not available."),
    84: ErrorInfo("ELECTION_NOT_NEEDED", True, "Leader election not needed for topic partition."),
    85: ErrorInfo("NO_REASSIGNMENT_IN_PROGRESS", False, "No partition reassignment is in progress."),
    86: ErrorInfo("GROUP_SUBSCRIBED_TO_TOPIC", False, "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."),
    87: ErrorInfo("INVALID_RECORD", False, "This record has failed the validation on broker and hence will be rejected."),
    88: ErrorInfo("UNSTABLE_OFFSET_COMMIT", True, "There are unstable offsets that need to be cleared."),
    89: ErrorInfo("THROTTLING_QUOTA_EXCEEDED", True, "The throttling quota has been exceeded."),
    90: ErrorInfo("PRODUCER_FENCED", False, "There is a newer producer with the same transactionalId which fences the current one."),
    91: ErrorInfo("RESOURCE_NOT_FOUND", False, "A request illegally referred to a resource that does not exist."),
    92: ErrorInfo("DUPLICATE_RESOURCE", False, "A request illegally referred to the same resource twice."),
    93: ErrorInfo("UNACCEPTABLE_CREDENTIAL", False, "Requested credential would not meet criteria for acceptability."),
    94: ErrorInfo("INCONSISTENT_VOTER_SET", False, "Indicates that the either the sender or recipient of a voter-only request is not one of the expected voters."),
    95: ErrorInfo("INVALID_UPDATE_VERSION", False, "The given update version was invalid."),
    96: ErrorInfo("FEATURE_UPDATE_FAILED", False, "Unable to update finalized features due to an unexpected server error."),
    97: ErrorInfo("PRINCIPAL_DESERIALIZATION_FAILURE", False, "Request principal deserialization failed during forwarding. This indicates an internal error on the broker cluster security setup."),
    98: ErrorInfo("SNAPSHOT_NOT_FOUND", False, "Requested snapshot was not found."),
    99: ErrorInfo("POSITION_OUT_OF_RANGE", False, "Requested position is not greater than or equal to zero, and less than the size of the snapshot."),
    100: ErrorInfo("UNKNOWN_TOPIC_ID", True, "This server does not host this topic ID."),
    101: ErrorInfo("DUPLICATE_BROKER_REGISTRATION", False, "This broker ID is already in use."),
    102: ErrorInfo("BROKER_ID_NOT_REGISTERED", False, "The given broker ID was not registered."),
    103: ErrorInfo("INCONSISTENT_TOPIC_ID", True, "The log's topic ID did not match the topic ID in the request."),
    104: ErrorInfo("INCONSISTENT_CLUSTER_ID", False, "The clusterId in the request does not match that found on the server."),
    105: ErrorInfo("TRANSACTIONAL_ID_NOT_FOUND", False, "The transactionalId could not be found."),
    106: ErrorInfo("FETCH_SESSION_TOPIC_ID_ERROR", True, "The fetch session encountered inconsistent topic ID usage."),
    107: ErrorInfo("INELIGIBLE_REPLICA", False, "The new ISR contains at least one ineligible replica."),
    108: ErrorInfo("NEW_LEADER_ELECTED", False, "The AlterPartition request successfully updated the partition state but the leader has changed."),
    109: ErrorInfo("OFFSET_MOVED_TO_TIERED_STORAGE", False, "The requested offset is moved to tiered storage."),
    110: ErrorInfo("FENCED_MEMBER_EPOCH", False, "The member epoch is fenced by the group coordinator. The member must abandon all its partitions and rejoin."),
    111: ErrorInfo("UNRELEASED_INSTANCE_ID", False, "The instance ID is still used by another member in the consumer group. That member must leave first."),
    112: ErrorInfo("UNSUPPORTED_ASSIGNOR", False, "The assignor or its version range is not supported by the consumer group."),
    113: ErrorInfo("STALE_MEMBER_EPOCH", False, "The member epoch is stale. The member must retry after receiving its updated member epoch via the ConsumerGroupHeartbeat API."),
    114: ErrorInfo("MISMATCHED_ENDPOINT_TYPE", False, "The request was sent to an endpoint of the wrong type."),
    115: ErrorInfo("UNSUPPORTED_ENDPOINT_TYPE", False, "This endpoint type is not supported yet."),
    116: ErrorInfo("UNKNOWN_CONTROLLER_ID", False, "This controller ID is not known."),
    117: ErrorInfo("UNKNOWN_SUBSCRIPTION_ID", False, "Client sent a push telemetry request with an invalid or outdated subscription ID."),
    118: ErrorInfo("TELEMETRY_TOO_LARGE", False, "Client sent a push telemetry request larger than the maximum size the broker will accept."),
    119: ErrorInfo("INVALID_REGISTRATION", False, "The controller has considered the broker registration to be invalid."),
    120: ErrorInfo("TRANSACTION_ABORTABLE", False, "The server encountered an error with the transaction. The client can abort the transaction to continue using this transactional ID."),
    121: ErrorInfo("INVALID_RECORD_STATE", False, "The record state is invalid. The acknowledgement of delivery could not be completed."),
    122: ErrorInfo("SHARE_SESSION_NOT_FOUND", True, "The share session was not found."),
    123: ErrorInfo("INVALID_SHARE_SESSION_EPOCH", True, "The share session epoch is invalid."),
    124: ErrorInfo("FENCED_STATE_EPOCH", False, "The coordinator rejected the request because the state epoch did not match."),
    125: ErrorInfo("INVALID_VOTER_KEY", False, "The voter key doesn't match the receiving replica's key."),
    126: ErrorInfo("DUPLICATE_VOTER", False, "The voter is already part of the set of voters."),
    127: ErrorInfo("VOTER_NOT_FOUND", False, "The voter is not part of the set of voters."),
    128: ErrorInfo("INVALID_REGULAR_EXPRESSION", False, "The regular expression is not valid."),
    129: ErrorInfo("REBOOTSTRAP_REQUIRED", False, "Client metadata is stale. The client should rebootstrap to obtain new metadata."),
    130: ErrorInfo("STREAMS_INVALID_TOPOLOGY", False, "The supplied topology is invalid."),
    131: ErrorInfo("STREAMS_INVALID_TOPOLOGY_EPOCH", False, "The supplied topology epoch is invalid."),
    132: ErrorInfo("STREAMS_TOPOLOGY_FENCED", False, "The supplied topology epoch is outdated."),
    133: ErrorInfo("SHARE_SESSION_LIMIT_REACHED", True, "The limit of share sessions has been reached."),
    134: ErrorInfo("GROUP_DELETION_FAILED", False, "DeleteGroups could not complete; see the error message on the per-group result for details."),
    135: ErrorInfo("STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED", False, "The broker could not process the topology description update; see the error message for details."),
    136: ErrorInfo("CONTROLLER_ID_NOT_REGISTERED", False, "The given controller ID was not registered."),
}
