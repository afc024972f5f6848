"""JoinGroup: the way in, restarts of static members in every state, joins under a known member id."""

from __future__ import annotations

import time

import pytest

from tests.broker.group_scenes import (
    Scene,
    beaten,
    joined,
    not_joined,
    not_synced,
    stable,
    synced,
)

COOPERATIVE = (("cooperative-sticky", b"meta"),)
BOTH = (("range", b"meta"), ("cooperative-sticky", b"meta"))


# The first join


def test_a_static_member_joins_in_one_round_trip() -> None:
    """No MEMBER_ID_REQUIRED: its member id begins with its instance id."""
    scene = Scene()

    assert scene.join("join", "a") == []
    assert scene.at(0.0) == [joined("join", "a-1", "a-1", {"a-1": "a"})]
    assert scene.sync("sync", "a-1", "a", assign={"a-1": b"all"}) == [synced("sync", b"all")]
    assert scene.beat("beat", "a-1", "a") == [beaten("beat")]
    assert scene.state() == "Stable"


def test_a_dynamic_member_is_told_its_id_first() -> None:
    """From version 4 on (KIP-394); with that id it is let in."""
    scene = Scene()

    assert scene.join("1", client_id="app") == [not_joined("1", 79, "app-1")]
    assert scene.state() == "Empty"
    assert scene.join("2", None, "app-1") == []
    assert scene.at(0.0) == [joined("2", "app-1", "app-1", {"app-1": None})]


def test_before_version_4_a_dynamic_member_is_let_in_at_once() -> None:
    """Nobody could ask it to come again."""
    scene = Scene()

    assert scene.join("join", version=3) == []
    assert scene.at(0.0) == [joined("join", "app-1", "app-1", {"app-1": None})]


def test_a_second_member_waits_until_the_first_has_rejoined() -> None:
    """The first one learns of the rebalance from its heartbeat; both joins are answered with the next generation."""
    scene = stable("a")

    assert scene.join("b", "b") == []
    assert scene.beat("beat", "a-1", "a") == [beaten("beat", 27)]
    assert scene.join("a", "a", "a-1") == [
        joined("a", "a-1", "a-1", {"a-1": "a", "b-2": "b"}, gen=2),
        joined("b", "b-2", "a-1", gen=2),
    ]
    assert scene.sync("b", "b-2", "b", gen=2) == []
    assert scene.sync("a", "a-1", "a", gen=2, assign={"a-1": b"A", "b-2": b"B", "ghost": b"-"}) == [
        synced("a", b"A"),
        synced("b", b"B"),
    ]


def test_a_first_join_that_is_sent_again_makes_another_member_id() -> None:
    """Its answer was lost. While the group waits for syncs that costs one generation."""
    scene = Scene()
    scene.join("1", "a")
    scene.at(0.0)

    assert scene.join("2", "a") == [joined("2", "a-2", "a-2", {"a-2": "a"}, gen=2)]
    assert scene.ids() == ["a-2"]


@pytest.mark.parametrize(
    ("instance_id", "member_id"),
    [("", "-1"), (" ", " -1"), ("ñ/\x00", "ñ/\x00-1"), ("x" * 30_000, "x" * 30_000 + "-1")],
)
def test_any_instance_id_is_taken(instance_id: str, member_id: str) -> None:
    """Clients check what is legal, brokers do not; an empty one is an identity like any other."""
    scene = Scene()
    scene.join("join", instance_id)

    assert scene.at(0.0) == [joined("join", member_id, member_id, {member_id: instance_id})]
    assert scene.join("again", instance_id) == [
        joined("again", member_id[:-1] + "2", member_id[:-1] + "2", {member_id[:-1] + "2": instance_id}, gen=2)
    ]


# A static member restarts in a stable group


def test_a_follower_that_restarts_is_not_noticed() -> None:
    """The same generation, another member id, the old assignment; the other members' heartbeats stay fine."""
    scene = stable("a", "b")

    assert scene.join("restart", "b") == [joined("restart", "b-3", "a-1", gen=2)]
    assert scene.sync("sync", "b-3", "b", gen=2) == [synced("sync", b"b")]
    assert scene.beat("a", "a-1", "a", gen=2) == [beaten("a")]
    assert scene.beat("b", "b-3", "b", gen=2) == [beaten("b")]


def test_a_leader_that_restarts_is_told_not_to_assign() -> None:
    """Version 9 (KIP-814): it leads, gets all members with their metadata, and what it assigns is ignored."""
    scene = stable("a", "b")

    assert scene.join("restart", "a") == [
        joined("restart", "a-3", "a-3", {"b-2": "b", "a-3": "a"}, gen=2, skip=True),
    ]
    assert scene.sync("sync", "a-3", "a", gen=2, assign={"a-3": b"new", "b-2": b"new"}) == [synced("sync", b"a")]
    assert scene.sync("b", "b-2", "b", gen=2) == [synced("b", b"b")]


@pytest.mark.parametrize("version", [5, 8])
def test_before_version_9_a_leader_that_restarts_takes_itself_for_a_follower(version: int) -> None:
    """It is told the old leader's member id, its own predecessor's."""
    scene = stable("a", "b")

    assert scene.join("leader", "a", version=version) == [joined("leader", "a-3", "a-1", gen=2)]
    assert scene.join("follower", "b", version=version) == [joined("follower", "b-4", "a-3", gen=2)]


def test_a_restart_with_another_subscription_is_not_noticed() -> None:
    """The broker keeps the new metadata silently: the next leader sees it."""
    scene = stable("a", "b")

    assert scene.join("restart", "b", protocols=[("range", b"more topics")]) == [joined("restart", "b-3", "a-1", gen=2)]
    scene.join("a", "a", "a-1")
    (told, _) = scene.join("b", "b", "b-3", protocols=[("range", b"more topics")])

    assert [(member.member_id, member.metadata) for member in told.response.members] == [
        ("a-1", b"meta"),
        ("b-3", b"more topics"),
    ]


def test_a_restart_that_changes_the_chosen_protocol_rebalances() -> None:
    """Members and protocol must fit together."""
    scene = stable("a", "b", protocols=BOTH)
    assert scene.coordinator.snapshot("billing").protocol == "range"  # type: ignore[union-attr]

    assert scene.join("restart", "b", protocols=COOPERATIVE) == []
    assert scene.state() == "PreparingRebalance"
    assert scene.join("a", "a", "a-1", protocols=BOTH) == [
        joined("a", "a-1", "a-1", {"a-1": "a", "b-3": "b"}, gen=3, protocol="cooperative-sticky"),
        joined("restart", "b-3", "a-1", gen=3, protocol="cooperative-sticky"),
    ]


# ... and in every other state


def test_a_restart_while_joins_are_parked_fences_the_old_join_at_once() -> None:
    """The newcomer parks in its place, and the generation comes to be as if nothing had happened."""
    scene = stable("a", "b")
    scene.join("a", "a", "a-1")
    assert scene.state() == "PreparingRebalance"

    assert scene.join("restart", "a") == [not_joined("a", 82, "a-1")]
    assert scene.join("b", "b", "b-2") == [
        joined("b", "b-2", "a-3", gen=3),
        joined("restart", "a-3", "a-3", {"b-2": "b", "a-3": "a"}, gen=3),
    ]


def test_a_restart_of_one_that_had_not_rejoined_completes_the_rebalance() -> None:
    """It was the last one that the group waited for."""
    scene = stable("a", "b")
    scene.join("a", "a", "a-1")

    assert scene.join("restart", "b") == [
        joined("a", "a-1", "a-1", {"a-1": "a", "b-3": "b"}, gen=3),
        joined("restart", "b-3", "a-1", gen=3),
    ]


def test_a_restart_while_syncs_are_parked_fences_the_old_one_and_sends_the_others_back() -> None:
    """The leader may have been told the old member id, so the group rebalances."""
    scene = stable("a", "b", "c")
    for inst, mid in (("a", "a-1"), ("b", "b-2"), ("c", "c-3")):
        scene.join(f"again {inst}", inst, mid)
    scene.sync("b", "b-2", "b", gen=3)
    scene.sync("c", "c-3", "c", gen=3)

    assert scene.join("restart", "b") == [not_synced("b", 82), not_synced("c", 27)]
    assert scene.state() == "PreparingRebalance"
    assert scene.sync("leader", "a-1", "a", gen=3, assign={"a-1": b"A"}) == [not_synced("leader", 27)]


def test_a_static_member_of_an_empty_group_is_new() -> None:
    """Nothing is kept of it after its session is over."""
    scene = stable("a")
    scene.at(11.0)
    assert scene.state() == "Empty"

    assert scene.join("join", "a") == []
    assert scene.at(11.0) == [joined("join", "a-2", "a-2", {"a-2": "a"}, gen=3)]


# Joins under a known member id


def test_a_known_follower_with_the_same_metadata_gets_the_present_generation() -> None:
    """It may have missed an answer."""
    scene = stable("a", "b")

    assert scene.join("b", "b", "b-2") == [joined("b", "b-2", "a-1", gen=2)]
    assert scene.sync("sync", "b-2", "b", gen=2) == [synced("sync", b"b")]


def test_a_known_follower_with_other_metadata_rebalances() -> None:
    """Its subscription has changed."""
    scene = stable("a", "b")

    assert scene.join("b", "b", "b-2", protocols=[("range", b"other")]) == []
    assert scene.state() == "PreparingRebalance"


def test_a_known_leader_always_rebalances() -> None:
    """It has a reason that its metadata does not show: what it knows of the topics."""
    scene = stable("a", "b")

    assert scene.join("a", "a", "a-1") == []
    assert scene.state() == "PreparingRebalance"


def test_one_that_missed_a_generation_joins_it_in_place() -> None:
    """While the group waits for syncs, a join with the same metadata gets that generation, the leader's all members."""
    scene = stable("a", "b", rebalance=2_000)
    scene.join("a", "a", "a-1", rebalance=2_000)
    assert scene.at(2.0) == [joined("a", "a-1", "a-1", {"a-1": "a", "b-2": "b"}, gen=3)]
    assert scene.beat("beat", "b-2", "b", gen=2) == [beaten("beat", 22)]

    assert scene.join("b", "b", "b-2", rebalance=2_000) == [joined("b", "b-2", "a-1", gen=3)]
    assert scene.join("leader", "a", "a-1", rebalance=2_000) == [
        joined("leader", "a-1", "a-1", {"a-1": "a", "b-2": "b"}, gen=3)
    ]
    assert scene.state() == "CompletingRebalance"


def test_one_that_missed_a_generation_and_changed_rebalances_once_more() -> None:
    """With other metadata the generation under way is void."""
    scene = stable("a", "b", rebalance=2_000)
    scene.join("a", "a", "a-1", rebalance=2_000)
    scene.at(2.0)
    scene.sync("a", "a-1", "a", gen=3, assign={})

    assert scene.join("b", "b", "b-2", protocols=[("range", b"other")], rebalance=2_000) == []
    assert scene.state() == "PreparingRebalance"


def test_a_known_static_member_may_leave_its_instance_id_out() -> None:
    """The member id alone is believed."""
    scene = stable("a", "b")

    assert scene.join("b", None, "b-2") == [joined("b", "b-2", "a-1", gen=2)]


def test_an_instance_id_must_not_be_added_to_an_id_that_was_given_out() -> None:
    """A pending member is a dynamic one: UNKNOWN_SERVER_ERROR."""
    scene = Scene()
    scene.join("1")

    assert scene.join("2", "a", "app-1") == [not_joined("2", -1)]


def test_a_member_id_that_nobody_knows_is_refused() -> None:
    """In a group, in an empty one, and where there is no group."""
    scene = Scene()
    assert scene.join("1", "a", "a-9") == [not_joined("1", 25, "a-9")]
    assert scene.state() == "Dead"

    stable("a", scene=scene)
    assert scene.join("2", "b", "b-9") == [not_joined("2", 25, "b-9")]
    assert scene.join("3", None, "b-9") == [not_joined("3", 25, "b-9")]
    scene.at(11.0)
    assert scene.join("4", None, "a-1") == [not_joined("4", 25, "a-1")]


def test_a_join_that_is_sent_again_while_it_is_parked_takes_its_place() -> None:
    """As in Kafka the first one is never answered: whoever sent it has given up its connection."""
    scene = stable("a", "b")
    scene.join("first", "a", "a-1")
    scene.join("second", "a", "a-1")

    assert scene.join("b", "b", "b-2") == [
        joined("second", "a-1", "a-1", {"a-1": "a", "b-2": "b"}, gen=3),
        joined("b", "b-2", "a-1", gen=3),
    ]


# Protocols


@pytest.mark.parametrize(
    ("protocol_type", "protocols"), [("", BOTH), ("consumer", ()), ("", ())], ids=["no type", "no protocols", "neither"]
)
def test_the_first_member_has_to_say_how_it_works_together(
    protocol_type: str, protocols: tuple[tuple[str, bytes], ...]
) -> None:
    """The group exists then, and is empty."""
    scene = Scene()

    assert scene.join("join", "a", protocols=protocols, protocol_type=protocol_type) == [not_joined("join", 23)]
    assert scene.state() == "Empty"


def test_members_without_a_protocol_in_common_are_refused() -> None:
    """Of another type as well; whoever is known keeps its place."""
    scene = stable("a")

    assert scene.join("1", "b", protocols=COOPERATIVE) == [not_joined("1", 23)]
    assert scene.join("2", "b", protocol_type="connect") == [not_joined("2", 23)]
    assert scene.join("3", "a", "a-1", protocols=COOPERATIVE) == [not_joined("3", 23, "a-1")]
    assert scene.beat("beat", "a-1", "a") == [beaten("beat")]


def test_a_sole_member_cannot_change_its_protocols_at_once() -> None:
    """Its ghost supports the old ones until its session is over (observed)."""
    scene = stable("a", session=3_000)

    assert scene.join("1", "a", protocols=COOPERATIVE) == [not_joined("1", 23)]
    scene.at(3.0)
    assert scene.join("2", "a", protocols=COOPERATIVE) == []
    assert scene.at(3.0) == [joined("2", "a-2", "a-2", {"a-2": "a"}, gen=3, protocol="cooperative-sticky")]


def test_most_members_decide_among_the_protocols_that_all_support() -> None:
    """Each votes for the first on its list."""
    scene = stable("a")
    scene.leave("leave", ("a-1", "a"))
    for inst, protocols in (("a", BOTH), ("b", BOTH[::-1]), ("c", (*BOTH[::-1], ("other", b"")))):
        scene.join(inst, inst, protocols=protocols)

    assert [(reply.key, reply.response.protocol_name) for reply in scene.at(0.0)] == [
        ("a", "cooperative-sticky"),
        ("b", "cooperative-sticky"),
        ("c", "cooperative-sticky"),
    ]


# Limits


def test_a_group_without_a_name_is_refused() -> None:
    """INVALID_GROUP_ID."""
    assert Scene().join("join", "a", group="") == [not_joined("join", 24)]
    assert Scene().join("join", "a", group="", version=6) == [not_joined("join", 24, version=6)]


@pytest.mark.parametrize(("session", "code"), [(999, 26), (1_000, 0), (5_000, 0), (5_001, 26)])
def test_a_session_timeout_has_bounds(session: int, code: int) -> None:
    """Those that the broker is set to, included."""
    scene = Scene(group_min_session_timeout_ms=1_000, group_max_session_timeout_ms=5_000)

    replies = scene.join("join", "a", session=session) + scene.at(0.0)

    assert [reply.response.error_code for reply in replies] == [code]


def test_a_full_group_takes_nobody() -> None:
    """Who is in it stays."""
    scene = stable("a", scene=Scene(group_max_size=1))

    assert scene.join("1", "b") == [not_joined("1", 81)]
    assert scene.join("2") == [not_joined("2", 81)]
    assert scene.beat("beat", "a-1", "a") == [beaten("beat")]


def test_a_static_member_cannot_restart_in_a_full_group() -> None:
    """Although it would replace itself (observed): it counts as one more until its session is over."""
    scene = stable("a", scene=Scene(group_max_size=1), session=3_000)

    assert scene.join("1", "a") == [not_joined("1", 81)]
    scene.at(3.0)
    assert scene.join("2", "a") == []
    assert scene.at(3.0) == [joined("2", "a-2", "a-2", {"a-2": "a"}, gen=3)]


@pytest.mark.parametrize(("release", "after"), [("4.4", 2.0), ("3.9", 0.0)])
def test_who_comes_back_last_into_a_full_group_is_out(release: str, after: float) -> None:
    """While joins are parked only those that wait are counted: a newcomer takes the place of a known member.

    Observed: on 4.4 the others then wait until the end of the rebalance timeout, on 3.9 they do not.
    """
    scene = stable("a", "b", scene=Scene(group_max_size=2, behaves_as=release), rebalance=2_000)
    scene.join("a", "a", "a-1", rebalance=2_000)
    assert scene.join("c", "c", rebalance=2_000) == []

    assert scene.join("again", "a", "a-1", rebalance=2_000) == []
    (refused, *joins) = scene.join("b", "b", "b-2", rebalance=2_000)
    assert refused == not_joined("b", 81)
    assert scene.ids() == ["a-1", "c-3"]
    assert scene.at(after - 0.001) == []
    assert joins + scene.at(after) == [
        joined("again", "a-1", "a-1", {"a-1": "a", "c-3": "c"}, gen=3),
        joined("c", "c-3", "a-1", gen=3),
    ]


# Versions


def test_old_versions_get_what_they_can_read() -> None:
    """Until version 7 no protocol is an empty one."""
    scene = Scene()

    assert scene.join("1", version=4) == [not_joined("1", 79, "app-1", version=4)]
    assert scene.join("2", "a", "a-9", version=6) == [not_joined("2", 25, "a-9", version=6)]
    for reply, version in ((scene.join("3", version=4)[0], 4), (scene.join("4", "b", "b-9", version=9)[0], 9)):
        assert reply.response.decode(bytes(reply.response.encode(version)), version) == reply.response


def test_a_version_0_join_has_one_timeout() -> None:
    """Its session timeout is its rebalance timeout as well."""
    scene = Scene()
    scene.join("1", session=3_000, rebalance=-1, version=0)
    scene.at(0.0)
    scene.sync("1", "app-1", assign={}, version=0, protocol_type=None, protocol=None)
    scene.join("2", "b", version=5, session=9_000, rebalance=2_000)
    scene.beat("beat", "app-1")

    assert scene.at(2.9) == []
    assert scene.at(3.0) == [joined("2", "b-2", "b-2", {"b-2": "b"}, gen=2)]


def test_a_thousand_members_join_and_sync() -> None:
    """In less than two seconds of the processor; it takes a tenth of that, as long as no join looks at all members."""
    scene = Scene()
    started = time.process_time()
    for number in range(1_000):
        scene.join(f"{number}", f"i{number}")
    first, *others = scene.at(0.0)
    mids = [reply.response.member_id for reply in others]
    for mid in mids:
        assert scene.sync(mid, mid) == []
    leader = first.response.member_id

    assert len(first.response.members) == 1_000
    assert len(scene.sync("leader", leader, assign=dict.fromkeys(mids, b"some"))) == 1_000
    for number, mid in enumerate(mids):
        assert scene.beat("beat", mid) == [beaten("beat")]
        scene.join("restart", f"i{number + 1}")
    assert (scene.state(), scene.generation()) == ("Stable", 1)
    assert time.process_time() - started < 2
