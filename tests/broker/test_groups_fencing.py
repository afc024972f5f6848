"""What the replaced process gets (one instance id, two processes), and what requests of a wrong identity get."""

from __future__ import annotations

import pytest

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


def replaced() -> Scene:
    """Generation 2 of a-1 and b, whose first process, b-2, has been replaced by b-3."""
    scene = stable("a", "b")
    scene.join("restart", "b")
    return scene


def test_the_old_process_is_fenced_by_whatever_it_asks_next() -> None:
    """With its instance id it is told so; what it stands for lives on."""
    scene = replaced()

    assert scene.beat("beat", "b-2", "b", gen=2) == [beaten("beat", 82)]
    assert scene.sync("sync", "b-2", "b", gen=2) == [not_synced("sync", 82)]
    assert scene.join("join", "b", "b-2") == [not_joined("join", 82, "b-2")]
    assert scene.commit("commit", "b-2", "b", gen=2) == 82
    assert scene.leave("leave", ("b-2", "b")) == [left("leave", ("b-2", "b", 82))]
    assert scene.beat("new", "b-3", "b", gen=2) == [beaten("new")]


def test_without_its_instance_id_the_old_process_is_merely_unknown() -> None:
    """And may come to think that it should join anew, against its successor."""
    scene = replaced()

    assert scene.beat("beat", "b-2", gen=2) == [beaten("beat", 25)]
    assert scene.sync("sync", "b-2", gen=2) == [not_synced("sync", 25)]
    assert scene.join("join", None, "b-2") == [not_joined("join", 25, "b-2")]
    assert scene.commit("commit", "b-2", gen=2) == 25
    assert scene.leave("leave", ("b-2", None)) == [left("leave", ("b-2", None, 25))]


def test_the_last_one_that_joins_wins_again_and_again() -> None:
    """Two processes that join anew whenever they are fenced take turns; nobody else notices, no generation ends."""
    scene = stable("a", "b")

    owners = [scene.join(f"{turn}", "b")[0].response.member_id for turn in range(20)]

    assert owners == [f"b-{number}" for number in range(3, 23)]
    assert scene.beat("a", "a-1", "a", gen=2) == [beaten("a")]
    assert (scene.state(), scene.generation()) == ("Stable", 2)


@pytest.mark.parametrize(
    ("mid", "inst", "gen", "code"),
    [
        ("b-2", None, 2, 0),
        ("b-2", "a", 2, 82),
        ("b-2", "nobody", 2, 25),
        ("b-2", "b", 1, 22),
        ("b-2", "b", 3, 22),
        ("", "b", 2, 82),
        ("", None, 2, 25),
        ("ghost", "b", 1, 82),
    ],
)
def test_who_a_heartbeat_is_from(mid: str, inst: str | None, gen: int, code: int) -> None:
    """Identity comes before generation; an instance id need not be said, but if it is, it must be one's own."""
    assert stable("a", "b").beat("beat", mid, inst, gen=gen) == [beaten("beat", code)]


def test_a_group_that_is_not_there_knows_nobody() -> None:
    """Every request of a member gets UNKNOWN_MEMBER_ID, for every member that it names."""
    scene = Scene()

    assert scene.beat("beat", "a-1", "a") == [beaten("beat", 25)]
    assert scene.sync("sync", "a-1", "a") == [not_synced("sync", 25)]
    assert scene.leave("leave", ("a-1", "a"), ("", "b")) == [left("leave", ("a-1", "a", 25), ("", "b", 25))]
    assert scene.state() == "Dead"


def test_a_group_without_a_name_is_invalid() -> None:
    """INVALID_GROUP_ID."""
    scene = Scene()

    assert scene.beat("beat", "a-1", group="") == [beaten("beat", 24)]
    assert scene.sync("sync", "a-1", group="") == [not_synced("sync", 24)]


# SyncGroup


def test_a_sync_has_to_agree_on_the_protocol() -> None:
    """From version 5 on it has to name type and protocol, before that it cannot."""
    scene = Scene()
    scene.join("join", "a")
    scene.at(0.0)

    assert scene.sync("1", "a-1", "a", protocol=None) == [not_synced("1", 23)]
    assert scene.sync("2", "a-1", "a", protocol_type=None) == [not_synced("2", 23)]
    assert scene.sync("3", "a-1", "a", protocol="roundrobin") == [not_synced("3", 23)]
    assert scene.sync("4", "a-1", "a", protocol_type="connect") == [not_synced("4", 23)]
    assert scene.sync("5", "a-1", "a", gen=2) == [not_synced("5", 22)]
    assert scene.sync("6", "a-1", "a", version=4, protocol=None, protocol_type=None, assign={"a-1": b"A"}) == [
        synced("6", b"A")
    ]


def test_before_the_first_generation_there_is_no_protocol_to_agree_on() -> None:
    """Whoever guesses its member id is sent back to its join."""
    scene = Scene(group_initial_rebalance_delay_ms=3_000)
    scene.join("join", "a")

    assert scene.sync("sync", "a-1", "a", gen=0, protocol="roundrobin") == [not_synced("sync", 27)]


def test_syncs_wait_for_the_leaders() -> None:
    """Then each gets its own assignment, or nothing where the leader left it out; later ones get theirs at once."""
    scene = stable("a", "b", "c")
    for inst, mid in (("a", "a-1"), ("b", "b-2"), ("c", "c-3")):
        scene.join(f"again {inst}", inst, mid)

    assert scene.sync("b", "b-2", "b", gen=3) == []
    assert scene.sync("a", "a-1", "a", gen=3, assign={"a-1": b"A", "c-3": b"C"}) == [synced("a", b"A"), synced("b")]
    assert scene.sync("c", "c-3", "c", gen=3) == [synced("c", b"C")]


def test_a_sync_that_is_sent_again_while_it_is_parked_takes_its_place() -> None:
    """As in Kafka the first one is never answered."""
    scene = stable("a", "b")
    scene.join("again a", "a", "a-1")
    scene.join("again b", "b", "b-2")
    scene.sync("first", "b-2", "b", gen=3)
    scene.sync("second", "b-2", "b", gen=3)

    assert scene.sync("a", "a-1", "a", gen=3, assign={"b-2": b"B"}) == [synced("a"), synced("second", b"B")]


def test_a_rebalance_sends_parked_syncs_back() -> None:
    """With REBALANCE_IN_PROGRESS, to everyone who waits; assignments are void."""
    scene = stable("a", "b")
    scene.join("again a", "a", "a-1")
    scene.join("again b", "b", "b-2")
    scene.sync("b", "b-2", "b", gen=3)

    assert scene.join("c", "c") == [not_synced("b", 27)]
    assert scene.beat("beat", "b-2", "b", gen=3) == [beaten("beat", 27)]
    assert scene.sync("late", "b-2", "b", gen=3) == [not_synced("late", 27)]


def test_heartbeats_are_fine_while_syncs_are_awaited() -> None:
    """A member may begin with them as soon as its join is answered."""
    scene = Scene()
    scene.join("join", "a")
    assert scene.at(0.0) == [joined("join", "a-1", "a-1", {"a-1": "a"})]

    assert scene.beat("beat", "a-1", "a") == [beaten("beat")]
