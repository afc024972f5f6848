"""What can be seen of groups: DescribeGroups, ListGroups, DeleteGroups, snapshots."""

from __future__ import annotations

import pytest

from kafkastatic._protocol.messages.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from kafkastatic._protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from kafkastatic._protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from kafkastatic.broker.groups import GroupSnapshot, MemberSnapshot, Reply
from tests.broker.group_scenes import GROUP, Scene, not_joined, stable
from tests.support.raw_peer import assignment


def described(scene: Scene, group: str = GROUP, version: int = 5, operations: bool = False) -> DescribedGroup:
    request = DescribeGroupsRequest(groups=[group], include_authorized_operations=operations)
    (reply,) = scene.send("describe", request, version)
    assert reply == Reply("describe", DescribeGroupsResponse(groups=reply.response.groups))
    (found,) = reply.response.groups
    return found


def member(mid: str, inst: str | None, metadata: bytes = b"", assigned: bytes = b"") -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=mid,
        group_instance_id=inst,
        client_id="app",
        client_host="/127.0.0.1",
        member_metadata=metadata,
        member_assignment=assigned,
    )


def test_a_stable_group_shows_protocol_metadata_and_assignments() -> None:
    """As its members gave them."""
    assert described(stable("a", "b")) == DescribedGroup(
        group_id=GROUP,
        group_state="Stable",
        protocol_type="consumer",
        protocol_data="range",
        members=[member("a-1", "a", b"meta", b"a"), member("b-2", "b", b"meta", b"b")],
    )


@pytest.mark.parametrize(("release", "assigned"), [("4.4", b"a"), ("3.9", b"")])
def test_a_group_that_waits_for_joins(release: str, assigned: bytes) -> None:
    """No protocol and no metadata; what is assigned is still said by 4.4, no more by 3.9 (observed)."""
    scene = stable("a", scene=Scene(behaves_as=release))
    scene.join("b", "b")

    assert described(scene) == DescribedGroup(
        group_id=GROUP,
        group_state="PreparingRebalance",
        protocol_type="consumer",
        members=[member("a-1", "a", b"", assigned), member("b-2", "b")],
    )


def test_a_group_that_waits_for_syncs() -> None:
    """Nothing is assigned yet."""
    scene = Scene()
    scene.join("a", "a")
    scene.at(0.0)

    assert described(scene) == DescribedGroup(
        group_id=GROUP, group_state="CompletingRebalance", protocol_type="consumer", members=[member("a-1", "a")]
    )


def test_groups_without_members_and_groups_that_are_not_there() -> None:
    """Empty and Dead; from version 6 on the latter is an error."""
    scene = stable("a")
    scene.leave("leave", ("", "a"))
    scene.commit("commit", gen=-1, group="offsets")

    assert described(scene) == DescribedGroup(group_id=GROUP, group_state="Empty", protocol_type="consumer")
    assert described(scene, "offsets") == DescribedGroup(group_id="offsets", group_state="Empty")
    assert described(scene, "none") == DescribedGroup(group_id="none", group_state="Dead")
    assert described(scene, "none", 6) == DescribedGroup(
        group_id="none", group_state="Dead", error_code=69, error_message="Group none not found."
    )


@pytest.mark.parametrize(("release", "operations"), [("4.4", 3_400), ("3.9", 328)])
def test_all_operations_are_allowed(release: str, operations: int) -> None:
    """If asked for."""
    scene = stable("a", scene=Scene(behaves_as=release))

    assert described(scene, operations=True).authorized_operations == operations
    assert described(scene, "none", operations=True).authorized_operations == operations
    assert described(scene).authorized_operations == -(2**31)


def test_after_a_restart_the_first_process_is_still_named() -> None:
    """Observed: client id and host of a static member stay those of the one that came first."""
    scene = Scene()
    scene.join("1", "a", client_id="first", host="/10.0.0.1")
    scene.at(0.0)
    scene.sync("sync", "a-1", "a", assign={})
    scene.join("2", "a", client_id="second", host="/10.0.0.2")

    (found,) = described(scene).members
    assert (found.member_id, found.client_id, found.client_host) == ("a-2", "first", "/10.0.0.1")


# ListGroups


def test_groups_are_listed_by_state_and_type() -> None:
    """Whatever the case of the filters; unknown ones match nothing."""
    scene = stable("a")
    scene.join("join", "a", group="waiting")
    scene.commit("commit", gen=-1, group="offsets")

    def listed(states: tuple[str, ...] = (), types: tuple[str, ...] = ()) -> list[Reply]:
        return scene.send("list", ListGroupsRequest(states_filter=states, types_filter=types), 5)

    def answer(*groups: tuple[str, str, str]) -> list[Reply]:
        return [
            Reply(
                "list",
                ListGroupsResponse(
                    groups=[
                        ListedGroup(group_id=name, protocol_type=kind, group_state=state, group_type="classic")
                        for name, kind, state in groups
                    ]
                ),
            )
        ]

    billing = (GROUP, "consumer", "Stable")
    waiting = ("waiting", "consumer", "PreparingRebalance")
    offsets = ("offsets", "", "Empty")
    assert listed() == answer(billing, waiting, offsets)
    assert listed(("stable", "EMPTY"), ("Classic",)) == answer(billing, offsets)
    assert listed(("nonsense",)) == answer()
    assert listed((), ("consumer",)) == answer()
    assert listed((), ("nonsense",)) == answer()


# DeleteGroups


def test_only_empty_groups_are_deleted() -> None:
    """With their offsets; named twice, a group is answered once."""
    scene = stable("a")
    scene.commit("commit", gen=-1, group="offsets")
    scene.join("given", group="given")

    request = DeleteGroupsRequest(groups_names=[GROUP, "offsets", "none", "given", "none"])
    assert scene.send("delete", request, 2) == [
        Reply(
            "delete",
            DeleteGroupsResponse(
                results=[
                    DeletableGroupResult(group_id=GROUP, error_code=68),
                    DeletableGroupResult(group_id="offsets"),
                    DeletableGroupResult(group_id="none", error_code=69),
                    DeletableGroupResult(group_id="given"),
                ]
            ),
        )
    ]
    assert scene.coordinator.group_ids() == [GROUP]
    assert scene.coordinator.committed("offsets") == {}
    assert scene.join("join", None, "app-2", group="given") == [not_joined("join", 25, "app-2")]
    assert scene.at(10.0) == []


# Snapshots


def test_a_snapshot_shows_assigned_partitions() -> None:
    """Those that the leader assigned; bytes that are no assignment of consumers show none."""
    scene = Scene()
    scene.join("a", "a")
    scene.at(0.0)
    scene.sync("a", "a-1", "a", assign={"a-1": assignment([("orders", 0), ("orders", 3), ("payments", 1)])})

    def seen(assigned: frozenset[tuple[str, int]], mid: str = "a-1") -> GroupSnapshot:
        return GroupSnapshot(
            "Stable",
            1,
            "range",
            mid,
            (MemberSnapshot(mid, "a", "app", "/127.0.0.1", assigned),),  # type: ignore[arg-type]
        )

    assert scene.coordinator.snapshot(GROUP) == seen(frozenset({("orders", 0), ("orders", 3), ("payments", 1)}))
    assert stable("a").coordinator.snapshot(GROUP) == seen(frozenset())
    assert scene.coordinator.snapshot("none") is None


def test_an_assignment_of_something_else_is_not_read() -> None:
    """Connect's workers have assignments of their own kind."""
    scene = Scene()
    scene.join("a", "a", protocol_type="connect")
    scene.at(0.0)
    data = assignment([("orders", 0)])
    scene.sync("a", "a-1", "a", protocol_type="connect", assign={"a-1": data})

    found = scene.coordinator.snapshot(GROUP)
    assert found is not None
    assert [member.assignment for member in found.members] == [frozenset()]
    assert described(scene).members[0].member_assignment == data
