"""Where answers may differ, and why. What is not listed is an error, and so is a line that nothing needs any more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.conformance.transcript import Step


@dataclass(frozen=True)
class Difference:
    """An accepted difference of `broker` from the one that it is held to.

    Attributes:
        broker: "3.9.2" is held to 4.4.0; "embedded" to the release that it behaves as.
        scenarios: each of them shows the difference.
        step, field: patterns of what differs; the places in lists are left out of a field's path.
        releases: which of them the embedded broker differs from.
    """

    broker: str
    scenarios: tuple[str, ...]
    step: str
    field: str
    reason: str
    releases: tuple[str, ...] = ("4.4", "3.9")


_DESCRIBED = "Outside of Stable, 4.x describes the last assignment and 3.9 describes none."
_NEWER = "The request's version is newer than 3.9: it closes the connection."
_TIMER = "4.x keeps the session timer of the member that was replaced until the first heartbeat, 3.9 does not."

DIFFERENCES = (
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
