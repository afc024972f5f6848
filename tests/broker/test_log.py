"""The log of one partition: what a foreign encoder wrote, a foreign decoder reads again."""

from __future__ import annotations

import pytest

from kafkastatic.broker.admission import AppendRules, LogError
from kafkastatic.broker.log import Found, PartitionLog
from kafkastatic.broker.producers import Appended
from tests.broker.batches import CODECS, Seen, batch, headers, seen, values

NOW = 1_700_000_000_000


def log_of(*batches: bytes, leader_epoch: int = 0) -> PartitionLog:
    log = PartitionLog()
    for one in batches:
        log.append(one, leader_epoch=leader_epoch, now_ms=NOW)
    return log


def everything(log: PartitionLog) -> list[Seen]:
    return seen(log.read(log.start_offset, 1 << 30, at_least_one=True))


@pytest.mark.parametrize("codec", CODECS)
def test_a_foreign_decoder_reads_what_a_foreign_encoder_wrote(codec: str) -> None:
    """Offsets and the leader's epoch are written into a copy; the CRC still holds."""
    log = PartitionLog()
    sent = batch((1000, b"k", b"v"), (1001, None, None), codec=codec)

    first = log.append(sent, leader_epoch=3, now_ms=NOW)
    second = log.append(memoryview(sent), leader_epoch=4, now_ms=NOW)

    assert (first, second) == (Appended(0, -1), Appended(2, -1))
    assert (log.start_offset, log.end_offset) == (0, 4)
    assert everything(log) == [
        Seen(0, 1000, b"k", b"v"),
        Seen(1, 1001, None, None),
        Seen(2, 1000, b"k", b"v"),
        Seen(3, 1001, None, None),
    ]
    assert headers(log.read(0, 1 << 20, at_least_one=True)) == [(0, 3, 1), (2, 4, 1)]


def test_a_log_keeps_no_view_of_the_request() -> None:
    """A request's buffer may be used again."""
    buffer = bytearray(values(b"a"))
    log = log_of(memoryview(buffer))

    buffer[:] = bytes(len(buffer))

    assert [record.value for record in everything(log)] == [b"a"]


@pytest.mark.parametrize("codec", CODECS)
def test_a_topic_of_log_append_time_gives_every_record_the_brokers_time(codec: str) -> None:
    """The attribute, the highest timestamp and the CRC are new; the records' own times stay beneath."""
    log = PartitionLog()

    appended = log.append(
        batch((5, b"k", b"v"), (7, b"k", b"v"), codec=codec),
        leader_epoch=0,
        now_ms=NOW,
        rules=AppendRules(append_time=True),
    )

    assert appended == Appended(0, NOW)
    assert [record.timestamp for record in everything(log)] == [NOW, NOW]
    assert log.offset_for(8) == Found(NOW, 0, 0)


def test_a_read_begins_with_the_batch_that_holds_the_offset() -> None:
    """The client skips what it has; at the end there is nothing, behind it an error."""
    one, two = values(b"a", b"b"), values(b"c", b"d", b"e")
    log = log_of(one, two)

    assert [headers(log.read(offset, 1 << 20, at_least_one=True)) for offset in range(6)] == [
        [(0, 0, 1), (2, 0, 2)],
        [(0, 0, 1), (2, 0, 2)],
        [(2, 0, 2)],
        [(2, 0, 2)],
        [(2, 0, 2)],
        [],
    ]
    for offset in (-1, 6):
        with pytest.raises(LogError) as refused:
            log.read(offset, 1 << 20, at_least_one=True)
        assert refused.value.code == 1


def test_a_read_keeps_to_its_limit_but_for_the_first_batch_if_that_is_wanted() -> None:
    """Whole batches only: a byte less than two of them is one."""
    log = log_of(values(b"a"), values(b"b"), values(b"c"))
    size = len(log.read(0, 1, at_least_one=True)[0])

    def count(limit: int, at_least_one: bool) -> int:
        return len(log.read(0, limit, at_least_one=at_least_one))

    assert [count(limit, False) for limit in (-5, 0, size - 1, size, 2 * size - 1, 2 * size, 9 * size)] == [
        0,
        0,
        0,
        1,
        1,
        2,
        3,
    ]
    assert [count(limit, True) for limit in (-5, 0, size - 1, size, 2 * size - 1, 2 * size)] == [1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize("codec", CODECS)
def test_a_time_is_found_at_its_first_record(codec: str) -> None:
    """Times need not ascend: the first record that is at least as new, and the first of the newest ones."""
    log = log_of(
        batch((10, b"", b""), (40, b"", b""), (20, b"", b""), codec=codec),
        batch((30, b"", b""), codec=codec),
        batch((40, b"", b""), (50, b"", b""), (50, b"", b""), codec=codec),
        leader_epoch=2,
    )

    assert [log.offset_for(time) for time in (0, 10, 11, 30, 41, 50, 51)] == [
        Found(10, 0, 2),
        Found(10, 0, 2),
        Found(40, 1, 2),
        Found(40, 1, 2),
        Found(50, 5, 2),
        Found(50, 5, 2),
        None,
    ]
    assert log.newest() == Found(50, 5, 2)


def test_an_empty_log_has_no_newest_record() -> None:
    """Nor any other."""
    log = PartitionLog()

    assert (log.newest(), log.offset_for(0), log.read(0, 1 << 20, at_least_one=True)) == (None, None, [])


def test_deleting_keeps_the_batch_that_holds_the_new_start() -> None:
    """Reading goes on from there, and no deleted record is found by its time."""
    log = log_of(batch((90, b"", b"")), batch((10, b"", b""), (20, b"", b""), (30, b"", b"")), values(b"x", at=5))

    log.delete_before(3)

    assert (log.start_offset, log.end_offset) == (3, 5)
    assert headers(log.read(3, 1 << 20, at_least_one=True)) == [(1, 0, 2), (4, 0, 0)]
    assert log.offset_for(10) == Found(30, 3, 0)
    assert log.newest() == Found(30, 3, 0)
    with pytest.raises(LogError) as refused:
        log.read(2, 1 << 20, at_least_one=True)
    assert refused.value.code == 1


def test_deleting_everything_leaves_an_empty_log_that_goes_on() -> None:
    """Offsets do not begin anew."""
    log = log_of(values(b"a", b"b"))

    log.delete_before(2)
    log.delete_before(1)
    log.append(values(b"c"), leader_epoch=0, now_ms=NOW)

    assert log.start_offset == 2
    assert [(record.offset, record.value) for record in everything(log)] == [(2, b"c")]
    with pytest.raises(LogError) as refused:
        log.delete_before(4)
    assert refused.value.code == 1


def test_epochs_end_where_the_next_one_began() -> None:
    """An unknown epoch is answered by the one before it, one of the future not at all (KIP-320)."""
    log = PartitionLog()
    for epoch in (1, 1, 4, 6):
        log.append(values(b"a", b"b"), leader_epoch=epoch, now_ms=NOW)

    assert [log.end_of_epoch(epoch) for epoch in (-1, 0, 1, 2, 3, 4, 5, 6, 7)] == [
        (-1, -1),
        (0, 0),
        (1, 4),
        (1, 4),
        (1, 4),
        (4, 6),
        (4, 6),
        (6, 8),
        (-1, -1),
    ]


def test_a_leader_that_appended_nothing_is_forgotten() -> None:
    """Unless it is the present one."""
    log = log_of(values(b"a"))
    log.begin_epoch(1)
    log.begin_epoch(2)

    assert [log.end_of_epoch(epoch) for epoch in (0, 1, 2, 3)] == [(0, 1), (0, 1), (2, 1), (-1, -1)]


def test_deleting_forgets_epochs() -> None:
    """The one at the new start begins there."""
    log = PartitionLog()
    for epoch in (1, 4, 6):
        log.append(values(b"a", b"b"), leader_epoch=epoch, now_ms=NOW)

    log.delete_before(3)

    assert log.first_epoch() == 4
    assert [log.end_of_epoch(epoch) for epoch in (1, 4, 6)] == [(1, 3), (4, 4), (6, 6)]


def refused(log: PartitionLog, data: bytes) -> int:
    with pytest.raises(LogError) as error:
        log.append(data, leader_epoch=0, now_ms=NOW)
    return error.value.code


def test_a_batch_that_is_sent_twice_is_appended_once() -> None:
    """The answer is where it is; its time is told as well, as in Kafka."""
    log = log_of(values(b"-"))
    sent = [values(b"a", b"b", at=70, producer=(9, 0, 0)), values(b"c", at=80, producer=(9, 0, 2))]

    answers = [log.append(one, leader_epoch=0, now_ms=NOW) for one in [*sent, *sent]]

    assert answers == [Appended(1, -1), Appended(3, -1), Appended(1, 70), Appended(3, 80)]
    assert [record.value for record in everything(log)] == [b"-", b"a", b"b", b"c"]


def test_a_gap_in_a_sequence_is_refused_and_leaves_no_trace() -> None:
    """45, for a part of a batch too; what is next is appended afterwards."""
    log = log_of(values(b"a", b"b", producer=(9, 0, 0)))

    assert [refused(log, values(b"c", producer=(9, 0, first))) for first in (0, 1, 3)] == [45, 45, 45]
    assert log.append(values(b"c", producer=(9, 0, 2)), leader_epoch=0, now_ms=NOW) == Appended(2, -1)


def test_five_batches_are_remembered() -> None:
    """The sixth last one is out of order."""
    log = log_of(*(values(b"a", producer=(9, 0, number)) for number in range(6)))

    assert log.append(values(b"a", producer=(9, 0, 1)), leader_epoch=0, now_ms=NOW) == Appended(1, 1000)
    assert refused(log, values(b"a", producer=(9, 0, 0))) == 45


def test_a_new_epoch_begins_at_zero_and_fences_the_older_one() -> None:
    """45 where it does not, then 47 for what the older one sends, even if it is a repetition."""
    log = log_of(values(b"a", producer=(9, 0, 0)))

    assert refused(log, values(b"b", producer=(9, 1, 1))) == 45
    log.append(values(b"b", producer=(9, 1, 0)), leader_epoch=0, now_ms=NOW)

    assert [refused(log, values(b"c", producer=(9, 0, sequence))) for sequence in (0, 1)] == [47, 47]
    assert [record.value for record in everything(log)] == [b"a", b"b"]


def test_sequences_begin_anew_behind_the_last_one() -> None:
    """2^31 - 1 is followed by 0, within a batch as well."""
    log = log_of(values(b"a", b"b", b"c", producer=(9, 0, 2**31 - 2)))

    assert refused(log, values(b"d", producer=(9, 0, 0))) == 45
    assert log.append(values(b"d", producer=(9, 0, 1)), leader_epoch=0, now_ms=NOW) == Appended(3, -1)


def test_producers_do_not_know_of_each_other() -> None:
    """Nor do batches without a producer."""
    log = log_of(values(b"a", producer=(1, 0, 0)), values(b"b", producer=(2, 5, 8)), values(b"c"), values(b"c"))

    assert log.append(values(b"d", producer=(2, 5, 9)), leader_epoch=0, now_ms=NOW) == Appended(4, -1)
