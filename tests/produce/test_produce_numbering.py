"""Which numbers a batch carries, and what an answer does to the next one's."""

from __future__ import annotations

import struct

import pytest

from kafkastatic._produce import NAMES_ONLY, Numbering, ProducerId, doubts_leader, id_answered, id_request, request
from kafkastatic._protocol.messages.init_producer_id import InitProducerIdResponse
from kafkastatic._protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from kafkastatic.errors import (
    BrokerError,
    BrokerUnreachableError,
    KafkaError,
    KafkaTimeoutError,
    ProtocolError,
    TopicAuthorizationFailedError,
)
from kafkastatic.types import PartitionInfo, TopicInfo, TopicPartition

TP = TopicPartition("dead", 3)
RECORD = (b"key", b"value", [("name", b"content")], 1_700_000_000_000)


def answer(code: int = 0, *, offset: int = -1, index: int = 3, message: str | None = None) -> ProduceResponse:
    entry = PartitionProduceResponse(index=index, error_code=code, base_offset=offset, error_message=message)
    return ProduceResponse(responses=[TopicProduceResponse(name="dead", partition_responses=[entry])])


def numbered(number: int = 7000, epoch: int = 0, sequence: int = 0) -> Numbering:
    numbering = Numbering()
    numbering.start(ProducerId(number, epoch))
    numbering.sequence = sequence
    return numbering


def numbers(batch: bytes) -> tuple[int, int, int]:
    """Producer id, epoch and base sequence, where Kafka's record batch format has them."""
    return struct.unpack_from(">qhi", batch, 43)


def test_a_partition_starts_without_an_id() -> None:
    """And numbers from 0, in the epoch that came with its id."""
    numbering = Numbering()
    assert numbering.needs_id
    numbering.start(ProducerId(7000, 2))
    assert not numbering.needs_id
    assert numbers(numbering.batch(RECORD)) == (7000, 2, 0)


def test_each_written_batch_takes_one_number() -> None:
    """The answer brings the offset."""
    numbering = numbered()
    for sequence, offset in enumerate([40, 41, 55]):
        assert numbers(numbering.batch(RECORD)) == (7000, 0, sequence)
        assert numbering.judge(answer(offset=offset), TP) == offset


def test_a_batch_that_is_sent_again_is_the_same() -> None:
    """Byte for byte, until the broker has said what became of it."""
    numbering = numbered(sequence=4)
    first = numbering.batch(RECORD)
    for code in (6, 7, 19, 20, 3, 56, 2):
        with pytest.raises(BrokerError) as caught:
            numbering.judge(answer(code), TP)
        assert caught.value.retriable
        assert numbering.batch(RECORD) == first
    assert numbering.judge(answer(offset=9), TP) == 9
    assert numbers(numbering.batch(RECORD)) == (7000, 0, 5)


def test_a_duplicate_is_written() -> None:
    """The broker has it, but no longer knows where."""
    numbering = numbered(sequence=4)
    numbering.batch(RECORD)
    assert numbering.judge(answer(46), TP) == -1
    assert numbers(numbering.batch(RECORD)) == (7000, 0, 5)


def test_after_the_last_sequence_number_comes_0() -> None:
    """As the broker counts."""
    numbering = numbered(sequence=2**31 - 1)
    assert numbers(numbering.batch(RECORD)) == (7000, 0, 2**31 - 1)
    numbering.judge(answer(offset=1), TP)
    assert numbers(numbering.batch(RECORD)) == (7000, 0, 0)


@pytest.mark.parametrize("code", [45, 59])
def test_a_broker_that_lost_the_numbers_gets_the_batch_in_the_next_epoch(code: int) -> None:
    """It was not written: it may be sent again, numbered from 0."""
    numbering = numbered(epoch=3, sequence=4)
    numbering.batch(RECORD)
    with pytest.raises(BrokerError) as caught:
        numbering.judge(answer(code), TP)
    assert (caught.value.code, caught.value.retriable, doubts_leader(caught.value)) == (code, True, False)
    assert numbers(numbering.batch(RECORD)) == (7000, 4, 0)


@pytest.mark.parametrize("code", [47, 49])
def test_an_id_that_the_broker_refuses_is_replaced(code: int) -> None:
    numbering = numbered(epoch=3, sequence=4)
    numbering.batch(RECORD)
    with pytest.raises(BrokerError) as caught:
        numbering.judge(answer(code), TP)
    assert caught.value.retriable
    assert numbering.needs_id
    assert numbering.producer.number == 7000  # so that another one is asked for
    numbering.start(ProducerId(7001, 0))
    assert numbers(numbering.batch(RECORD)) == (7001, 0, 0)


def test_a_batch_in_doubt_leaves_its_numbers_to_nobody() -> None:
    """The next record's batch starts an epoch of its own, which shuts the older one out."""
    numbering = numbered(sequence=4)
    numbering.batch(RECORD)
    numbering.give_up()
    assert numbers(numbering.batch(RECORD)) == (7000, 1, 0)


def test_giving_up_without_a_batch_in_doubt_changes_nothing() -> None:
    numbering = numbered(sequence=4)
    numbering.give_up()
    assert numbers(numbering.batch(RECORD)) == (7000, 0, 4)
    numbering.judge(answer(offset=1), TP)
    numbering.give_up()
    assert numbers(numbering.batch(RECORD)) == (7000, 0, 5)


def test_after_the_last_epoch_a_new_id_is_needed() -> None:
    numbering = numbered(epoch=2**15 - 1)
    numbering.batch(RECORD)
    numbering.give_up()
    assert numbering.needs_id


@pytest.mark.parametrize(
    ("code", "name", "remedy"),
    [
        (10, "MESSAGE_TOO_LARGE", "max.message.bytes"),
        (29, "TOPIC_AUTHORIZATION_FAILED", "WRITE"),
        (31, "CLUSTER_AUTHORIZATION_FAILED", "IDEMPOTENT_WRITE"),
        (87, "INVALID_RECORD", ""),
        (-1, "UNKNOWN_SERVER_ERROR", ""),
        (4711, "UNKNOWN_CODE_4711", ""),
    ],
)
def test_what_is_refused_for_good(code: int, name: str, remedy: str) -> None:
    """The error is Kafka's, says about which partition, in the broker's words, and what to do."""
    numbering = numbered()
    numbering.batch(RECORD)
    with pytest.raises(BrokerError) as caught:
        numbering.judge(answer(code, message="because"), TP)
    error = caught.value
    assert (error.code, error.name, error.retriable, error.api) == (code, name, False, "Produce")
    assert (error.topic, error.partition, error.detail) == ("dead", 3, "because")
    assert remedy in str(error)
    assert isinstance(error, TopicAuthorizationFailedError) is (code == 29)


@pytest.mark.parametrize(
    "strange",
    [ProduceResponse(), answer(index=4), ProduceResponse(responses=answer().responses * 2)],
    ids=["empty", "another partition", "twice"],
)
def test_an_answer_about_something_else(strange: ProduceResponse) -> None:
    """It leaves open what became of the batch."""
    numbering = numbered()
    numbering.batch(RECORD)
    with pytest.raises(ProtocolError, match="dead-3"):
        numbering.judge(strange, TP)
    numbering.give_up()
    assert numbers(numbering.batch(RECORD)) == (7000, 1, 0)


def test_the_requests() -> None:
    """No transaction, every replica in sync; a topic whose id is not known is named."""
    asked = id_request()
    assert (asked.transactional_id, asked.producer_id, asked.producer_epoch) == (None, -1, -1)
    for topic_id, cap in [(bytes(16), NAMES_ONLY), (b"i" * 16, None)]:
        topic = TopicInfo("dead", topic_id, {3: PartitionInfo(3, 1)})
        produce, highest = request(TP, topic, b"batch", 5000)
        assert (produce.acks, produce.timeout_ms, produce.transactional_id) == (-1, 5000, None)
        (data,) = produce.topic_data
        assert (data.name, data.topic_id, highest) == ("dead", topic_id, cap)
        assert [(part.index, bytes(part.records or b"")) for part in data.partition_data] == [(3, b"batch")]


def test_an_id_is_given_or_refused() -> None:
    assert id_answered(InitProducerIdResponse(producer_id=7000, producer_epoch=1)) == (7000, 1)
    for code, retriable in [(14, True), (31, False)]:
        with pytest.raises(BrokerError) as caught:
            id_answered(InitProducerIdResponse(error_code=code))
        assert (caught.value.api, caught.value.retriable) == ("InitProducerId", retriable)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BrokerUnreachableError("gone", address="a:1"), True),
        (KafkaTimeoutError("late"), True),
        (BrokerError(6), True),
        (BrokerError(3), True),
        (BrokerError(56), True),
        (BrokerError(100), True),
        (BrokerError(7), False),
        (BrokerError(19), False),
    ],
)
def test_when_the_leader_may_be_another(error: KafkaError, expected: bool) -> None:
    assert doubts_leader(error) is expected
