"""What an idempotent producer says, and what its answers mean. Pure.

A broker remembers, for each partition and producer id, the epoch and the sequence numbers of the last batches (KIP-98).
So a batch that is sent once more, because its answer was lost, is not written twice, as long as it keeps its numbers;
and the numbers of a batch of which nobody knows whether it was written must never go to another batch: the broker
would take that one for written. The next batch starts under a higher epoch instead (KIP-360), which also shuts out
the old one, should it still be on its way. Epochs are counted for each partition: trouble in one does not concern
the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from kafkastatic._protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from kafkastatic._records import encode_batch
from kafkastatic.errors import BrokerError, KafkaError, ProtocolError
from kafkastatic.types import TopicInfo, TopicPartition

Headers = Sequence[tuple[str, bytes | None]]
Record = tuple[bytes | None, bytes | None, Headers, int]

ALL_REPLICAS = -1
"""acks=all: answered when every replica in sync has the batch."""

NAMES_ONLY = 12
"""The last version of Produce that names topics; from 13 on it takes topic ids only (KIP-516)."""

NO_OFFSET = -1
"""The offset of a batch that the broker has, but no longer knows where."""

_NO_TOPIC_ID = bytes(16)
_LAST_EPOCH = 2**15 - 1
_LAST_SEQUENCE = 2**31 - 1
_NO_TIMEOUT = 2**31 - 1  # of transactions, which there are none of

_RENUMBER = frozenset({codes.OUT_OF_ORDER_SEQUENCE_NUMBER, codes.UNKNOWN_PRODUCER_ID})
"""The broker has lost batches that it had acknowledged, or their numbers: this one is not written."""

_NEW_ID = frozenset({codes.INVALID_PRODUCER_EPOCH, codes.INVALID_PRODUCER_ID_MAPPING})

_STALE_METADATA = frozenset(
    {
        codes.NOT_LEADER_OR_FOLLOWER,
        codes.FENCED_LEADER_EPOCH,
        codes.UNKNOWN_TOPIC_OR_PARTITION,
        codes.UNKNOWN_TOPIC_ID,
        codes.INCONSISTENT_TOPIC_ID,
        codes.REPLICA_NOT_AVAILABLE,
        codes.LEADER_NOT_AVAILABLE,
        codes.KAFKA_STORAGE_ERROR,
    }
)

_REMEDIES = {
    codes.MESSAGE_TOO_LARGE: "Raise max.message.bytes of the topic.",
    codes.RECORD_LIST_TOO_LARGE: "Raise segment.bytes of the topic.",
    codes.TOPIC_AUTHORIZATION_FAILED: "Grant this principal WRITE and DESCRIBE on the topic.",
    codes.CLUSTER_AUTHORIZATION_FAILED: "Grant this principal WRITE on the topic; older brokers want IDEMPOTENT_WRITE"
    " on the cluster too.",
}


class ProducerId(NamedTuple):
    """Who a producer is to the brokers. The epoch is the first one that may be used."""

    number: int = -1
    epoch: int = -1


def id_request() -> InitProducerIdRequest:
    """Ask for a producer id, outside of any transaction."""
    return InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=_NO_TIMEOUT)


def id_answered(answer: InitProducerIdResponse) -> ProducerId:
    """The id that was given.

    Raises:
        BrokerError: if none was.
    """
    if answer.error_code != codes.NONE:
        raise refusal(answer.error_code, "InitProducerId")
    return ProducerId(answer.producer_id, answer.producer_epoch)


class Numbering:
    """The numbers of one partition's batches, one batch of one record at a time.

    The same record goes on being asked for with `batch` until `judge` returns where it is, or until it is given up.
    """

    def __init__(self) -> None:
        self.producer = ProducerId()
        self.sequence = 0
        self._in_doubt = False  # a batch with these numbers is on its way, or may be written

    @property
    def needs_id(self) -> bool:
        return self.producer.epoch < 0

    def start(self, producer: ProducerId) -> None:
        """Number under this id from now on; it is new to the partition."""
        self.producer, self.sequence, self._in_doubt = producer, 0, False

    def batch(self, record: Record) -> bytes:
        """The record as the batch that comes next; the same again for as long as it is neither written nor given up."""
        self._in_doubt = True
        number, epoch = self.producer
        return encode_batch([record], producer_id=number, producer_epoch=epoch, base_sequence=self.sequence)

    def judge(self, answer: ProduceResponse, tp: TopicPartition) -> int:
        """The offset at which the batch was written, perhaps at an earlier attempt.

        Raises:
            BrokerError: if it was not. If that is retriable, the record may be sent again; its numbers may be others.
            ProtocolError: if the answer is not about this batch.
        """
        found = [data for topic in answer.responses for data in topic.partition_responses]
        if len(found) != 1 or found[0].index != tp.partition:
            raise ProtocolError(f"Produce to {tp} was answered for {[data.index for data in found]}.")
        code = found[0].error_code
        if code in (codes.NONE, codes.DUPLICATE_SEQUENCE_NUMBER):
            self.sequence = 0 if self.sequence == _LAST_SEQUENCE else self.sequence + 1
            self._in_doubt = False
            return found[0].base_offset if code == codes.NONE else NO_OFFSET
        if code in _RENUMBER:
            self._next_epoch()
        elif code in _NEW_ID:
            self._drop_id()
        error = refusal(code, "Produce", topic=tp.topic, partition=tp.partition, detail=found[0].error_message)
        error.retriable = error.retriable or code in _RENUMBER or code in _NEW_ID
        raise error

    def give_up(self) -> None:
        """The last batch is not sent again; what became of it does not matter."""
        if self._in_doubt:
            self._next_epoch()

    def _next_epoch(self) -> None:
        if self.producer.epoch == _LAST_EPOCH:
            self._drop_id()
        else:
            self.start(self.producer._replace(epoch=self.producer.epoch + 1))

    def _drop_id(self) -> None:
        self.start(self.producer._replace(epoch=-1))


def request(tp: TopicPartition, topic: TopicInfo, batch: bytes, timeout_ms: int) -> tuple[ProduceRequest, int | None]:
    """Ask a partition's leader to write a batch; with the highest version that can say it, `None` for any."""
    data = TopicProduceData(
        name=topic.name,
        topic_id=topic.topic_id,
        partition_data=[PartitionProduceData(index=tp.partition, records=batch)],
    )
    wanted = ProduceRequest(acks=ALL_REPLICAS, timeout_ms=timeout_ms, transactional_id=None, topic_data=[data])
    return wanted, NAMES_ONLY if topic.topic_id == _NO_TOPIC_ID else None


def refusal(code: int, api: str, **where: Any) -> BrokerError:
    """The error of a code, with what to do about it where that is known."""
    return error_for(code, api=api, remedy=_REMEDIES.get(code), **where)


def doubts_leader(error: KafkaError) -> bool:
    """Whether a failure may come from asking the wrong broker: the broker says so, or says nothing at all."""
    return error.code is None or error.code in _STALE_METADATA


# ── which partition ──


def choose(topic: TopicInfo, key: bytes | None, turn: int) -> int:
    """The partition of a record: that of its key, as Kafka's own producer has it; without a key, in turn."""
    if key is not None:
        return (murmur2(key) & 0x7FFFFFFF) % len(topic.partitions)
    led = sorted(index for index, info in topic.partitions.items() if info.leader >= 0)
    return (led or sorted(topic.partitions))[turn % (len(led) or len(topic.partitions))]


def murmur2(data: bytes) -> int:
    """The 32-bit hash by which Kafka's clients spread keys, unsigned."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    mixed = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        mixed = mixed * factor & mask ^ word
    if whole < len(data):
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * factor & mask
    mixed = (mixed ^ mixed >> 13) * factor & mask
    return mixed ^ mixed >> 15
