"""Another coordinator takes over, or the same one comes back: what was written down is there, the rest is lost."""

from __future__ import annotations

from kafkastatic.types import OffsetAndMetadata, TopicPartition
from tests.broker.group_scenes import GROUP, Scene, beaten, joined, not_joined, not_synced, stable, synced


def moved(scene: Scene, *, loaded: bool = True) -> list[object]:
    return list(scene.coordinator.moved(GROUP, scene.now, loaded=loaded))


def test_a_stable_group_survives() -> None:
    """Members, generation, leader, assignments and offsets; a fenced process stays fenced."""
    scene = stable("a", "b")
    scene.join("restart", "b")
    scene.commit("commit", "a-1", "a", gen=2)
    before = scene.coordinator.snapshot(GROUP)

    assert moved(scene) == []
    assert scene.coordinator.snapshot(GROUP) == before
    assert scene.beat("old", "b-2", "b", gen=2) == [beaten("old", 82)]
    assert scene.beat("new", "b-3", "b", gen=2) == [beaten("new")]
    assert scene.sync("sync", "b-3", "b", gen=2) == [synced("sync", b"b")]
    assert scene.join("leader", "a") == [
        joined("leader", "a-4", "a-4", {"b-3": "b", "a-4": "a"}, gen=2, skip=True),
    ]
    assert scene.coordinator.committed(GROUP) == {TopicPartition("orders", 0): OffsetAndMetadata(7)}


def test_sessions_start_anew() -> None:
    """The new coordinator does not know how long a member has been silent."""
    scene = stable("a", session=3_000)
    scene.at(2.0)
    moved(scene)

    scene.at(4.999)
    assert scene.ids() == ["a-1"]
    scene.at(5.0)
    assert scene.ids() == []


def test_without_a_coordinator_no_session_runs_out() -> None:
    """They start when there is one again."""
    scene = stable("a", session=3_000)
    moved(scene, loaded=False)
    scene.at(60.0)
    assert scene.ids() == ["a-1"]
    assert scene.coordinator.deadline() is None

    moved(scene)
    scene.at(62.999)
    assert scene.ids() == ["a-1"]
    scene.at(63.0)
    assert scene.ids() == []


def test_a_group_that_waits_for_joins_is_as_it_was_before() -> None:
    """Parked joins are sent to the new coordinator; the newcomer is unknown to it, the rebalance has not been."""
    scene = stable("a", "b")
    scene.join("c", "c")
    scene.join("a", "a", "a-1")
    scene.join("given")

    assert moved(scene) == [not_joined("a", 16, "a-1"), not_joined("c", 16, "c-3")]
    assert (scene.state(), scene.generation(), scene.ids()) == ("Stable", 2, ["a-1", "b-2"])
    assert scene.join("again", "c", "c-3") == [not_joined("again", 25, "c-3")]
    assert scene.join("late", None, "app-4") == [not_joined("late", 25, "app-4")]
    assert scene.beat("beat", "b-2", "b", gen=2) == [beaten("beat")]


def test_a_group_that_waits_for_syncs_is_as_it_was_before() -> None:
    """The generation is lost that nobody was assigned anything in."""
    scene = stable("a", "b")
    scene.join("a", "a", "a-1")
    scene.join("b", "b", "b-2")
    scene.sync("b", "b-2", "b", gen=3)

    assert moved(scene) == [not_synced("b", 16)]
    assert (scene.state(), scene.generation()) == ("Stable", 2)
    assert scene.sync("again", "b-2", "b", gen=2) == [synced("again", b"b")]
    assert scene.coordinator.expire(19.0) == []


def test_members_that_left_just_before_are_back() -> None:
    """Until the next generation is written down nobody has left."""
    scene = stable("a", "b")
    scene.leave("leave", ("b-2", "b"))

    moved(scene)
    assert scene.ids() == ["a-1", "b-2"]


def test_a_group_without_members_stays_empty() -> None:
    """With its offsets, also where there have never been any members."""
    scene = stable("a")
    scene.leave("leave", ("a-1", "a"))
    moved(scene)
    assert (scene.state(), scene.generation()) == ("Empty", 2)

    scene = Scene()
    scene.commit("commit", gen=-1)
    moved(scene)
    assert scene.state() == "Empty"
    assert scene.coordinator.committed(GROUP) == {TopicPartition("orders", 0): OffsetAndMetadata(7)}


def test_a_first_rebalance_is_lost() -> None:
    """The group exists, and is empty."""
    scene = Scene(group_initial_rebalance_delay_ms=3_000)
    scene.join("a", "a")

    assert moved(scene) == [not_joined("a", 16, "a-1")]
    assert scene.state() == "Empty"
    assert scene.at(10.0) == []


def test_of_a_members_protocols_only_the_chosen_one_is_written_down() -> None:
    """So until it joins again, nobody can agree on another with it."""
    both = [("range", b"meta"), ("cooperative-sticky", b"meta")]
    scene = stable("a", protocols=both)
    moved(scene)

    assert scene.join("b", "b", protocols=[("cooperative-sticky", b"meta")]) == [not_joined("b", 23)]


def test_a_group_moves_again_and_again() -> None:
    """Each time as it was last written."""
    scene = stable("a", "b")
    for _ in range(3):
        moved(scene)
        scene.join("a", "a", "a-1")
    assert moved(scene) == [not_joined("a", 16, "a-1")]

    assert (scene.state(), scene.generation(), scene.ids()) == ("Stable", 2, ["a-1", "b-2"])
    assert scene.coordinator.moved("no such group", 1.0) == []
