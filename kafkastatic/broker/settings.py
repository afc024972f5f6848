"""The settings of the embedded broker: Kafka's names with underscores."""

from __future__ import annotations

from typing import Literal

import attrs

Release = Literal["3.9", "4.4"]


@attrs.frozen(kw_only=True)
class BrokerSettings:
    """What a broker does by itself. Where a default differs from Kafka's, it is one that suits tests.

    Attributes:
        behaves_as: the release whose group coordinator and API versions are followed.
        auto_create_topics_enable: whether Metadata creates a topic that it is asked for, where the client lets it.
        num_partitions: of a topic that is created without a number.
        default_replication_factor: of such a topic; no more than there are brokers.
        group_initial_rebalance_delay_ms: how long the first rebalance of an empty group waits for more members
            (Kafka's 3000 would make every test wait).
        group_min_session_timeout_ms, group_max_session_timeout_ms: what a member may ask for (Kafka's least is 6000).
        group_max_size: members per group.
        group_coordinator_rebalance_protocols: `classic`, or `classic,consumer` for consumer groups as well (KIP-848);
            empty for what the release has by default: with 3.9 only the first, with 4.4 both. With both, the classic
            groups of 3.9 are those of another coordinator, which is that of 4.x.
        group_consumer_session_timeout_ms: how long a member of a consumer group may not be heard.
        group_consumer_heartbeat_interval_ms: how often it is told to be heard (Kafka's 5000 would make every rebalance
            take that long).
        group_consumer_max_size: members per consumer group.
        group_consumer_assignors: of consumer groups: those of `uniform` and `range` that may be asked for, the one that
            is used by default first.
        group_consumer_migration_policy: whether groups may change their protocol while they have members: `disabled`,
            `upgrade` (a classic group becomes a consumer group), `downgrade` or `bidirectional`; empty for what the
            release has by default: with 3.9 the first, with 4.4 the last.
        group_consumer_assignment_interval_ms: how long a consumer group keeps an assignment at least, with 4.4 (Kafka's
            1000 would make every second member wait).
        message_max_bytes: the largest record batch.
        socket_request_max_bytes: the longest request; the connection of a longer one is closed.
        fetch_max_bytes: the most that one fetch answers with.
        log_message_timestamp_type: `CreateTime` or `LogAppendTime`, of topics that do not say.
    """

    behaves_as: Release = "4.4"
    auto_create_topics_enable: bool = True
    num_partitions: int = 1
    default_replication_factor: int = 3
    group_initial_rebalance_delay_ms: int = 0
    group_min_session_timeout_ms: int = 10
    group_max_session_timeout_ms: int = 1_800_000
    group_max_size: int = 2_147_483_647
    group_coordinator_rebalance_protocols: str = ""
    group_consumer_session_timeout_ms: int = 45_000
    group_consumer_heartbeat_interval_ms: int = 200
    group_consumer_max_size: int = 2_147_483_647
    group_consumer_assignors: str = "uniform,range"
    group_consumer_migration_policy: str = ""
    group_consumer_assignment_interval_ms: int = 0
    message_max_bytes: int = 1_048_588
    socket_request_max_bytes: int = 104_857_600
    fetch_max_bytes: int = 57_671_680
    log_message_timestamp_type: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
