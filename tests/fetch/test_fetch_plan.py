"""What is asked of which broker, and what its answer does to each partition."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kafkastatic._fetch.answers import Need, Outcome
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.positions import EARLIEST, LATEST
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.framing import decode_request, encode_request
from kafkastatic._protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from kafkastatic.errors import BrokerError, CorruptRecordError, OffsetOutOfRangeError, TopicAuthorizationFailedError
from kafkastatic.types import ClusterSnapshot, TopicPartition

from .logs import A, Application, B, C, batch, push
from .planning import ORDERS_ID, Fetches, answer, data, snapshot, wanted

D = TopicPartition("audit", 0)


# ── whom to ask for what ──


def asked_of(fetches: Fetches, cluster: ClusterSnapshot, now: float = 0.0) -> dict[int, list[TopicPartition]]:
    found = fetches.planner.sources(cluster, now)
    return {node: [state.tp for state in states] for node, states in found.items()}


def test_every_partition_is_asked_of_its_leader() -> None:
    fetches = Fetches(a=1, b=2, c=3)
    fetches.snapshot = snapshot({A: 1, B: 2, C: 1})

    assert asked_of(fetches, fetches.snapshot) == {1: [A, C], 2: [B]}
    assert not fetches.planner.leaderless(fetches.snapshot)
    assert wanted(fetches.ask()) == {A: 1, C: 3}


@pytest.mark.parametrize("leader", [-1, 7], ids=["no leader", "a broker that is not listed"])
def test_a_partition_that_nobody_leads_is_not_asked_for(leader: int) -> None:
    """Somebody has to look for its leader again."""
    fetches = Fetches(a=1, b=2)
    cluster = snapshot({A: 1, B: leader})

    assert asked_of(fetches, cluster) == {1: [A]}
    assert fetches.planner.leaderless(cluster)
    assert fetches.planner.leaderless(ClusterSnapshot())


def test_a_request_says_what_the_configuration_says() -> None:
    options = {
        "fetch_min_bytes": 11,
        "fetch_max_wait_ms": 22,
        "fetch_max_bytes": 33,
        "max_partition_fetch_bytes": 44,
        "client_rack": "rack-a",
    }
    request = Fetches(options=options, b=5).ask().request

    assert (request.min_bytes, request.max_wait_ms, request.max_bytes) == (11, 22, 33)
    (partition,) = request.topics[0].partitions
    assert (partition.partition_max_bytes, partition.fetch_offset, partition.current_leader_epoch) == (44, 5, 11)
    assert request.rack_id == "rack-a"


def test_topics_go_by_id_where_ids_are_known() -> None:
    fetches = Fetches(a=1)
    ask = fetches.ask()
    _, sent = decode_request(encode_request(ask.request, 18, 1, "me")[4:])

    assert ask.cap is None
    assert isinstance(sent, FetchRequest)
    assert [topic.topic_id for topic in sent.topics] == [ORDERS_ID]
    assert fetches.take(ask, a=data(batch(1, 1))) == set()
    assert fetches.positions[A].fetch_at == 2


def test_topics_go_by_name_where_an_id_is_missing() -> None:
    """One unknown id is enough: a request has either names or ids."""
    fetches = Fetches(a=1)
    fetches.positions.add([D])
    fetches.positions[D].move(0)
    topics = {**snapshot({A: 1}).topics, **snapshot({D: 1}, ids=False).topics}
    fetches.snapshot = ClusterSnapshot(brokers=fetches.snapshot.brokers, topics=topics)
    ask = fetches.ask()
    assert ask.cap == 12
    _, sent = decode_request(encode_request(ask.request, 12, 1, "me")[4:])

    assert isinstance(sent, FetchRequest)
    assert [topic.topic for topic in sent.topics] == ["orders", "audit"]
    named = FetchResponse(responses=[FetchableTopicResponse(topic="audit", partitions=[data(batch(0, 1))])])
    fetches.planner.take(ask, named, 0.0)
    assert (fetches.positions[A].fetch_at, fetches.positions[D].fetch_at) == (1, 1)


@pytest.mark.parametrize("why", ["unresolved", "error", "barred", "paused", "retry"])
def test_partitions_that_cannot_be_fetched_are_left_out(why: str) -> None:
    """Of no such partition can the application drain a buffer, so the request is complete without it."""
    fetches = Fetches(a=1, b=2)
    state = fetches.positions[A]
    match why:
        case "unresolved":
            state.move_by_time(EARLIEST)
        case "error":
            state.error = CorruptRecordError("bad")
        case "retry":
            state.hold_off(1, 10.0)
        case _:
            setattr(state, why, True)
    ask = fetches.ask(now=9.9)

    assert wanted(ask) == {B: 2}
    assert ask.complete
    fetches.positions[B].barred = True
    assert fetches.plan(9.9) is None
    if why == "retry":
        assert wanted(fetches.ask(now=10.0)) == {A: 1}


def test_nothing_assigned_asks_for_nothing() -> None:
    assert Fetches().plan() is None


# ── how much ──


def test_a_full_buffer_is_left_out() -> None:
    """And said to be, so that the driver waits a moment for it to be drained."""
    fetches = Fetches(options={"max_partition_fetch_bytes": 500}, a=0, b=0)
    push(fetches.positions[A], batch(0, 1, value_size=600))
    ask = fetches.ask()
    assert wanted(ask) == {B: 0}
    assert not ask.complete

    Application(fetches.source).one()
    assert wanted(fetches.ask()) == {A: 1, B: 0}
    assert fetches.ask().complete
    fetches.source.pause(A)
    assert fetches.ask().complete


def test_a_request_asks_for_no_more_than_there_is_room_for() -> None:
    fetches = Fetches(options={"max_buffered_bytes": 1000, "fetch_max_bytes": 900}, a=0, b=0)
    assert fetches.ask().request.max_bytes == 900
    small = batch(0, 1, value_size=100)
    push(fetches.positions[A], small)
    assert fetches.ask().request.max_bytes == min(900, 1000 - len(small))
    push(fetches.positions[A], batch(1, 1, value_size=900))
    assert fetches.plan() is None

    app = Application(fetches.source)
    app.one()
    app.one()
    assert fetches.ask().request.max_bytes == 900


def test_what_paused_partitions_hold_does_not_starve_the_others() -> None:
    """They go on with a batch at a time, until the paused ones are resumed."""
    fetches = Fetches(options={"max_buffered_bytes": 1000}, a=0, b=0)
    push(fetches.positions[A], batch(0, 1), batch(1, 1, value_size=1000))
    Application(fetches.source).one()
    fetches.source.pause(A)
    ask = fetches.ask()
    assert wanted(ask) == {B: 0}
    assert ask.request.max_bytes == 1

    fetches.take(ask, b=data(batch(0, 1)))
    assert fetches.plan() is None
    assert Application(fetches.source).one() == (B, 0)
    assert wanted(fetches.ask()) == {B: 1}


# ── who comes first ──


class Log:
    """Batches of a few partitions, served as brokers serve them since KIP-74.

    An answer is filled from the front. The first partition that has data gives a whole batch even if that exceeds the
    limits; of the others nothing is sent where the first batch does not fit. The last batch may be cut off.
    """

    def __init__(self, **batches: list[bytes]) -> None:
        self.batches = batches

    def answer(self, request: FetchRequest) -> FetchResponse:
        left, found, first = request.max_bytes, dict[str, PartitionData](), True
        for partition in request.topics[0].partitions:
            name = "abc"[partition.partition]
            behind = [one for one in self.batches[name] if int.from_bytes(one[:8], "big") >= partition.fetch_offset]
            limit = max(min(left, partition.partition_max_bytes), 0)
            records = b"".join(behind)[:limit]
            if behind and len(behind[0]) > limit:
                records = behind[0] if first else b""
            first = first and not records
            left -= len(records)
            found[name] = data(records)
        return answer(**found)


def rounds_until(fetches: Fetches, log: Log, tp: TopicPartition, *, drain: Callable[[], object]) -> int:
    """How many requests it takes until a partition has data."""
    for count in range(1, 50):
        ask = fetches.ask()
        fetches.planner.take(ask, log.answer(ask.request), 0.0)
        if fetches.positions[tp].buffered:
            return count
        drain()
    raise AssertionError("starved")


BUSY = [batch(n, 1, value_size=100) for n in range(200)]
LARGE = [batch(0, 1, value_size=5000)]


@pytest.mark.parametrize("large", "abc")
@pytest.mark.parametrize("limit", ["max_partition_fetch_bytes", "fetch_max_bytes"])
def test_a_record_larger_than_the_limits_is_delivered(large: str, limit: str) -> None:
    """Within as many requests as there are partitions, however busy the others are (KIP-74)."""
    fetches = Fetches(options={limit: 300}, a=0, b=0, c=0)
    log = Log(**{name: LARGE if name == large else BUSY for name in "abc"})
    app = Application(fetches.source)
    tp = TopicPartition("orders", "abc".index(large))

    assert rounds_until(fetches, log, tp, drain=lambda: [app.one() for _ in range(6)]) <= 3
    assert tp in {where[0] for where in app.loop()}


def test_large_records_everywhere_are_delivered_in_turn() -> None:
    fetches = Fetches(options={"fetch_max_bytes": 300}, a=0, b=0, c=0)
    log = Log(**dict.fromkeys("abc", LARGE))
    for _ in range(3):
        ask = fetches.ask()
        fetches.planner.take(ask, log.answer(ask.request), 0.0)

    assert list(Application(fetches.source).loop()) == [(A, 0), (B, 0), (C, 0)]


def test_whoever_got_data_least_recently_comes_first() -> None:
    fetches = Fetches(a=0, b=0, c=0)
    firsts: list[TopicPartition] = []
    for turn in range(4):
        ask = fetches.ask()
        first = next(iter(wanted(ask)))
        firsts.append(first)
        fetches.take(ask, **{"abc"[first.partition]: data(batch(turn, 1))})

    assert firsts == [A, B, C, A]


def test_a_plan_that_is_not_sent_takes_nobodys_turn() -> None:
    """The driver plans twice when a buffer is full; neither does another broker's request count."""
    fetches = Fetches(a=0, b=0, c=0)
    fetches.snapshot = snapshot({A: 1, B: 1, C: 2})
    for turn in range(3):
        fetches.plan()
        ask = fetches.ask()
        other = fetches.ask(node=2)
        assert next(iter(wanted(ask))) == (A, B, A)[turn]
        fetches.take(ask, **{"aba"[turn]: data(batch(turn, 1))})
        fetches.take(other, c=data(batch(turn, 1)))


def test_a_batch_that_was_cut_off_is_asked_for_again() -> None:
    fetches = Fetches(a=0)
    whole = batch(0, 2) + batch(2, 2)
    fetches.take(fetches.ask(), a=data(whole[:-1]))
    assert wanted(fetches.ask()) == {A: 2}
    fetches.take(fetches.ask(), a=data(batch(2, 2)[:-1]))
    fetches.take(fetches.ask(), a=data(batch(2, 2)[:5]))
    assert wanted(fetches.ask()) == {A: 2}
    assert fetches.positions[A].error is None
    fetches.take(fetches.ask(), a=data(batch(2, 2)))
    assert [offset for _, offset in Application(fetches.source).loop()] == [0, 1, 2, 3]


# ── what answers do ──


def test_an_answer_fills_the_buffers() -> None:
    fetches = Fetches(a=1, b=5)
    needs = fetches.take(fetches.ask(), a=data(batch(0, 3), batch(3, 2), high_watermark=40), b=data(high_watermark=5))

    assert needs == set()
    assert (fetches.positions[A].fetch_at, fetches.positions[B].fetch_at) == (5, 5)
    assert (fetches.positions[A].high_watermark, fetches.positions[A].log_start) == (40, 2)
    assert fetches.positions[A].lag == 39
    assert [offset for _, offset in Application(fetches.source).loop()] == [1, 2, 3, 4]


def test_batches_before_the_position_are_not_kept() -> None:
    """A log that was compacted may be answered from a batch further to the front."""
    fetches = Fetches(a=5)
    fetches.take(fetches.ask(), a=data(batch(0, 3), batch(3, 4)))

    assert len(fetches.positions[A].buffer) == 1
    assert [offset for _, offset in Application(fetches.source).loop()] == [5, 6]


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda source: source.seek(A, 7),
        lambda source: source.seek(A, 0),
        lambda source: source.seek_by_time(A, LATEST),
        lambda source: source.hold({A}),
        lambda source: source.forget({A}),
        lambda source: source.poison(source.positions[A], CorruptRecordError("bad")),
    ],
    ids=["seek", "seek to the same offset", "seek by time", "hold", "forget", "poison"],
)
@pytest.mark.parametrize("code", [codes.NONE, codes.OFFSET_OUT_OF_RANGE, codes.TOPIC_AUTHORIZATION_FAILED])
def test_an_answer_from_before_is_dropped(meanwhile: Callable[[Consumption], None], code: int) -> None:
    """Neither its records nor its error are of any account."""
    fetches = Fetches(a=0, b=0)
    ask = fetches.ask()
    meanwhile(fetches.source)
    before = fetches.positions.get(A)
    stood = (before.fetch_at, before.error) if before is not None else None

    assert fetches.take(ask, a=data(batch(0, 3), code=code), b=data(batch(0, 1))) == set()
    after = fetches.positions.get(A)
    assert after is before
    if after is not None:
        assert (after.fetch_at, after.error) == stood
        assert not after.buffer
        # But what it says of the log itself is true, and within a session it is not said twice.
        assert after.high_watermark == (None if code else 100)
    assert fetches.positions[B].buffered


def test_an_answer_of_a_leader_of_before_is_dropped_when_the_new_one_was_faster() -> None:
    fetches = Fetches(a=0)
    old, new = fetches.ask(), fetches.ask()
    fetches.take(new, a=data(batch(0, 3)))
    fetches.take(old, a=data(batch(0, 3)))

    assert [offset for _, offset in Application(fetches.source).loop()] == [0, 1, 2]


def test_an_answer_for_a_paused_partition_is_kept() -> None:
    fetches = Fetches(a=0)
    ask = fetches.ask()
    fetches.source.pause(A)
    fetches.take(ask, a=data(batch(0, 3)))

    assert fetches.positions[A].fetch_at == 3


def test_answers_for_what_was_not_asked_are_dropped() -> None:
    fetches = Fetches(a=0)
    ask = fetches.ask()
    fetches.positions.add([B])
    fetches.positions[B].move(0)
    stranger = FetchResponse(responses=[FetchableTopicResponse(topic_id=b"?" * 16, partitions=[data(batch(0, 1))])])

    assert fetches.take(ask, b=data(batch(0, 3))) == set()
    assert fetches.planner.take(ask, stranger, 0.0) == Outcome()
    assert fetches.positions.buffered == 0


@pytest.mark.parametrize(
    "code",
    [
        codes.NOT_LEADER_OR_FOLLOWER,
        codes.FENCED_LEADER_EPOCH,
        codes.UNKNOWN_LEADER_EPOCH,
        codes.UNKNOWN_TOPIC_OR_PARTITION,
        codes.UNKNOWN_TOPIC_ID,
        codes.INCONSISTENT_TOPIC_ID,
        codes.REPLICA_NOT_AVAILABLE,
        codes.KAFKA_STORAGE_ERROR,
        codes.OFFSET_NOT_AVAILABLE,
    ],
)
def test_a_leader_that_moved_is_looked_for(code: int) -> None:
    """What was fetched before is kept; the partition is asked for again after a backoff, the others at once."""
    fetches = Fetches(a=0, b=0)
    push(fetches.positions[A], batch(0, 1))

    assert fetches.take(fetches.ask(), now=4.0, a=data(code=code), b=data()) == {Need.METADATA}
    assert wanted(fetches.ask(now=4.2)) == {B: 0}
    assert set(wanted(fetches.ask(now=4.25))) == {A, B}
    assert Application(fetches.source).one() == (A, 0)


def test_an_error_of_the_brokers_own_is_tried_again() -> None:
    """Neither is it met by the application, nor does metadata help."""
    fetches = Fetches(a=0)

    assert fetches.take(fetches.ask(), a=data(code=codes.UNKNOWN_SERVER_ERROR)) == set()
    assert fetches.positions[A].error is None
    assert fetches.plan(0.2) is None
    assert wanted(fetches.ask(now=0.25)) == {A: 0}


def test_so_is_one_that_a_whole_answer_carries() -> None:
    """Kafka answers so whatever went wrong in the broker's own code."""
    fetches = Fetches(a=0)

    outcome = fetches.planner.take(fetches.ask(), FetchResponse(error_code=codes.UNKNOWN_SERVER_ERROR), 0.0)
    assert outcome.needs == {Need.METADATA}
    assert fetches.plan(0.2) is None
    assert wanted(fetches.ask(now=0.25)) == {A: 0}


def test_one_answer_is_one_step_of_the_backoff() -> None:
    """However many partitions it has."""
    steps = iter([1.0, 2.0])
    fetches = Fetches(a=0, b=0, c=0, backoff=lambda: next(steps))
    moved = codes.NOT_LEADER_OR_FOLLOWER
    fetches.take(fetches.ask(), a=data(code=moved), b=data(code=moved), c=data(code=codes.UNKNOWN_SERVER_ERROR))
    assert [state.retry_at for state in fetches.positions] == [1.0, 1.0, 1.0]

    fetches.planner.no_answer(fetches.ask(now=1.0), 1.0)
    assert [state.retry_at for state in fetches.positions] == [3.0, 3.0, 3.0]


def test_an_answer_without_errors_takes_no_step_of_the_backoff() -> None:
    fetches = Fetches(a=0, backoff=lambda: pytest.fail("asked for a delay"))
    fetches.take(fetches.ask(), a=data(batch(0, 1)))


def test_a_refused_topic_is_met_after_what_was_fetched_before() -> None:
    fetches = Fetches(a=0, b=0)
    push(fetches.positions[A], batch(0, 1))

    assert fetches.take(fetches.ask(), a=data(code=codes.TOPIC_AUTHORIZATION_FAILED)) == set()
    app = Application(fetches.source)
    assert app.one() == (A, 0)
    with pytest.raises(TopicAuthorizationFailedError, match=r"Fetch answered .*topic='orders', partition=0"):
        app.one()
    assert wanted(fetches.ask(now=99)) == {A: 1, B: 0}  # the right to read may have been granted since


def test_a_batch_that_the_broker_cannot_read_is_met_at_its_offset() -> None:
    """As in the Java client; asking again would ask for ever."""
    fetches = Fetches(a=7)
    fetches.take(fetches.ask(), a=data(code=codes.CORRUPT_MESSAGE))
    with pytest.raises(CorruptRecordError, match="orders-0 offset 7") as caught:
        Application(fetches.source).one()

    assert caught.value.next_offset == 8


def test_a_forged_length_is_met_after_what_was_fetched_before() -> None:
    fetches = Fetches(a=0)
    forged = bytearray(batch(2, 1))
    forged[8:12] = (-1).to_bytes(4, "big", signed=True)
    fetches.take(fetches.ask(), a=data(batch(0, 2), bytes(forged)))
    assert wanted(fetches.ask()) == {A: 2}
    fetches.take(fetches.ask(), a=data(bytes(forged)))
    assert fetches.plan() is None
    app = Application(fetches.source)

    assert [app.one(), app.one()] == [(A, 0), (A, 1)]
    with pytest.raises(CorruptRecordError, match="cannot be"):
        app.one()


# ── out of range ──


@pytest.mark.parametrize(("policy", "timestamp"), [("earliest", EARLIEST), ("latest", LATEST)])
def test_out_of_range_starts_over_where_the_policy_says(policy: str, timestamp: int) -> None:
    fetches = Fetches(options={"auto_offset_reset": policy}, a=50)

    assert fetches.take(fetches.ask(), a=data(code=codes.OFFSET_OUT_OF_RANGE)) == {Need.OFFSETS}
    state = fetches.positions[A]
    assert (state.fetch_at, state.reset) == (None, timestamp)
    assert fetches.positions.unresolved() == [state]


def test_out_of_range_is_an_error_without_a_policy() -> None:
    """It stands behind what was fetched before, until a seek."""
    fetches = Fetches(options={"auto_offset_reset": "none"}, a=50)
    push(fetches.positions[A], batch(50, 1))
    assert fetches.take(fetches.ask(), a=data(code=codes.OFFSET_OUT_OF_RANGE)) == set()
    app = Application(fetches.source)
    assert app.one() == (A, 50)
    with pytest.raises(OffsetOutOfRangeError, match="offset 51") as caught:
        app.one()
    assert caught.value.offset == 51
    assert fetches.positions.unresolved() == []

    fetches.source.seek(A, 60)
    assert wanted(fetches.ask()) == {A: 60}


@pytest.mark.parametrize("where", ["buffer", "cursor", "held", "list"])
def test_out_of_range_waits_for_what_was_fetched_before(where: str) -> None:
    """All of that is handed out and consumed first; then the next fetch meets it again."""
    fetches = Fetches(options={"auto_offset_reset": "earliest"}, a=0)
    push(fetches.positions[A], batch(0, 2))
    app = Application(fetches.source)
    if where in ("cursor", "held"):
        app.one()
    if where == "held":
        fetches.source.pause(A)
        fetches.positions[A].paused = False
    if where == "list":
        app.many(2)
    assert fetches.take(fetches.ask(), a=data(code=codes.OFFSET_OUT_OF_RANGE)) == set()
    assert fetches.positions[A].fetch_at == 2
    assert fetches.plan(0.2) is None
    while app.one():
        pass

    assert fetches.source.consumed_offsets() == {A: 2}
    assert fetches.take(fetches.ask(now=0.25), a=data(code=codes.OFFSET_OUT_OF_RANGE)) == {Need.OFFSETS}


# ── the answer as a whole ──


def test_a_failed_request_is_tried_again_after_a_backoff() -> None:
    fetches = Fetches(a=0, b=0)
    ask = fetches.ask()
    fetches.positions.remove([B])
    fetches.planner.no_answer(ask, 5.0)

    assert fetches.plan(5.2) is None
    assert wanted(fetches.ask(now=5.25)) == {A: 0}


def test_a_retriable_error_of_the_whole_answer_asks_for_metadata() -> None:
    fetches = Fetches(a=0)
    whole = FetchResponse(error_code=codes.UNKNOWN_TOPIC_ID)

    assert fetches.planner.take(fetches.ask(), whole, 5.0).needs == {Need.METADATA}
    assert fetches.plan(5.2) is None


def test_an_error_of_the_whole_answer_that_stays_is_raised() -> None:
    fetches = Fetches(a=0)
    with pytest.raises(BrokerError, match="Fetch answered INVALID_REQUEST"):
        fetches.planner.take(fetches.ask(), FetchResponse(error_code=codes.INVALID_REQUEST), 0.0)
