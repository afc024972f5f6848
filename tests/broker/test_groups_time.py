"""What time does to groups: sessions, members that do not rejoin or do not sync, the first rebalance."""

from __future__ import annotations

import pytest

from kafkastatic.broker.groups.timers import Timers
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

# Sessions


def test_a_member_that_is_not_heard_of_is_gone_after_its_session() -> None:
    """The others rebalance; it is unknown from then on, and may come in anew."""
    scene = stable("a", "b", session=3_000)
    scene.at(1.0)
    scene.beat("a", "a-1", "a", gen=2)
    scene.at(2.999)
    assert scene.beat("a", "a-1", "a", gen=2) == [beaten("a")]

    assert scene.at(3.0) == []
    assert scene.beat("a", "a-1", "a", gen=2) == [beaten("a", 27)]
    assert scene.beat("b", "b-2", "b", gen=2) == [beaten("b", 25)]
    assert scene.commit("commit", "b-2", "b", gen=2) == 25
    assert scene.join("b", "b") == []


def test_heartbeats_and_commits_keep_a_session() -> None:
    """Joins and syncs do so only as far as they begin a generation."""
    scene = stable("a", session=3_000)
    for now in (2.0, 4.0):
        scene.at(now)
        assert scene.beat("beat", "a-1", "a") == [beaten("beat")]
    scene.at(6.0)
    assert scene.commit("commit", "a-1", "a") == 0

    assert scene.at(8.9) == []
    assert scene.state() == "Stable"
    scene.at(9.0)
    assert scene.state() == "Empty"


def test_a_commit_keeps_a_session_while_the_group_rebalances() -> None:
    """Who works on until it rejoins is heard of by its commits."""
    scene = stable("a", "b", session=3_000)
    scene.join("a", "a", "a-1")
    scene.at(2.0)
    assert scene.commit("commit", "b-2", "b", gen=2) == 0

    assert scene.at(4.999) == []
    assert scene.at(5.0) == [joined("a", "a-1", "a-1", {"a-1": "a"}, gen=3)]


@pytest.mark.parametrize(
    ("release", "before", "after", "expelled_after"),
    [("4.4", 6_000, 1_500, 6.0), ("4.4", 1_500, 6_000, 1.5), ("3.9", 6_000, 1_500, 1.5), ("3.9", 1_500, 6_000, 6.0)],
)
def test_a_successor_has_its_predecessors_session_until_it_is_heard(
    release: str, before: int, after: int, expelled_after: float
) -> None:
    """Observed: 4.4 goes by the old timeout until the first heartbeat, 3.9 by the new one from its sync on."""
    scene = stable("a", scene=Scene(behaves_as=release), session=before)
    scene.join("restart", "a", session=after)
    scene.sync("sync", "a-2", "a")

    scene.at(expelled_after - 0.001)
    assert scene.ids() == ["a-2"]
    scene.at(expelled_after)
    assert scene.ids() == []


def test_a_successors_own_session_counts_from_its_first_heartbeat_on() -> None:
    """So it is well advised to send one at once."""
    scene = stable("a", session=1_500)
    scene.join("restart", "a", session=6_000)
    scene.sync("sync", "a-2", "a")
    scene.beat("beat", "a-2", "a")

    scene.at(5.999)
    assert scene.ids() == ["a-2"]
    scene.at(6.0)
    assert scene.ids() == []


def test_the_old_members_session_does_not_end_its_successor() -> None:
    """It is nobody's any more."""
    scene = stable("a", session=3_000)
    scene.at(2.0)
    scene.join("restart", "a", session=3_000)

    scene.at(4.999)
    assert scene.ids() == ["a-2"]


def test_who_waits_for_the_group_is_not_expelled() -> None:
    """A parked join or sync excuses from heartbeats, and the answer begins a new session."""
    scene = stable("a", "b", session=3_000, rebalance=5_000)
    scene.join("a", "a", "a-1", session=3_000, rebalance=5_000)
    scene.at(2.0)
    scene.beat("b", "b-2", "b", gen=2)
    scene.at(4.0)
    scene.beat("b", "b-2", "b", gen=2)
    assert [reply.key for reply in scene.join("b", "b", "b-2", session=3_000, rebalance=5_000)] == ["a", "b"]
    scene.sync("b", "b-2", "b", gen=3)
    scene.at(6.0)
    scene.beat("a", "a-1", "a", gen=3)
    scene.at(8.0)

    assert scene.sync("a", "a-1", "a", gen=3, assign={"b-2": b"B"}) == [synced("a"), synced("b", b"B")]
    scene.at(10.9)
    assert scene.state() == "Stable"
    scene.at(11.0)
    assert scene.state() == "Empty"


def test_a_sync_that_is_sent_back_begins_a_new_session() -> None:
    """The old one may have run out while it was parked, so that nothing else would end the member."""
    scene = stable("a", "b", session=3_000)
    scene.join("a", "a", "a-1", session=3_000)
    scene.join("b", "b", "b-2", session=3_000)
    scene.sync("sync", "b-2", "b", gen=3)
    scene.at(2.0)
    scene.beat("beat", "a-1", "a", gen=3)
    scene.at(4.0)

    assert scene.join("c", "c") == [not_synced("sync", 27)]
    scene.join("a", "a", "a-1")
    assert scene.at(6.999) == []
    assert scene.at(7.0) == [
        joined("a", "a-1", "a-1", {"a-1": "a", "c-3": "c"}, gen=4),
        joined("c", "c-3", "a-1", gen=4),
    ]


def test_a_new_members_parked_join_ends_after_five_minutes() -> None:
    """It cannot send heartbeats, and nobody would notice that its client has gone."""
    scene = stable("a", session=400_000, rebalance=600_000)
    scene.join("new", "b")

    assert scene.at(299.9) == []
    assert scene.at(300.0) == [not_joined("new", 25)]
    assert scene.ids() == ["a-1"]


def test_an_id_that_was_given_out_is_good_for_a_session() -> None:
    """A rebalance waits for its bearer as long, and no longer."""
    scene = stable("a")
    scene.join("given", session=3_000)
    scene.join("a", "a", "a-1")

    assert scene.at(2.999) == []
    assert scene.at(3.0) == [joined("a", "a-1", "a-1", {"a-1": "a"}, gen=2)]
    assert scene.join("late", None, "app-2") == [not_joined("late", 25, "app-2")]


def test_a_member_that_dies_during_a_rebalance_is_not_waited_for() -> None:
    """When its session ends, the others go on."""
    scene = stable("a", "b", session=3_000)
    scene.join("a", "a", "a-1")

    assert scene.at(3.0) == [joined("a", "a-1", "a-1", {"a-1": "a"}, gen=3)]


# Members that do not rejoin


def test_a_static_member_that_does_not_rejoin_is_kept() -> None:
    """The generation comes with it in the leader's list, at the rebalance timeout (KIP-345)."""
    scene = stable("a", "b", session=10_000, rebalance=2_000)
    scene.join("a", "a", "a-1", rebalance=2_000)

    assert scene.at(1.999) == []
    assert scene.at(2.0) == [joined("a", "a-1", "a-1", {"a-1": "a", "b-2": "b"}, gen=3)]
    assert scene.beat("b", "b-2", "b", gen=2) == [beaten("b", 22)]
    assert scene.commit("b", "b-2", "b", gen=2) == 22


def test_a_static_member_that_does_not_sync_either_is_removed() -> None:
    """After another rebalance timeout: a second rebalance."""
    scene = stable("a", "b", session=10_000, rebalance=2_000)
    scene.join("a", "a", "a-1", rebalance=2_000)
    scene.at(2.0)
    scene.sync("a", "a-1", "a", gen=3, assign={"a-1": b"A", "b-2": b"B"})

    scene.at(3.999)
    assert scene.beat("a", "a-1", "a", gen=3) == [beaten("a")]
    scene.at(4.0)
    assert scene.beat("a", "a-1", "a", gen=3) == [beaten("a", 27)]
    assert scene.ids() == ["a-1"]


def test_a_dynamic_member_that_does_not_rejoin_is_dropped() -> None:
    """At the rebalance timeout: the longest that any member has asked for, its own in this case."""
    scene = stable("a", rebalance=2_000)
    scene.join("1", rebalance=4_000)
    scene.join("2", None, "app-2", rebalance=4_000)
    scene.join("a", "a", "a-1", rebalance=2_000)
    scene.sync("a", "a-1", "a", gen=2, assign={})
    scene.sync("d", "app-2", gen=2)
    scene.join("a", "a", "a-1", rebalance=2_000)

    assert scene.at(3.999) == []
    assert scene.at(4.0) == [joined("a", "a-1", "a-1", {"a-1": "a"}, gen=3)]
    assert scene.beat("d", "app-2", gen=2) == [beaten("d", 25)]


def test_a_leader_that_does_not_rejoin_is_replaced() -> None:
    """The first one that did leads."""
    scene = stable("a", "b", rebalance=2_000)
    scene.join("b", "b", "b-2", protocols=[("range", b"other")], rebalance=2_000)

    (reply,) = scene.at(2.0)

    assert (reply.key, reply.response.leader, len(reply.response.members)) == ("b", "b-2", 2)


def test_a_rebalance_that_nobody_comes_to_is_put_off() -> None:
    """Static members are kept, so it waits for another rebalance timeout, until one comes or all sessions are over."""
    scene = stable("a", "b", "c", session=10_000, rebalance=2_000)
    scene.leave("leave", ("c-3", "c"))
    scene.at(5.0)
    assert scene.state() == "PreparingRebalance"
    scene.beat("a", "a-1", "a", gen=2)

    assert scene.join("a", "a", "a-1", rebalance=2_000) == []
    assert scene.at(6.0) == [joined("a", "a-1", "a-1", {"a-1": "a", "b-2": "b"}, gen=3)]


def test_a_rebalance_timeout_of_nothing_does_not_hang_the_coordinator() -> None:
    """Whatever a client says, time goes on."""
    scene = stable("a", "b", session=1_000, rebalance=-5)
    scene.leave("leave", ("b-2", "b"))

    assert scene.at(0.9) == []
    assert scene.state() == "PreparingRebalance"
    scene.at(1.0)
    assert scene.state() == "Empty"


def test_a_restart_before_its_sync_costs_a_rebalance_later() -> None:
    """Observed on 4.4.0 and 3.9.2: the old member id is still waited for, and nobody can sync with it."""
    scene = stable("a", "b", rebalance=1_500)
    scene.join("again a", "a", "a-1", rebalance=1_500)
    scene.join("again b", "b", "b-2", rebalance=1_500)
    scene.sync("a", "a-1", "a", gen=3, assign={"b-2": b"B"})
    scene.join("restart", "b", rebalance=1_500)
    assert scene.sync("b", "b-3", "b", gen=3) == [synced("b", b"B")]

    scene.at(1.499)
    assert scene.beat("a", "a-1", "a", gen=3) == [beaten("a")]
    scene.at(1.5)
    assert scene.beat("a", "a-1", "a", gen=3) == [beaten("a", 27)]
    assert scene.ids() == ["a-1", "b-3"]


# The first rebalance


def test_the_first_rebalance_waits_for_more_members() -> None:
    """Once at least, and again while more come, up to the rebalance timeout."""
    scene = Scene(group_initial_rebalance_delay_ms=3_000)
    scene.join("a", "a", rebalance=7_000)
    scene.at(2.0)
    scene.join("b", "b", rebalance=7_000)
    scene.at(5.0)
    scene.join("c", "c", rebalance=7_000)

    assert scene.at(6.999) == []
    assert [reply.key for reply in scene.at(7.0)] == ["a", "b", "c"]


def test_the_first_rebalance_does_not_wait_when_nobody_came() -> None:
    """One delay is enough."""
    scene = Scene(group_initial_rebalance_delay_ms=3_000)
    scene.join("a", "a")

    assert scene.at(2.999) == []
    assert scene.at(3.0) == [joined("a", "a-1", "a-1", {"a-1": "a"})]


def test_members_that_leave_the_first_rebalance() -> None:
    """It goes on, with whoever is left, or ends with an empty group."""
    scene = Scene(group_initial_rebalance_delay_ms=3_000)
    scene.join("a", "a")
    assert scene.leave("leave", ("", "a")) == [not_joined("a", 25), left("leave", ("", "a", 0))]
    assert scene.state() == "PreparingRebalance"

    assert scene.at(3.0) == []
    assert (scene.state(), scene.generation()) == ("Empty", 1)


def test_a_restart_in_the_first_rebalance() -> None:
    """Fences the join that is parked, and waits in its place."""
    scene = Scene(group_initial_rebalance_delay_ms=3_000)
    scene.join("1", "a")

    assert scene.join("2", "a") == [not_joined("1", 82, "a-1")]
    assert scene.at(3.0) == [joined("2", "a-2", "a-2", {"a-2": "a"})]


def test_syncs_that_never_come_empty_the_group() -> None:
    """A lone member that joined and vanished is removed when the time for syncs is over."""
    scene = Scene()
    scene.join("a", "a", session=60_000, rebalance=2_000)
    scene.at(0.0)
    assert scene.sync("b", "ghost") == [not_synced("b", 25)]

    scene.at(2.0)
    assert (scene.state(), scene.generation()) == ("Empty", 2)


# Timers


def test_timers_ring_in_order() -> None:
    """Those of one time in the order in which they were set."""
    timers: Timers[str] = Timers()
    for key, at in (("c", 2.0), ("a", 1.0), ("b", 1.0)):
        timers.set(key, at)

    assert timers.deadline() == 1.0
    assert [timers.pop(1.0), timers.pop(1.0), timers.pop(1.9), timers.pop(2.0)] == ["a", "b", None, "c"]
    assert timers.deadline() is None


def test_a_timer_is_put_off_brought_forward_and_cancelled() -> None:
    """It rings once, when it was last told to."""
    timers: Timers[str] = Timers()
    timers.set("later", 1.0)
    timers.set("later", 5.0)
    timers.set("sooner", 4.0)
    timers.set("sooner", 2.0)
    timers.set("never", 3.0)
    timers.cancel("never")
    timers.set("anew", 3.5)
    timers.cancel("anew")
    timers.set("anew", 6.0)

    rung: list[tuple[float, str | None]] = []
    while (deadline := timers.deadline()) is not None:
        rung.append((deadline, timers.pop(deadline)))

    assert rung == [(2.0, "sooner"), (5.0, "later"), (6.0, "anew")]
