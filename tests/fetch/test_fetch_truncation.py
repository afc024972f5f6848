"""When a leader is asked about a position (KIP-320), and what its answer does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.epochs import Epochs
from kafkastatic._fetch.frontier import Progress
from kafkastatic._fetch.positions import EARLIEST, PartitionState
from kafkastatic._fetch.resets import BY_DURATION
from kafkastatic._fetch.truncation import Findings, Question, Truncation, TruncationCheck, in_doubt
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
)
from kafkastatic._records import encode_batch
from kafkastatic.errors import LogTruncationError, OffsetOutOfRangeError, TopicAuthorizationFailedError
from kafkastatic.types import ClusterSnapshot, OffsetAndMetadata, TopicPartition

from .logs import A, Application, B, consumption, push
from .planning import Fetches, snapshot


def batch(base: int, count: int, epoch: int) -> bytes:
    records = [(None, b"%d" % offset, (), 0) for offset in range(base, base + count)]
    return encode_batch(records, base_offset=base, leader_epoch=epoch)


def led(epoch: int, *partitions: TopicPartition, leader: int = 1) -> ClusterSnapshot:
    """Every partition is led in the same epoch."""
    found = snapshot(dict.fromkeys(partitions or (A,), leader))
    topics = {
        name: topic.evolve(
            partitions={index: info._replace(leader_epoch=epoch) for index, info in topic.partitions.items()},
        )
        for name, topic in found.topics.items()
    }
    return found.evolve(topics=topics)


class World:
    """Partition `a` consumed to offset 10, the last record in epoch 3, under a leader of epoch 3."""

    def __init__(self, policy: str = "earliest") -> None:
        self.source: Consumption = consumption(a=0)
        self.state: PartitionState = self.source.positions[A]
        self.check = TruncationCheck(policy, self.source, lambda: 0.25)
        self.application = Application(self.source)
        self.state.proven = 3
        push(self.state, batch(0, 4, 2), batch(4, 6, 3))
        for _ in range(3):
            self.application.many(100)

    def question(self, epoch: int = 4, now: float = 0.0) -> Question:
        ((leader, found),) = self.check.questions(led(epoch), now).items()
        assert leader == 1
        return found

    def take(self, question: Question, now: float = 0.0, **end: int) -> Findings:
        entry = EpochEndOffset(partition=0, **end)
        topic = OffsetForLeaderTopicResult(topic="orders", partitions=[entry])
        return self.check.take(question, OffsetForLeaderEpochResponse(topics=[topic]), now)


# ── epochs ──


def test_an_offset_has_the_epoch_of_the_record_before_it() -> None:
    epochs = Epochs()
    epochs.begin(0, 2, needed=0)
    epochs.begin(3, 2, needed=0)
    epochs.begin(5, 4, needed=0)

    assert [epochs.before(offset) for offset in range(8)] == [-1, 2, 2, 2, 2, 2, 4, 4]


def test_a_commits_epoch_is_that_of_the_record_before_it() -> None:
    epochs = Epochs()
    epochs.restart(7)
    epochs.begin(100, 9, needed=100)

    assert [epochs.before(offset) for offset in (99, 100, 101)] == [7, 7, 9]
    epochs.restart()
    assert epochs.before(100) == -1


def test_what_is_fetched_again_may_be_of_another_epoch() -> None:
    """After a truncation."""
    epochs = Epochs()
    for offset, epoch in ((0, 2), (5, 4), (8, 5), (6, 9)):
        epochs.begin(offset, epoch, needed=0)

    assert [epochs.before(offset) for offset in (5, 6, 7, 20)] == [2, 4, 9, 9]


def test_records_without_an_epoch_have_none() -> None:
    """Those of message formats 0 and 1."""
    epochs = Epochs()
    for offset, epoch in ((0, 2), (5, -1), (8, 3)):
        epochs.begin(offset, epoch, needed=0)

    assert [epochs.before(offset) for offset in (5, 6, 8, 9)] == [2, -1, -1, 3]


def test_epochs_that_nobody_asks_for_are_forgotten() -> None:
    """However often the leader changes, the list is as long as what is not consumed."""
    epochs = Epochs()
    for epoch in range(1000):
        epochs.begin(epoch * 10, epoch, needed=epoch * 10 - 5)

    assert len(epochs._starts) <= 3
    assert [epochs.before(offset) for offset in (9985, 9990, 9995)] == [998, 998, 999]


# ── when a leader is asked ──


def test_a_new_leader_is_asked_where_the_last_records_epoch_ends() -> None:
    world = World()
    question = world.question(epoch=5)

    (topic,) = question.request.topics
    (partition,) = topic.partitions
    assert (question.request.replica_id, topic.topic, partition.partition) == (-1, "orders", 0)
    assert (partition.current_leader_epoch, partition.leader_epoch) == (5, 3)


@pytest.mark.parametrize(("proven", "epoch"), [(3, 3), (5, 5), (5, 4), (-1, 3), (-1, 2), (3, -1)])
def test_a_leader_is_not_asked_without_need(proven: int, epoch: int) -> None:
    """One under whom the position is proven, one of an earlier epoch, one of the last record's own epoch."""
    world = World()
    world.state.proven = proven

    assert not in_doubt(world.state, led(epoch))
    assert world.check.questions(led(epoch), 0.0) == {}


def test_a_new_leader_is_asked_while_the_fetches_wait() -> None:
    """Their backoff, after the old leader's refusal, is not lost time."""
    world = World()
    world.state.retry_at = 9.0

    assert world.check.questions(led(4), 1.0).keys() == {1}


def test_a_position_without_an_epoch_is_not_in_doubt() -> None:
    """After a seek, or a reset: there is nothing to ask for."""
    world = World()
    world.source.seek(A, 7)

    assert world.check.questions(led(9), 0.0) == {}


def test_a_commit_with_an_epoch_is_in_doubt_under_a_later_one() -> None:
    """At the start, as after a leader change."""
    world = World()
    world.state.go_on(OffsetAndMetadata(7, "", 3))

    assert not in_doubt(world.state, led(3))
    assert world.question(epoch=4).asked[A][1:] == (7, 4)


def test_nothing_is_fetched_while_in_doubt() -> None:
    """The partition beside it is, with a request that does not wait long: this one may follow soon."""
    fetches = Fetches(a=0, b=0)
    fetches.snapshot = led(4, A, B)
    push(fetches.positions[A], batch(0, 3, 2))
    fetches.positions[A].proven = 2

    ask = fetches.ask()
    assert list(ask.asked) == [B]
    assert ask.request.max_wait_ms == 100
    fetches.positions[A].proven = 4
    assert set(fetches.ask().asked) == {A, B}


def test_what_is_fetched_under_an_epoch_is_proven_under_it() -> None:
    """A position without an epoch has one after its first records, and needs no question before the next leader."""
    fetches = Fetches(a=0)
    fetches.snapshot = led(4)
    fetches.ask()
    push(fetches.positions[A], batch(0, 3, 2))

    assert not in_doubt(fetches.positions[A], led(4))
    assert in_doubt(fetches.positions[A], led(5))


def test_partitions_are_asked_about_together_by_leader() -> None:
    source = consumption(a=0, b=0)
    for state in source.positions:
        state.go_on(OffsetAndMetadata(7, "", 3))
    check = TruncationCheck("earliest", source, lambda: 0.25)

    assert {leader: set(found.asked) for leader, found in check.questions(led(4, A, B), 0.0).items()} == {1: {A, B}}
    assert check.questions(led(4, A, B, leader=9), 0.0) == {}, "a broker that is not listed"
    source.positions[A].barred = True
    source.positions[B].error = OffsetOutOfRangeError()
    assert check.questions(led(4, A, B), 0.0) == {}


# ── what the answer does ──


@pytest.mark.parametrize("end", [10, 99])
def test_a_log_that_goes_on_proves_the_position(end: int) -> None:
    world = World()
    question, version = world.question(), world.state.version

    assert world.take(question, leader_epoch=3, end_offset=end) == ([], False)
    assert (world.state.fetch_at, world.state.proven) == (10, 4)
    assert world.state.version > version, "what the old leader may still answer is stale"
    assert world.check.questions(led(4), 0.0) == {}
    assert in_doubt(world.state, led(5))


def test_consumption_goes_on_where_the_logs_part() -> None:
    """Whatever the policy is, but for none: at the first offset that differs, and in the epoch before it."""
    world = World("latest")
    found = world.take(world.question(), leader_epoch=2, end_offset=6)

    assert found == ([Truncation(A, 10, 6, 2)], False)
    state = world.state
    assert (state.fetch_at, state.handed, state.consumed, state.epochs.before(6)) == (6, 6, 6, 2)
    assert not in_doubt(state, led(4)), "this leader has said so itself"
    push(state, batch(6, 2, 4))
    assert world.application.many(9) == (A, [6, 7])


def test_a_commit_goes_back_with_the_log() -> None:
    """What was committed beyond the cut would let the next owner start in the middle of other records."""
    world = World()
    world.source.committed({A: OffsetAndMetadata(10, "", 3)})
    assert world.source.consumed_offsets() == {}
    world.take(world.question(), leader_epoch=2, end_offset=6)

    assert world.source.consumed_offsets() == {A: 6}


def test_without_a_policy_it_is_an_error_that_a_seek_passes() -> None:
    world = World("none")
    assert world.take(world.question(), leader_epoch=2, end_offset=6).truncations == [Truncation(A, 10, 6, 2)]

    for _ in range(2):
        with pytest.raises(LogTruncationError) as caught:
            world.application.one()
    error = caught.value
    assert (error.offset, error.divergent_offset, error.code, error.topic, error.partition) == (10, 6, 1, "orders", 0)
    assert "consumer.seek(TopicPartition('orders', 0), 6)" in str(error)
    assert world.check.questions(led(5), 0.0) == {}
    world.source.seek(A, 6)
    push(world.state, batch(6, 2, 4))
    assert world.application.one() == (A, 6)


@pytest.mark.parametrize("unknown", [{"leader_epoch": -1, "end_offset": 6}, {"leader_epoch": 2, "end_offset": -1}])
@pytest.mark.parametrize(("policy", "reset"), [("earliest", EARLIEST), ("by_duration:PT1H", BY_DURATION)])
def test_a_leader_that_cannot_tell_is_left_to_the_policy(unknown: Any, policy: str, reset: int) -> None:
    world = World(policy)
    assert world.take(world.question(), **unknown).truncations == [Truncation(A, 10, None, -1)]

    assert (world.state.fetch_at, world.state.reset) == (None, reset)


def test_a_leader_that_cannot_tell_is_an_error_without_a_policy() -> None:
    world = World("none")
    world.take(world.question(), leader_epoch=-1, end_offset=-1)

    with pytest.raises(LogTruncationError, match="cannot tell") as caught:
        world.application.one()
    assert caught.value.divergent_offset is None


@pytest.mark.parametrize("policy", ["earliest", "none"])
def test_what_was_fetched_but_not_handed_out_is_fetched_again(policy: str) -> None:
    """Nobody has seen what is gone. The record in hand stays in hand."""
    world = World(policy)
    push(world.state, batch(10, 5, 3), batch(15, 5, 3))
    assert world.application.one() == (A, 10)

    assert world.take(world.question(), leader_epoch=3, end_offset=13).truncations == [Truncation(A, 20, 13, 3)]
    state = world.state
    assert (state.fetch_at, state.handed, state.consumed, state.error, state.buffered) == (11, 11, 10, None, 0)
    assert world.question().asked[A].position == 11, "and proven anew"
    assert world.source.in_hand() == {A: 10}
    world.take(world.question(), leader_epoch=3, end_offset=13)
    push(state, batch(11, 2, 3), batch(13, 2, 4))
    assert world.application.many(9) == (A, [11, 12])
    assert world.source.consumed_offsets() == {A: 11}


def test_an_iterator_ends_before_what_is_gone() -> None:
    """The application's loop over a batch that was fetched before does not go on into it."""
    world = World()
    push(world.state, batch(10, 9, 3))
    loop = world.application.loop()
    assert [next(loop) for _ in range(4)] == [(A, 10), (A, 11), (A, 12), (A, 13)]

    world.take(world.question(), leader_epoch=3, end_offset=12)
    assert world.state.handed == 12
    push(world.state, batch(12, 2, 4))
    assert list(loop) == [(A, 12), (A, 13)]


def test_what_is_in_hand_before_the_cut_stays_in_hand() -> None:
    """An auto-commit does not cover it before the application asks again."""
    world = World()
    push(world.state, batch(10, 5, 3))
    assert world.application.many(9) == (A, [10, 11, 12, 13, 14])

    world.take(world.question(), leader_epoch=3, end_offset=12)
    assert (world.state.handed, world.state.consumed) == (12, 10)
    assert world.source.consumed_offsets() == {A: 10}
    assert world.source.in_hand() == {A: 11}
    push(world.state, batch(12, 2, 4))
    assert world.application.one() == (A, 12)
    assert world.source.consumed_offsets() == {A: 12}


def test_a_handlers_records_before_the_cut_are_not_done_by_it() -> None:
    """What it has not finished is not committed, and comes again; epochs stay known."""
    world = World()
    world.source.begin_handling()
    push(world.state, batch(10, 5, 3))
    cursor = world.source.next()
    assert cursor is not None
    held = world.source.give_out(cursor)
    progress = Progress(world.state)
    for record in held.records[:4]:
        progress.begin(record.offset, record.offset + 1)
    progress.done(10)

    world.take(world.question(), leader_epoch=3, end_offset=13)
    assert progress.stale
    progress.done(11)
    assert (world.state.fetch_at, world.state.handed, world.state.consumed) == (11, 11, 11)
    world.source.end_handling()
    assert (world.state.fetch_at, world.state.consumed) == (11, 11)
    assert world.source.positions.with_epochs({A: 11}) == {A: OffsetAndMetadata(11, "", 3)}
    assert not in_doubt(world.state, led(4))


def test_a_handlers_records_behind_the_cut_are_not_taken_back() -> None:
    """Those that it was given and has not begun: the question is asked again when it has."""
    world = World()
    world.source.begin_handling()
    push(world.state, batch(10, 5, 3))
    cursor = world.source.next()
    assert cursor is not None
    held = world.source.give_out(cursor)

    assert world.take(world.question(), now=1.0, leader_epoch=3, end_offset=13) == ([], False)
    assert (world.state.fetch_at, world.state.handed, world.check.next_try(led(4), 1.0)) == (15, 10, 1.25)
    progress = Progress(world.state)
    for record in held.records:
        progress.begin(record.offset, record.offset + 1)
        progress.done(record.offset)
    world.state.open = False
    assert world.take(world.question(now=1.25), leader_epoch=3, end_offset=13).truncations == [Truncation(A, 15, 13, 3)]
    assert (world.state.fetch_at, world.state.consumed) == (13, 13)


@pytest.mark.parametrize("what", ["fetched", "in hand"])
def test_a_reset_by_the_policy_waits_for_what_was_fetched_before(what: str) -> None:
    world = World()
    push(world.state, batch(10, 1, 3))
    if what == "in hand":
        assert world.application.one() == (A, 10)

    assert world.take(world.question(), leader_epoch=-1, end_offset=-1) == ([], False)
    world.application.many(9)
    world.application.many(9)
    assert world.take(world.question(now=1.0), leader_epoch=-1, end_offset=-1).truncations == [
        Truncation(A, 11, None, -1)
    ]
    assert world.state.reset == EARLIEST


def test_going_back_keeps_the_epochs() -> None:
    """As when a run ends with records that are not done."""
    world = World()
    push(world.state, batch(10, 5, 3))
    world.application.one()
    world.source.settle()
    world.state.go_back()

    assert (world.state.fetch_at, world.state.epochs.before(10), world.state.proven) == (10, 3, 3)


@pytest.mark.parametrize(
    "code",
    [
        codes.FENCED_LEADER_EPOCH,
        codes.UNKNOWN_LEADER_EPOCH,
        codes.NOT_LEADER_OR_FOLLOWER,
        codes.UNKNOWN_TOPIC_OR_PARTITION,
        codes.UNKNOWN_SERVER_ERROR,
    ],
)
def test_a_leader_that_is_none_is_looked_for(code: int) -> None:
    """After a backoff, and with fresh metadata."""
    world = World()
    assert world.take(world.question(), now=1.0, error_code=code) == ([], True)

    assert world.state.fetch_at == 10
    assert world.check.next_try(led(4), 1.0) == 1.25
    assert world.check.questions(led(4), 1.2) == {}
    assert world.check.questions(led(4), 1.25).keys() == {1}
    assert world.check.next_try(led(4), 1.25) == math.inf


def test_a_leader_that_does_not_answer_is_asked_again_after_a_backoff() -> None:
    world = World()
    world.check.failed(world.question(), now=1.0)

    assert world.check.next_try(led(4), 1.0) == 1.25
    assert world.check.questions(led(4), 1.2) == {}
    assert world.check.questions(led(4), 1.25).keys() == {1}
    assert world.check.next_try(led(4), 1.25) == math.inf


def test_a_leader_that_passes_a_partition_over_is_asked_again_after_a_backoff() -> None:
    """Not at once, for ever."""
    world = World()
    assert world.check.take(world.question(), OffsetForLeaderEpochResponse(), 1.0) == ([], True)

    assert world.check.questions(led(4), 1.2) == {}
    assert world.check.questions(led(4), 1.25).keys() == {1}


def test_a_topic_that_may_not_be_read_is_an_error() -> None:
    world = World()
    world.take(world.question(), error_code=codes.TOPIC_AUTHORIZATION_FAILED)

    with pytest.raises(TopicAuthorizationFailedError):
        world.application.one()


@pytest.mark.parametrize("how", ["refused", "unsupported"])
def test_brokers_too_old_to_be_asked_are_believed(how: str) -> None:
    """They refuse the question, or do not know it."""
    world = World()
    question = world.question()
    if how == "refused":
        world.take(question, error_code=codes.CLUSTER_AUTHORIZATION_FAILED)
    else:
        world.check.unsupported(question)

    assert (world.state.fetch_at, world.state.proven) == (10, 4)
    assert world.check.questions(led(4), 0.0) == {}


def _seek(world: World) -> None:
    world.source.seek(A, 3)


def _more(world: World) -> None:
    push(world.state, batch(10, 2, 3))


def _hold(world: World) -> None:
    world.source.hold([A])


def _revoke(world: World) -> None:
    world.source.forget([A])


@pytest.mark.parametrize("change", [_seek, _more, _hold, _revoke])
def test_an_answer_about_another_position_is_dropped(change: Any) -> None:
    """It was sought, revoked, or the last answer of the old leader came in between: then the question is asked anew."""
    world = World()
    question = world.question()
    change(world)
    before = (world.state.fetch_at, world.state.proven, world.state.error)

    assert world.take(question, leader_epoch=2, end_offset=1) == ([], False)
    world.check.unsupported(question)
    assert (world.state.fetch_at, world.state.proven, world.state.error) == before
    assert (A in world.check.questions(led(4), 0.0).get(1, EMPTY).asked) == (change is _more)


EMPTY = Question(request=None, asked={})  # type: ignore[arg-type]


# ── commits ──


def test_commits_carry_the_epoch_of_the_last_record() -> None:
    """Of what is consumed, and of what is handed out, each its own."""
    world = World()
    push(world.state, batch(10, 1, 3), batch(11, 4, 5))
    assert [world.application.one() for _ in range(3)] == [(A, 10), (A, 11), (A, 12)]
    positions = world.source.positions

    assert positions.with_epochs(world.source.handed_offsets()) == {A: OffsetAndMetadata(13, "", 5)}
    assert positions.with_epochs(world.source.consumed_offsets()) == {A: OffsetAndMetadata(12, "", 5)}
    assert positions.with_epochs({A: 11}) == {A: OffsetAndMetadata(11, "", 3)}
    other: Mapping[TopicPartition, int] = {B: 5}
    assert positions.with_epochs(other) == {B: OffsetAndMetadata(5, "", -1)}
