"""Another process has taken the instance id: this one ends, says so, and disturbs nobody."""

from __future__ import annotations

import pytest

from kafkastatic._group import commits
from kafkastatic._group.member import (
    Answered,
    AssignFinished,
    CloseRequested,
    CommitRejected,
    CoordinatorFound,
    Lose,
    LoseFinished,
    MetadataChanged,
    PollExpired,
    PollResumed,
    Report,
    RequestFailed,
    RevokeFinished,
    Started,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.states import State
from kafkastatic._protocol.messages.offset_commit import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from kafkastatic.errors import FencedInstanceIdError
from tests.group.machine import (
    GROUP,
    INST,
    LOST,
    MID,
    MINE,
    NOTHING,
    VERSIONS,
    Failed,
    assigning,
    beaten,
    done,
    error_of,
    failed,
    join,
    join_error,
    joined,
    joining,
    rejoining,
    reports,
    revoking,
    snapshot,
    stable,
    sync,
    sync_error,
    synced,
    syncing,
)

FENCED_BY = {api: Failed(FencedInstanceIdError, api) for api in ("JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit")}


@pytest.mark.scenario(9, where="machine")
def test_a_fenced_heartbeat_ends_the_consumer() -> None:
    """The partitions are lost, not revoked, and the error says who we were."""
    member = stable()
    member.handle(TimerFired(), 3.2)

    actions = member.handle(Answered(5, beaten(82)), 3.3)

    assert reports(actions) == ["fenced"]
    assert done(actions) == [Lose(MINE, "fenced"), FENCED_BY["Heartbeat"]]
    error = error_of(actions)
    assert isinstance(error, FencedInstanceIdError)
    assert (error.group, error.instance_id, error.member_id, error.epoch) == (GROUP, INST, MID, 4)
    assert member.membership.assignment == NOTHING
    assert member.deadline() is None


@pytest.mark.scenario(10, where="machine")
def test_a_fenced_parked_join_ends_the_consumer_at_once() -> None:
    """The answer to a parked JoinGroup is not waited for till the rebalance is over."""
    member = rejoining()

    assert done(member.handle(Answered(6, join_error(82)), 3.5)) == [
        Lose(NOTHING, "fenced"),
        FENCED_BY["JoinGroup"],
    ]


@pytest.mark.scenario(11, where="machine")
def test_a_fenced_parked_sync_ends_the_consumer() -> None:
    """So does the answer to a parked SyncGroup."""
    member = syncing()

    assert done(member.handle(Answered(2, sync_error(82)), 0.5)) == [
        Lose(NOTHING, "fenced"),
        FENCED_BY["SyncGroup"],
    ]


@pytest.mark.scenario(11, where="machine")
def test_the_leader_of_a_group_with_a_duplicate_rejoins_in_silence() -> None:
    """A duplicate's arrival during the sync costs the others a round trip and no callback."""
    member = syncing()

    actions = member.handle(Answered(2, sync_error(27)), 0.5)

    assert actions == [
        Report("joining", {"member_id": MID, "reason": "SyncGroup answered 27"}),
        join(3, MID, generation=4, reason="SyncGroup answered 27"),
    ]
    assert done(member.handle(Answered(3, joined(generation=5)), 0.6)) == [sync(4, generation=5)]


@pytest.mark.parametrize("make", [assigning, revoking], ids=["assigning", "revoking"])
def test_a_fenced_heartbeat_cuts_a_callback_short(make) -> None:
    """Whatever callback runs: the partitions are lost now."""
    member = make()
    if member.state is State.REVOKING:
        member.handle(TimerFired(), 6.2)
        key, now = 6, 6.3
    else:
        key, now = 3, 0.3

    assert done(member.handle(Answered(key, beaten(82)), now)) == [Lose(MINE, "fenced"), FENCED_BY["Heartbeat"]]


@pytest.mark.scenario(15, where="machine")
def test_a_fenced_commit_is_rejected_and_ends_the_consumer() -> None:
    """FENCED_INSTANCE_ID of any partition rejects the commit for good, and the membership with it."""
    member = stable()
    answer = OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name="orders",
                partitions=[
                    OffsetCommitResponsePartition(partition_index=0, error_code=82),
                    OffsetCommitResponsePartition(partition_index=1, error_code=82),
                ],
            )
        ]
    )

    outcome = commits.classify(answer)

    assert outcome == commits.Outcome(commits.Verdict.REJECTED, 82, dict.fromkeys(MINE, 82))
    assert done(member.handle(CommitRejected(outcome.code, member.membership), 1.0)) == [
        Lose(MINE, "fenced"),
        FENCED_BY["OffsetCommit"],
    ]


def test_a_commit_of_who_we_were_fences_nobody() -> None:
    """After a rejoin under a new member id, a late answer to a commit of the old one is no rival's doing."""
    member = stable()
    before = member.membership
    member.handle(TimerFired(), 3.2)
    member.handle(Answered(5, beaten(25)), 3.3)
    member.handle(LoseFinished(), 3.4)
    member.handle(Answered(6, joined("billing-0-b", 5)), 3.5)
    member.handle(Answered(7, synced()), 3.6)
    member.handle(AssignFinished(), 3.7)

    for code in (22, 25, 27, 82):
        assert member.handle(CommitRejected(code, before), 3.8) == []
    assert member.state is State.STABLE


@pytest.mark.scenario(12, where="machine")
@pytest.mark.parametrize("permanent", [False, True])
def test_closing_a_fenced_member_sends_nothing(permanent: bool) -> None:
    """A LeaveGroup now would remove the successor, by its instance id."""
    member = failed()

    assert member.handle(CloseRequested(leave=permanent), 4.0) == []


@pytest.mark.scenario(13, where="machine")
def test_a_fenced_member_stays_silent() -> None:
    """Nothing that happens afterwards makes it send a request again."""
    member = failed()

    for event in (
        Started(),
        CoordinatorFound(VERSIONS),
        Answered(4, beaten()),
        RequestFailed(4, LOST),
        MetadataChanged(snapshot(orders=9)),
        SubscriptionChanged(frozenset({"refunds"})),
        AssignFinished(),
        RevokeFinished(),
        LoseFinished(),
        PollExpired(None, 1.0),
        PollResumed(),
        CommitRejected(82),
        TimerFired(),
    ):
        assert member.handle(event, 99.0) == []
    assert member.deadline() is None


def test_a_stale_answer_fences_nobody() -> None:
    """The answer to a request that was given up says nothing of the member as it is."""
    member = joining()
    member.handle(SubscriptionChanged(frozenset()), 1.0)
    member.handle(SubscriptionChanged(frozenset({"orders"})), 2.0)

    assert member.handle(Answered(1, join_error(82)), 2.1) == []
    assert member.handle(Answered(1, joined("billing-0-z", 9)), 2.2) == []
    assert member.handle(RequestFailed(1, LOST), 2.3) == []
    assert member.membership.member_id == ""
