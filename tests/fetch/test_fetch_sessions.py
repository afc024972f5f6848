"""What a broker is told within a fetch session (KIP-227), request by request."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkastatic._fetch.positions import PartitionState
from kafkastatic._fetch.sessions import MAX_EPOCH, FetchSession, Said, Wanted
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.fetch import FetchPartition, FetchResponse, FetchTopic, ForgottenTopic
from kafkastatic.types import TopicPartition

from .logs import A, B, C

ID, OTHER_ID, NO_ID = b"1" * 16, b"2" * 16, bytes(16)
STATES = {tp: PartitionState(tp) for tp in (A, B, C, TopicPartition("audit", 0))}


class Talk:
    """A session whose every request is answered, unless it is said otherwise."""

    def __init__(self) -> None:
        self.session = FetchSession(1000)

    def say(
        self,
        offsets: Mapping[TopicPartition, int],
        *,
        epoch: int = 4,
        ids: Mapping[str, bytes] | None = None,
        by_id: bool = True,
        states: Mapping[TopicPartition, PartitionState] = STATES,
    ) -> Said:
        wanted = {tp: Wanted(states[tp], 0, offset, epoch) for tp, offset in offsets.items()}
        return self.session.say(wanted, ids or dict.fromkeys({tp.topic for tp in offsets}, ID), by_id=by_id)

    def answer(self, code: int = codes.NONE, session_id: int = 77) -> None:
        self.session.answered(FetchResponse(error_code=code, session_id=session_id))


def begun(offsets: Mapping[TopicPartition, int]) -> Talk:
    talk = Talk()
    talk.say(offsets)
    talk.answer()
    return talk


def named(said: Said) -> tuple[int, int, dict[int, int], list[int]]:
    """Session id, epoch, the offsets of the partitions that it names, those it forgets."""
    return (
        said.session_id,
        said.session_epoch,
        {p.partition: p.fetch_offset for topic in said.topics for p in topic.partitions},
        [index for topic in said.forgotten for index in topic.partitions],
    )


def test_a_session_begins_with_everything() -> None:
    partitions = [
        FetchPartition(partition=index, current_leader_epoch=4, fetch_offset=offset, partition_max_bytes=1000)
        for index, offset in ((0, 5), (1, 6))
    ]
    assert Talk().say({A: 5, B: 6}) == Said(0, 0, [FetchTopic(topic="orders", topic_id=ID, partitions=partitions)], [])


def test_then_only_changes_are_said() -> None:
    """What moved on, what is new, what is left out; the epoch counts the answered requests."""
    talk = begun({A: 5, B: 6})
    assert named(talk.say({A: 5, B: 6})) == (77, 1, {}, [])
    talk.answer()
    assert named(talk.say({A: 9, B: 6, C: 0})) == (77, 2, {0: 9, 2: 0}, [])
    talk.answer()
    said = talk.say({A: 9, C: 0})
    assert said == Said(77, 3, [], [ForgottenTopic(topic="orders", topic_id=ID, partitions=[1])])
    talk.answer()
    assert named(talk.say({A: 9, B: 6, C: 0})) == (77, 4, {1: 6}, [])


def test_a_new_leader_epoch_is_a_change() -> None:
    talk = begun({A: 5, B: 6})
    assert named(talk.say({A: 5, B: 6}, epoch=5)) == (77, 1, {0: 5, 1: 6}, [])


def test_a_session_may_be_asked_for_nothing() -> None:
    """And takes partitions up again."""
    talk = begun({A: 5})
    assert named(talk.say({})) == (77, 1, {}, [0])
    talk.answer()
    assert named(talk.say({A: 5})) == (77, 2, {0: 5}, [])


def test_without_an_answer_a_new_session_begins_and_the_old_one_ends() -> None:
    """Nobody knows what the broker has heard; with its id and epoch 0 it is told to drop the old one."""
    talk = begun({A: 5})
    talk.say({A: 6})
    assert named(talk.say({A: 6})) == (77, 0, {0: 6}, [])
    talk.answer(session_id=78)
    assert named(talk.say({A: 7})) == (78, 1, {0: 7}, [])


@pytest.mark.parametrize(
    ("code", "session_id"),
    [
        (codes.FETCH_SESSION_ID_NOT_FOUND, 0),
        (codes.INVALID_FETCH_SESSION_EPOCH, 77),
        (codes.FETCH_SESSION_TOPIC_ID_ERROR, 77),
        (codes.UNKNOWN_SERVER_ERROR, 77),
    ],
)
def test_an_error_begins_a_new_session(code: int, session_id: int) -> None:
    """One that the broker does not know need not be ended."""
    talk = begun({A: 5, B: 6})
    talk.say({A: 6, B: 6})
    talk.answer(code, session_id=0)
    assert named(talk.say({A: 6, B: 6})) == (session_id, 0, {0: 6, 1: 6}, [])


def test_a_broker_without_sessions_is_told_everything_every_time() -> None:
    """It answers with session id 0, in version 6 and below as well as when it has no room for a session."""
    talk = Talk()
    for offset in (5, 6, 7):
        assert named(talk.say({A: offset, B: 6})) == (0, 0, {0: offset, 1: 6}, [])
        talk.answer(session_id=0)


def test_a_session_that_the_broker_ends_is_not_gone_on_with() -> None:
    talk = begun({A: 5})
    talk.say({A: 6})
    talk.answer(session_id=0)
    assert named(talk.say({A: 6})) == (0, 0, {0: 6}, [])


def test_epochs_wrap_to_one() -> None:
    """Epoch 0 would begin a new session."""
    talk = begun({A: 5})
    talk.session._epoch = MAX_EPOCH
    assert named(talk.say({A: 5}))[:2] == (77, MAX_EPOCH)
    talk.answer()
    assert named(talk.say({A: 5}))[:2] == (77, 1)


def test_a_topic_made_anew_begins_a_new_session() -> None:
    """The same name with another id (KIP-516)."""
    talk = begun({A: 5})
    said = talk.say({A: 0}, ids={"orders": OTHER_ID})
    assert named(said) == (77, 0, {0: 0}, [])
    assert [topic.topic_id for topic in said.topics] == [OTHER_ID]


def test_names_and_ids_do_not_mix() -> None:
    """A topic without an id joins: from then on all of them go by name, in another session."""
    talk = begun({A: 5})
    audit = TopicPartition("audit", 0)
    ids = {"orders": ID, "audit": NO_ID}
    said = talk.say({A: 5, audit: 0}, ids=ids, by_id=False)
    assert (said.session_id, said.session_epoch) == (77, 0)
    assert [topic.topic for topic in said.topics] == ["orders", "audit"]
    talk.answer()
    assert talk.say({A: 5, audit: 0}, ids=ids, by_id=False).topics == []
    talk.answer()
    assert named(talk.say({A: 5}))[:2] == (77, 0)


def test_what_is_forgotten_keeps_its_id() -> None:
    """Even when the topic is not asked for any more."""
    audit = TopicPartition("audit", 0)
    talk = Talk()
    talk.say({A: 5, audit: 1}, ids={"orders": ID, "audit": OTHER_ID})
    talk.answer()
    assert talk.say({A: 5}).forgotten == [ForgottenTopic(topic="audit", topic_id=OTHER_ID, partitions=[0])]


def test_a_partition_that_was_revoked_and_is_back_begins_a_new_session() -> None:
    """Within the old one the broker would not say its high watermark again."""
    talk = begun({A: 5, B: 6})
    back = {**STATES, A: PartitionState(A)}
    assert named(talk.say({A: 5, B: 6}, states=back)) == (77, 0, {0: 5, 1: 6}, [])


class Broker:
    """What a broker makes of it: new and changed partitions first, then those to forget."""

    def __init__(self) -> None:
        self.session_id = self.epoch = 0
        self.known: dict[int, int] = {}

    def hear(self, said: Said) -> int:
        """The error code."""
        partitions = {p.partition: p.fetch_offset for topic in said.topics for p in topic.partitions}
        if said.session_epoch == 0:
            assert not said.forgotten
            self.session_id, self.epoch, self.known = self.session_id + 1, 1, partitions
            return codes.NONE
        if said.session_id != self.session_id:
            return codes.FETCH_SESSION_ID_NOT_FOUND
        if said.session_epoch != self.epoch:
            return codes.INVALID_FETCH_SESSION_EPOCH
        self.epoch += 1
        self.known |= partitions
        for topic in said.forgotten:
            for index in topic.partitions:
                del self.known[index]
        return codes.NONE


steps = st.tuples(
    st.dictionaries(st.sampled_from([A, B, C]), st.integers(0, 2)),
    st.sampled_from(["answered", "answered", "answered", "answer lost", "request lost", "evicted"]),
)


@given(st.lists(steps))
def test_a_broker_always_serves_what_is_wanted(history: list[tuple[dict[TopicPartition, int], str]]) -> None:
    """Whatever is lost on the way; and no two requests in a row are refused for their session."""
    talk, broker, refused = Talk(), Broker(), False
    for wanted, fate in history:
        if fate == "evicted":
            broker.session_id, broker.known = broker.session_id + 100, {}
        said = talk.say(wanted)
        if fate == "request lost":
            refused = False
            continue
        code = broker.hear(said)
        if code == codes.NONE:
            assert broker.known == {tp.partition: offset for tp, offset in wanted.items()}
        assert not (code and refused)
        refused = bool(code)
        if fate != "answer lost":
            talk.answer(code, session_id=0 if code else broker.session_id)
