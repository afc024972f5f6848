"""Where answers may differ, and why. What is not listed is an error, and so is a line that nothing needs any more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.conformance.scripts import SCENARIOS
from tests.conformance.session import CONSUMER, SHORT, played_on
from tests.conformance.transcript import Step


@dataclass(frozen=True)
class Difference:
    """An accepted difference of `broker` from the one that it is held to.

    Attributes:
        broker: "3.9.2", with either coordinator, is held to 4.4.0; "embedded" to the broker that it behaves as.
        scenarios: each of them shows the difference.
        step, field: patterns of what differs; the places in lists are left out of a field's path.
        releases: which brokers, by their keys, the embedded one differs from.
    """

    broker: str
    scenarios: tuple[str, ...]
    step: str
    field: str
    reason: str
    releases: tuple[str, ...] = ("4.4", "3.9", "3.9-java", "4.4-short", "3.9-java-short", "4.4-interval")


_DESCRIBED = "Outside of Stable, 4.x describes the last assignment and 3.9 describes none."
_NEWER = "The request's version is newer than 3.9: it closes the connection."
_TIMER = "4.x keeps the session timer of the member that was replaced until the first heartbeat, 3.9 does not."

_JAVA = "3.9.2 with Java"
_SAME_EPOCHS = {
    "classic_group_becomes_a_consumer_group_one_by_one",
    "classic_group_without_owned_partitions_meets_a_consumer",
    "classic_static_that_has_left_is_replaced_by_a_consumer",
    "consumer_joins_that_are_refused",
    "consumer_offsets_are_deleted",
    "consumer_offsets_are_fetched_with_each_epoch",
    "consumer_requests_to_a_classic_group",
}
_CONSUMER = tuple(name for name in SCENARIOS if name in (*played_on(CONSUMER[1]), *played_on(SHORT[1])))

DIFFERENCES = (
    # 3.9.2 with its Java coordinator beside 4.4.0
    Difference(
        _JAVA,
        tuple(name for name in _CONSUMER if name not in _SAME_EPOCHS),
        "*",
        "*epoch",
        "A group that is new begins with epoch 2 in 4.4 and 1 in 3.9; what is refused tells epoch 0.",
    ),
    Difference(
        _JAVA,
        (
            "classic_static_is_replaced_by_a_consumer",
            "consumer_owner_is_taken_back_by_a_naive_classic_member",
            "consumer_static_beside_another_is_replaced_by_a_classic_one",
            "consumer_static_is_replaced_by_a_classic_one",
        ),
        "*: JoinGroup v9*",
        "generation_id",
        "The generation that a classic member is told is its epoch.",
    ),
    Difference(
        _JAVA,
        ("consumer_member_ids",),
        "*: ConsumerGroupHeartbeat v1*",
        "*",
        "Version 1 is newer than 3.9: it closes the connection.",
    ),
    Difference(
        _JAVA,
        ("consumer_joins_that_are_refused",),
        "admin: ConsumerGroupDescribe v0 (no id)",
        "groups.error_code",
        "3.9 describes a group without an id as an unknown error, and with it all that are described beside it.",
    ),
    Difference(
        _JAVA,
        (
            "classic_group_without_members_becomes_a_consumer_group",
            "consumer_groups_are_seen_in_each_state",
            "consumer_joins_that_are_refused",
            "consumer_requests_to_a_classic_group",
        ),
        "admin: ConsumerGroupDescribe*",
        "groups.error_message",
        "4.x says in words too that there is no such group.",
    ),
    Difference(_JAVA, ("consumer_joins_with_little",), "*", "*", "3.9 refuses a member without topics."),
    Difference(
        _JAVA,
        ("consumer_heartbeats_with_each_epoch", "consumer_static_heartbeats_with_each_epoch"),
        "a: ConsumerGroupHeartbeat (the one before that)",
        "error_code",
        "Two epochs before its own was none in 3.9 yet but the request to join.",
    ),
    Difference(
        _JAVA,
        (
            "consumer_heartbeats_with_each_epoch",
            "consumer_instance_ids_are_changed",
            "consumer_joins_again_when_an_answer_was_lost",
        ),
        "*: ConsumerGroupHeartbeat (*again*",
        "*",
        "4.4 lets a dynamic member that it knows join again at any time; 3.9 while its first epoch is its last.",
    ),
    Difference(
        _JAVA,
        ("consumer_group_that_is_full",),
        "*",
        "*",
        "4.4 lets a static member return into its place in a full group, 3.9 counts it as one too many.",
    ),
    Difference(
        _JAVA,
        ("consumer_commits_with_each_epoch", "consumer_commits_after_stepping_out"),
        "*: OffsetCommit v9*",
        "topics.partitions.error_code",
        "4.3 and later take commits of older epochs, from that on in which the partition was assigned.",
    ),
    Difference(
        _JAVA,
        ("consumer_static_is_removed_by_an_administrator", "classic_requests_to_a_consumer_group"),
        "*",
        "*",
        "LeaveGroup does not remove members of the consumer protocol in 3.9 (KAFKA-18188).",
    ),
    Difference(
        _JAVA,
        ("classic_requests_to_a_consumer_group",),
        "x: JoinGroup v9 (no metadata)",
        "error_code",
        "A join without metadata is an unknown error in 3.9.",
    ),
    Difference(
        _JAVA,
        (
            "consumer_groups_are_seen_in_each_state",
            "consumer_reconciliation_of_three",
            "consumer_reconciliation_of_two",
        ),
        "admin: ConsumerGroupDescribe*",
        "groups.members.assignment.*",
        "What a member has been told to give up is described as its own in 4.x until it has, and not in 3.9.",
    ),
    Difference(
        _JAVA,
        ("consumer_assignors", "consumer_subscriptions_differ"),
        "admin: ConsumerGroupDescribe*",
        "groups.members.*assignment.*",
        "The uniform assignors differ in which member has one more, and in who gets what of topics that not all want.",
    ),
    Difference(
        _JAVA,
        ("classic_static_is_replaced_by_a_consumer",),
        "*",
        "*",
        "3.9 does not let a consumer replace a classic member that has not left.",
    ),
    Difference(
        _JAVA,
        ("classic_group_that_rebalances_meets_a_consumer",),
        "*",
        "*",
        "3.9 does not take a classic group over while it rebalances.",
    ),
    Difference(
        _JAVA,
        ("consumer_static_is_replaced_by_a_classic_one", "consumer_owner_is_taken_back_by_a_naive_classic_member"),
        "*",
        "*",
        "The group stays a consumer group in 3.9 when a classic member has replaced its last consumer.",
    ),
    # 3.9.2 beside 4.4.0
    Difference("3.9.2", ("api_versions", "api_versions_of_another_age"), "*", "api_keys.*", "Each has its versions."),
    Difference("3.9.2", ("api_versions",), "*", "*_features*", "Each has its features of the controller's log."),
    Difference(
        "3.9.2",
        ("authorized_operations_of_a_group",),
        "admin: DescribeGroups*",
        "groups.authorized_operations",
        "Groups have settings in 4.x, which can be described and altered.",
    ),
    Difference(
        "3.9.2",
        ("commit_without_a_group",),
        "a: OffsetCommit v9 (of a generation)",
        "topics.partitions.error_code",
        "From version 9 on, 4.x says that there is no such group (69), and not that there is no such generation (22).",
    ),
    Difference(
        "3.9.2",
        ("committed_offsets_at_every_version",),
        "reader: OffsetFetch v8 (of no groups)*",
        "",
        "3.9 never answers a request for the offsets of no group.",
    ),
    Difference(
        "3.9.2",
        (
            "dynamic_join_that_repeats_itself",
            "groups_are_described_in_each_state",
            "static_absentee_at_the_rebalance_timeout",
            "static_member_leaves",
        ),
        "admin: DescribeGroups*",
        "groups.members.member_assignment",
        _DESCRIBED,
    ),
    Difference(
        "3.9.2",
        ("commit_without_a_group", "groups_of_nobody_are_described"),
        "admin: DescribeGroups v6",
        "*",
        _NEWER,
    ),
    Difference("3.9.2", ("offsets_by_topic_id",), "a: Offset* v10*", "*", _NEWER),
    Difference(
        "3.9.2",
        ("newest_describe_cluster", "newest_fetch", "newest_list_offsets", "newest_metadata", "newest_produce"),
        "*",
        "*",
        _NEWER,
    ),
    Difference("3.9.2", ("offsets_by_time",), "reader: ListOffsets v10*", "*", _NEWER),
    Difference("3.9.2", ("produce_at_every_version",), "producer: Produce v12", "*", _NEWER),
    Difference(
        "3.9.2", ("produce_at_every_version",), "reader: Fetch v12", "responses.*", "One version less wrote a record."
    ),
    Difference(
        "3.9.2",
        ("group_that_is_full_while_it_rebalances",),
        "a: JoinGroup v9*",
        "",
        "4.x does not see that all the others have joined when it refuses the last one, and waits for its timeout.",
    ),
    Difference(
        "3.9.2",
        ("static_members_of_two_minds_restart",),
        "*",
        "protocol_name",
        "Of two protocols with as many votes, 4.x takes the first one of a hash map and 3.9 the last one.",
    ),
    Difference(
        "3.9.2",
        ("pending_member",),
        "a: Heartbeat v4 (after the other left)",
        "error_code",
        "In 4.x a group rebalances even when one leaves that had not joined yet.",
    ),
    Difference(
        "3.9.2",
        ("offsets_are_deleted",),
        "admin: OffsetDelete v0 (nothing)",
        "error_code",
        "3.9 forgets an empty group with its last offset.",
    ),
    Difference(
        "3.9.2",
        ("restart_with_a_longer_session", "restart_with_a_shorter_session"),
        "b: Heartbeat v4",
        "error_code",
        _TIMER,
    ),
    # The embedded broker beside the one that it behaves as
    Difference(
        "embedded",
        ("api_versions",),
        "a: ApiVersions*",
        "api_keys.min_version",
        "Versions that 4.0 removed are not spoken as 3.9 either.",
        ("3.9",),
    ),
    Difference(
        "embedded",
        ("api_versions",),
        "a: ApiVersions*",
        "*_features*",
        "There is no controller's log whose features could be told.",
    ),
    Difference(
        "embedded",
        ("configs_of_a_topic",),
        "admin: DescribeConfigs v4*",
        "results.configs*.documentation",
        "Settings have no documentation.",
    ),
    Difference(
        "embedded",
        ("produce_what_is_broken",),
        "producer: Produce v9 (null)*",
        "",
        "Kafka never answers null records; nobody should be made to wait for that.",
    ),
    Difference(
        "embedded",
        ("committed_offsets_at_every_version",),
        "reader: OffsetFetch v8 (of no groups)*",
        "",
        "3.9 never answers a request for the offsets of no group.",
        ("3.9",),
    ),
)


@dataclass(frozen=True)
class Found:
    """Something that differs: a step by its label, a field by its path; "" is the label itself."""

    step: str
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.step}: {self.field or '(the step)'} is {self.found}, not {self.expected}"


def compared(expected: Sequence[Step], found: Sequence[Step]) -> list[Found]:
    """Everything in which the steps `found` differ from those `expected`."""
    differing: list[Found] = []
    for place in range(max(len(expected), len(found))):
        wanted, fields = expected[place] if place < len(expected) else ("nothing more", {})
        label, answer = found[place] if place < len(found) else ("nothing more", {})
        if label != wanted:
            differing.append(Found(wanted, "", wanted, label))
        for path in dict.fromkeys((*fields, *answer)):
            pair = fields.get(path, "absent"), answer.get(path, "absent")
            if pair[0] != pair[1]:
                differing.append(Found(wanted, path, *pair))
    return differing


def unlisted(differing: Sequence[Found], accepted: Sequence[Difference]) -> list[Found]:
    """Those that no line accepts."""
    return [one for one in differing if not any(_covers(line, one) for line in accepted)]


def needless(differing: Sequence[Found], accepted: Sequence[Difference]) -> list[Difference]:
    """The lines that accept nothing."""
    return [line for line in accepted if not any(_covers(line, one) for one in differing)]


def accepted(broker: str, scenario: str, release: str = "3.9") -> list[Difference]:
    """The lines for a scenario."""
    return [d for d in DIFFERENCES if d.broker == broker and scenario in d.scenarios and release in d.releases]


def _covers(line: Difference, one: Found) -> bool:
    return fnmatchcase(one.step, line.step) and fnmatchcase(re.sub(r"\[\d+\]", "", one.field), line.field)
