"""Incremental fetch sessions (KIP-227): a broker remembers what it is asked for, so only changes have to be said.

A session begins with a full request of epoch 0, whose answer names it; every answered request counts the epoch up.
Whatever goes wrong (an error, an answer that never came, names where there were ids) begins another one. A broker
that knows no sessions (Fetch below version 7), or has no room for one, answers with session id 0: all is said anew
every time. A session is the broker's, not a connection's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kafkastatic._fetch.positions import PartitionState
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.fetch import FetchPartition, FetchResponse, FetchTopic, ForgottenTopic
from kafkastatic._value import Value
from kafkastatic.types import TopicPartition

INITIAL_EPOCH = 0
MAX_EPOCH = 2**31 - 1

SESSION_ERRORS = frozenset(
    {
        codes.FETCH_SESSION_ID_NOT_FOUND,
        codes.INVALID_FETCH_SESSION_EPOCH,
        codes.FETCH_SESSION_TOPIC_ID_ERROR,
    }
)
"""What another session cures."""


class Wanted(NamedTuple):
    """What is asked for of one partition, and its version at the time, to tell a stale answer."""

    state: PartitionState
    version: int
    offset: int
    leader_epoch: int


_NOTHING: Mapping[TopicPartition, Wanted] = {}


class Said(Value):
    """What a request has to say."""

    session_id: int
    session_epoch: int
    topics: list[FetchTopic]
    forgotten: list[ForgottenTopic]


class FetchSession:
    """The session with one broker, one request at a time.

    Args:
        partition_max_bytes: asked for of every partition.
    """

    def __init__(self, partition_max_bytes: int) -> None:
        self._max_bytes = partition_max_bytes
        self._id = 0
        self._epoch = INITIAL_EPOCH  # of the next request
        self._sent = INITIAL_EPOCH  # of the request that is not answered
        self._known: Mapping[TopicPartition, Wanted] = {}
        self._ids: dict[str, bytes] = {}
        self._by_id = True

    def say(self, wanted: Mapping[TopicPartition, Wanted], ids: Mapping[str, bytes], *, by_id: bool) -> Said:
        """What the broker has to be told to serve `wanted` from now on. To be sent, and `answered`.

        Args:
            ids: the id of each wanted topic, zeros where it is unknown.
            by_id: topics go by their ids: a session must not mix the two.
        """
        if by_id != self._by_id or self._differs(wanted, ids):
            self._epoch = INITIAL_EPOCH
        known = self._known if self._epoch != INITIAL_EPOCH else _NOTHING
        # Without an answer nobody knows what the broker has heard: begin anew then.
        self._sent, self._epoch = self._epoch, INITIAL_EPOCH
        changed = (tp for tp, want in wanted.items() if tp not in known or known[tp][2:] != want[2:])
        said = Said(
            session_id=self._id,  # with epoch 0 the broker drops it
            session_epoch=self._sent,
            topics=self._topics(changed, wanted, ids),
            forgotten=self._forgotten(tp for tp in known if tp not in wanted),
        )
        self._known, self._by_id = wanted, by_id
        self._ids = dict(ids) if not known else {**self._ids, **ids}
        return said

    def answered(self, answer: FetchResponse) -> None:
        """The broker has answered what was said last."""
        if answer.error_code == codes.FETCH_SESSION_ID_NOT_FOUND:
            self._id = 0
        elif answer.error_code == codes.NONE:
            self._id = answer.session_id
            if self._id:
                self._epoch = self._sent + 1 if self._sent < MAX_EPOCH else 1

    def _differs(self, wanted: Mapping[TopicPartition, Wanted], ids: Mapping[str, bytes]) -> bool:
        """Whether a name means something else by now: a topic made anew, or a partition given up and back again.

        Of the latter the broker would not say again what it has said before: its high watermark.
        """
        if any(self._ids.get(name, topic_id) != topic_id for name, topic_id in ids.items()):
            return True
        known = self._known
        return any(tp in known and known[tp].state is not want.state for tp, want in wanted.items())

    def _topics(
        self, changed: Iterable[TopicPartition], wanted: Mapping[TopicPartition, Wanted], ids: Mapping[str, bytes]
    ) -> list[FetchTopic]:
        topics: dict[str, FetchTopic] = {}
        for tp in changed:
            name, index = tp
            topic = topics.get(name)
            if topic is None:
                topic = topics[name] = FetchTopic(topic=name, topic_id=ids[name])
            topic.partitions.append(
                FetchPartition(
                    partition=index,
                    current_leader_epoch=wanted[tp].leader_epoch,
                    fetch_offset=wanted[tp].offset,
                    partition_max_bytes=self._max_bytes,
                )
            )
        return list(topics.values())

    def _forgotten(self, gone: Iterable[TopicPartition]) -> list[ForgottenTopic]:
        topics: dict[str, ForgottenTopic] = {}
        for name, index in gone:
            topic = topics.get(name)
            if topic is None:
                topic = topics[name] = ForgottenTopic(topic=name, topic_id=self._ids[name])
            topic.partitions.append(index)
        return list(topics.values())
