"""LeaveGroup: members that go, and members that are removed by an administrator."""

from __future__ import annotations

import pytest

from kafkastatic._protocol.messages.leave_group import LeaveGroupResponse
from kafkastatic.broker.groups import Reply
from tests.broker.group_scenes import (
    Scene,
    beaten,
    joined,
    left,
    not_joined,
    not_synced,
    stable,
    synced,
)


@pytest.mark.parametrize("who", [("b-2", "b"), ("b-2", None)])
def test_a_static_member_that_leaves_is_gone_at_once(who: tuple[str, str | None]) -> None:
    """Its instance id need not be said. The others rebalance."""
    scene = stable("a", "b")

    assert scene.leave("leave", who) == [left("leave", (*who, 0))]
    assert scene.beat("a", "a-1", "a", gen=2) == [beaten("a", 27)]
    assert scene.beat("b", "b-2", "b", gen=2) == [beaten("b", 25)]
    assert scene.join("again", "a", "a-1") == [joined("again", "a-1", "a-1", {"a-1": "a"}, gen=3)]


def test_before_version_3_a_member_leaves_alone() -> None:
    """Its error is that of the answer."""
    scene = stable("a", "b")

    assert scene.leave("1", ("b-2", None), version=2) == [Reply("1", LeaveGroupResponse())]
    assert scene.leave("2", ("b-2", None), version=2) == [Reply("2", LeaveGroupResponse(error_code=25))]
    assert scene.leave("3", ("b-2", None), version=0, group="") == [Reply("3", LeaveGroupResponse(error_code=24))]


def test_an_administrator_removes_whoever_owns_the_instance_id_now() -> None:
    """The member id is left out: a late process that leaves that way removes its successor."""
    scene = stable("a", "b")
    scene.join("restart", "b")

    assert scene.leave("leave", ("", "b")) == [left("leave", ("", "b", 0))]
    assert scene.beat("beat", "b-3", "b", gen=2) == [beaten("beat", 25)]
    assert scene.join("known", "b", "b-3") == [not_joined("known", 25, "b-3")]
    assert scene.sync("sync", "b-3", "b", gen=2) == [not_synced("sync", 25)]
    assert scene.commit("commit", "b-3", "b", gen=2) == 25


def test_removal_is_no_ban() -> None:
    """Without a member id it comes in anew."""
    scene = stable("a")
    scene.leave("leave", ("", "a"))
    assert scene.state() == "Empty"

    assert scene.join("join", "a") == []
    assert scene.at(0.0) == [joined("join", "a-2", "a-2", {"a-2": "a"}, gen=3)]


def test_each_member_has_its_own_error() -> None:
    """The answer's own says nothing about them."""
    scene = stable("a", "b")
    scene.join("restart", "b")

    assert scene.leave(
        "leave", ("", "nobody"), ("b-2", "b"), ("b-2", None), ("a-1", "a"), ("a-1", "a"), ("", None)
    ) == [
        left(
            "leave",
            ("", "nobody", 25),
            ("b-2", "b", 82),
            ("b-2", None, 25),
            ("a-1", "a", 0),
            ("a-1", "a", 25),
            ("", None, 25),
        )
    ]


def test_a_member_that_is_removed_while_its_join_is_parked_is_told() -> None:
    """UNKNOWN_MEMBER_ID, without a member id; the others go on."""
    scene = stable("a", "b")
    scene.join("a", "a", "a-1")

    assert scene.leave("leave", ("", "a")) == [not_joined("a", 25), left("leave", ("", "a", 0))]
    assert scene.join("b", "b", "b-2") == [joined("b", "b-2", "b-2", {"b-2": "b"}, gen=3)]


def test_the_last_one_that_was_waited_for_leaves() -> None:
    """The rebalance completes without it."""
    scene = stable("a", "b")
    scene.join("a", "a", "a-1")

    assert scene.leave("leave", ("b-2", "b")) == [
        left("leave", ("b-2", "b", 0)),
        joined("a", "a-1", "a-1", {"a-1": "a"}, gen=3),
    ]


def test_a_member_that_is_removed_while_its_sync_is_parked_is_not_told() -> None:
    """Observed on 4.4.0 and 3.9.2: that sync is never answered; the others are sent back."""
    scene = stable("a", "b", "c")
    for inst, mid in (("a", "a-1"), ("b", "b-2"), ("c", "c-3")):
        scene.join(f"again {inst}", inst, mid)
    scene.sync("b", "b-2", "b", gen=3)
    scene.sync("c", "c-3", "c", gen=3)

    assert scene.leave("leave", ("b-2", "b")) == [left("leave", ("b-2", "b", 0)), not_synced("c", 27)]


def test_the_leader_leaves() -> None:
    """The next one leads."""
    scene = stable("a", "b")
    scene.leave("leave", ("a-1", "a"))

    assert scene.join("b", "b", "b-2") == [joined("b", "b-2", "b-2", {"b-2": "b"}, gen=3)]


def test_when_all_have_left_the_group_is_empty() -> None:
    """That counts as a generation."""
    scene = stable("a", "b")

    assert scene.leave("leave", ("a-1", "a"), ("b-2", "b")) == [left("leave", ("a-1", "a", 0), ("b-2", "b", 0))]
    assert (scene.state(), scene.generation(), scene.ids()) == ("Empty", 3, [])
    assert scene.coordinator.deadline() is None


def test_one_that_was_given_an_id_and_did_not_join_can_leave() -> None:
    """In an empty group nothing else happens."""
    scene = Scene()
    scene.join("1")

    assert scene.leave("leave", ("app-1", None)) == [left("leave", ("app-1", None, 0))]
    assert scene.join("2", None, "app-1") == [not_joined("2", 25, "app-1")]


def test_a_rebalance_that_waits_for_one_with_an_id_only_completes_when_it_leaves() -> None:
    """It is waited for like a member."""
    scene = stable("a")
    scene.join("given")
    assert scene.join("a", "a", "a-1") == []

    assert scene.leave("leave", ("app-2", None)) == [
        left("leave", ("app-2", None, 0)),
        joined("a", "a-1", "a-1", {"a-1": "a"}, gen=2),
    ]


@pytest.mark.parametrize(("release", "code"), [("4.4", 27), ("3.9", 0)])
def test_in_a_stable_group_one_that_never_joined_leaves(release: str, code: int) -> None:
    """Observed: the coordinator of 4.4 rebalances, that of 3.9 does not."""
    scene = stable("a", scene=Scene(behaves_as=release))
    scene.join("given")

    assert scene.leave("leave", ("app-2", None)) == [left("leave", ("app-2", None, 0))]
    assert scene.beat("beat", "a-1", "a") == [beaten("beat", code)]


def test_a_dynamic_member_leaves() -> None:
    """Like any other; its instance id, if it claims one, must be known."""
    scene = stable("a")
    scene.join("1")
    scene.join("2", None, "app-2")
    scene.join("a", "a", "a-1")
    scene.sync("a", "a-1", "a", gen=2, assign={"app-2": b"D"})
    assert scene.sync("d", "app-2", gen=2) == [synced("d", b"D")]

    assert scene.leave("wrong", ("app-2", "app")) == [left("wrong", ("app-2", "app", 25))]
    assert scene.leave("leave", ("app-2", None)) == [left("leave", ("app-2", None, 0))]
