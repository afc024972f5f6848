"""The control handle, as a raw-protocol peer sees its doings."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from kafkastatic import Consumer
from kafkastatic.broker import Broker
from kafkastatic.errors import BrokerError, ConfigError
from kafkastatic.types import TopicPartition
from tests.broker import batches
from tests.support.raw_peer import RawConnection, RawMember, RawPeer


async def codes(peer: RawPeer, *topics: str) -> list[int]:
    answer = await peer.request("Metadata", 9, topics=[(name,) for name in topics], allow_auto_topic_creation=False)
    return [topic.error_code for topic in answer.topics]


async def refused(address: str) -> bool:
    """Whether nobody listens there."""
    host, port = address.rsplit(":", 1)
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


@pytest.mark.asyncio
async def test_an_injected_error_is_answered_as_often_as_it_was_told() -> None:
    """The request is not carried out; the one after it is."""
    async with Broker({"orders": 1}) as broker, RawPeer.connect(broker.bootstrap) as peer:
        fault = broker.inject("CreateTopics", error=41, times=1)

        with pytest.raises(Exception, match="41"):
            await peer.create_topic("other", 1)
        assert broker.topics() == {"orders": 1}
        await peer.create_topic("other", 1)

        assert broker.topics() == {"orders": 1, "other": 1}
        assert fault.hits == 1


@pytest.mark.asyncio
async def test_an_error_for_one_topic_leaves_the_others_served() -> None:
    """Both are in one answer."""
    async with Broker({"a": 1, "b": 1}) as broker, RawPeer.connect(broker.bootstrap) as peer:
        broker.inject("Metadata", topic="a", error=5, times=1)

        assert sorted(await codes(peer, "a", "b")) == [0, 5]
        assert await codes(peer, "a", "b") == [0, 0]


@pytest.mark.asyncio
async def test_a_held_request_is_parked_until_it_is_released() -> None:
    """Its connection waits with it; another one is served."""
    async with Broker({"orders": 1}) as broker, RawPeer.connect(broker.bootstrap) as peer:
        fault = broker.inject("Metadata", hold=True, client_id=peer.client_id)
        parked = asyncio.create_task(codes(peer, "orders"))
        await fault.reached()

        async with RawPeer.connect(broker.bootstrap, client_id="another") as other:
            assert await codes(other, "orders") == [0]
        assert (fault.parked, parked.done()) == (1, False)
        fault.release()

        assert await parked == [0]
        assert fault.parked == 0
        assert await codes(peer, "orders") == [0]


@pytest.mark.asyncio
@pytest.mark.parametrize("cut", ["before", "mid-frame"])
async def test_a_connection_can_be_cut_instead_of_an_answer(cut) -> None:
    """Before the request is carried out, or in the middle of the answer."""
    async with Broker() as broker, RawPeer.connect(broker.bootstrap) as peer:
        broker.inject("CreateTopics", cut=cut, times=1)

        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await peer.create_topic("orders", 1)

        assert bool(caught.value.partial) == (cut == "mid-frame")
        assert broker.topics() == ({"orders": 1} if cut == "mid-frame" else {})


@pytest.mark.asyncio
async def test_a_dropped_answer_never_comes_though_the_request_is_carried_out() -> None:
    """The connection stays open and is silent from then on; a new one is served."""
    async with Broker() as broker, RawPeer.connect(broker.bootstrap) as peer:
        fault = broker.inject("CreateTopics", drop=True, times=1)
        lost = asyncio.create_task(peer.create_topic("orders", 1))
        await fault.reached()

        async with RawPeer.connect(broker.bootstrap) as other:
            assert await codes(other, "orders") == [0]
        assert not lost.done()
        lost.cancel()


@pytest.mark.asyncio
async def test_an_answer_written_in_short_pieces_is_the_same() -> None:
    """Byte for byte."""
    async with Broker({"orders": 3}) as broker:
        connection = await RawConnection.open(broker.bootstrap, "peer")
        whole = await connection.request("Metadata", 9, topics=None)
        fault = broker.inject("Metadata", chunk=7)
        pieces = await connection.request("Metadata", 9, topics=None)
        await connection.aclose()

    assert fault.hits == 1
    assert pieces.topics == whole.topics
    assert pieces.brokers == whole.brokers


@pytest.mark.asyncio
async def test_a_capped_api_is_served_up_to_that_version_and_a_hidden_one_not_at_all() -> None:
    """ApiVersions says so, and what asks all the same is cut off, as by Kafka."""
    async with Broker() as broker, RawPeer.connect(broker.bootstrap) as peer:
        broker.cap("JoinGroup", 4)
        broker.cap("Heartbeat", -1)
        answer = await peer.request("ApiVersions", 0)
        served = {entry.api_key: entry.max_version for entry in answer.api_keys}
        assert (served[11], 12 in served) == (4, False)
        with pytest.raises(asyncio.IncompleteReadError):
            await peer.join("billing", version=5, topics=["orders"])

        broker.cap("JoinGroup", None)

        assert (await peer.join("billing", version=5, topics=["orders"])).error_code == 79


@pytest.mark.asyncio
async def test_a_stopped_node_refuses_connections_and_another_one_leads() -> None:
    """Its connections are cut. When it is back, on its old port, it leads nothing until it is told to."""
    async with Broker({"orders": 2}, brokers=2) as broker:
        first = broker.address(1)
        connection = await RawConnection.open(first, "peer")
        await connection.request("ApiVersions", 0)

        broker.stop(1)

        assert await refused(first)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await connection.request("ApiVersions", 0)
        await connection.aclose()
        assert [broker.leader("orders", partition) for partition in range(2)] == [2, 2]
        broker.start(1)
        assert not await refused(first)
        assert [broker.leader("orders", partition) for partition in range(2)] == [2, 2]
        broker.move_leader("orders", 0, to=1)
        async with RawPeer.connect(broker.address(2)) as peer:
            assert await peer.partitions("orders") == {0: 1, 1: 2}


@pytest.mark.asyncio
async def test_the_only_node_leads_nothing_while_it_is_stopped_and_everything_after() -> None:
    """Its records are there again."""
    async with Broker({"orders": 1}) as broker:
        broker.append("orders", 0, b"kept")
        broker.stop()
        assert (broker.leader("orders"), broker.coordinator("billing")) == (-1, -1)

        broker.start()

        assert (broker.leader("orders"), broker.coordinator("billing")) == (1, 1)
        assert [record.value for record in broker.records("orders")] == [b"kept"]


@pytest.mark.asyncio
async def test_whoever_comes_by_another_listener_is_sent_to_the_addresses_advertised_there() -> None:
    """By Metadata, DescribeCluster, FindCoordinator and the answers that name a leader; others as before."""
    async with Broker({"orders": 1}, brokers=2) as broker:
        advertised = {1: "127.0.0.1:19091", 2: "proxy:19092"}
        behind = broker.listen_behind(advertised)
        direct = {node: broker.address(node) for node in (1, 2)}
        other = 3 - broker.leader("orders")
        for ports, expected in ((behind, advertised), (direct, direct)):
            async with RawPeer.connect(ports[other]) as peer:
                metadata = await peer.request("Metadata", 9, topics=[], allow_auto_topic_creation=False)
                cluster = await peer.request("DescribeCluster", 1, endpoint_type=1)
                old = await peer.request("FindCoordinator", 3, key="billing", key_type=0)
                new = await peer.request("FindCoordinator", 4, coordinator_keys=["billing"], key_type=0)

                assert {b.node_id: f"{b.host}:{b.port}" for b in metadata.brokers} == expected
                assert {b.broker_id: f"{b.host}:{b.port}" for b in cluster.brokers} == expected
                for found in (old, new.coordinators[0]):
                    assert f"{found.host}:{found.port}" == expected[broker.coordinator("billing")]


@pytest.mark.asyncio
async def test_a_stopped_node_is_reached_by_none_of_its_listeners_and_by_each_when_it_is_started() -> None:
    """On the same ports."""
    async with Broker() as broker:
        ports = [broker.address(1), broker.listen_behind({1: "127.0.0.1:19091"})[1]]
        assert [await refused(port) for port in ports] == [False, False]
        broker.stop()
        assert [await refused(port) for port in ports] == [True, True]
        broker.start()
        assert [await refused(port) for port in ports] == [False, False]


@pytest.mark.asyncio
async def test_deleted_records_are_out_of_range() -> None:
    """The log starts where it was told to; no further than at its end."""
    async with Broker({"orders": 1}) as broker:
        broker.append("orders", 0, b"a", b"b", b"c")
        broker.delete_records("orders", 0, 2)

        assert [record.value for record in broker.records("orders")] == [b"c"]
        assert broker.end_offset("orders") == 3
        with pytest.raises(BrokerError, match="OFFSET_OUT_OF_RANGE"):
            broker.delete_records("orders", 0, 4)


@pytest.mark.asyncio
async def test_a_group_is_told_to_look_for_its_coordinator_when_that_moves() -> None:
    """The old one refuses it, the new one knows the member."""
    async with Broker({"orders": 1}, brokers=2) as broker:
        old = broker.coordinator("billing")
        new = 3 - old
        async with RawPeer.connect(broker.address(old)) as here, RawPeer.connect(broker.address(new)) as there:
            member = RawMember(here, "billing", ["orders"], instance_id="a")
            await member.settle()
            broker.move_coordinator("billing", to=new)
            found = await here.find_coordinator("billing")

            assert (broker.coordinator("billing"), found.node_id) == (new, new)
            assert await member.heartbeat() == 16
            known = await there.heartbeat("billing", member.generation, member.member_id, instance_id="a")
            assert known.error_code == 0


@pytest.mark.asyncio
async def test_groups_and_commits_can_be_looked_at() -> None:
    """Who is a member, which partitions it has, what is committed."""
    async with Broker({"orders": 2}) as broker, RawPeer.connect(broker.bootstrap, client_id="worker") as peer:
        member = RawMember(peer, "billing", ["orders"], instance_id="a")
        await member.settle()
        await member.commit({("orders", 1): 7})

        group = broker.group("billing")

        assert broker.groups() == ["billing"]
        assert group is not None
        assert (group.state, group.generation, group.protocol, group.leader) == ("Stable", 1, "range", member.member_id)
        ((seen),) = group.members
        assert (seen.member_id, seen.instance_id, seen.client_id, seen.host) == (
            member.member_id,
            "a",
            "worker",
            "/127.0.0.1",
        )
        assert seen.assignment == {TopicPartition("orders", 0), TopicPartition("orders", 1)}
        assert {place: found.offset for place, found in broker.committed("billing").items()} == {("orders", 1): 7}
        assert broker.group("other") is None


@pytest.mark.asyncio
async def test_what_kafka_would_refuse_the_handle_refuses_too() -> None:
    """With the error of the same name."""
    async with Broker({"orders": 1}) as broker:
        with pytest.raises(BrokerError, match="TOPIC_ALREADY_EXISTS"):
            broker.create_topic("orders")
        with pytest.raises(BrokerError, match="INVALID_TOPIC_EXCEPTION"):
            broker.create_topic("a b")
        with pytest.raises(BrokerError, match="INVALID_REPLICATION_FACTOR"):
            broker.create_topic("more", replication_factor=2)
        with pytest.raises(BrokerError, match="INVALID_CONFIG"):
            broker.create_topic("more", no_such_thing="1")
        with pytest.raises(BrokerError, match="INVALID_PARTITIONS"):
            broker.add_partitions("orders", 1)
        with pytest.raises(ConfigError, match="no API 'Heartbeats'"):
            broker.inject("Heartbeats", error=27)
        with pytest.raises(ValueError, match="no node 2, only 1"):
            broker.stop(2)
        with pytest.raises(ValueError, match="no partition orders-1"):
            broker.append("orders", 1, b"")
        with pytest.raises(ValueError, match="no codec 'lzma'"):
            broker.append("orders", 0, b"", codec="lzma")


def test_a_setting_that_does_not_exist_is_named_with_the_nearest_one() -> None:
    """Before anything is started."""
    with pytest.raises(ConfigError, match=r"group_max_sise.*Did you mean group_max_size"):
        Broker(group_max_sise=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group_consumer_assignors", ""),
        ("group_consumer_assignors", "uniform,magic"),
        ("group_coordinator_rebalance_protocols", "classic;consumer"),
        ("group_consumer_migration_policy", "both"),
    ],
)
def test_a_setting_that_is_not_made_of_the_words_for_it_is_refused(name: str, value: str) -> None:
    """And they are named; before, the first member of a consumer group would have met it."""
    with pytest.raises(ConfigError, match=rf"{name} is '{value}'.*It is made of"):
        Broker(**{name: value})


def test_in_a_thread_of_its_own_the_broker_serves_plain_code() -> None:
    """No event loop on the caller's side; all is gone afterwards."""
    before = threading.enumerate()

    with Broker({"orders": 1}) as broker:
        broker.append("orders", 0, b"a", b"b", codec="zstd")
        values = [record.value for record in broker.records("orders")]
        offered = asyncio.run(_versions(broker.bootstrap))

    assert values == [b"a", b"b"]
    assert 11 in offered
    assert threading.enumerate() == before
    with pytest.raises(RuntimeError, match="not running"):
        broker.topics()


async def _versions(bootstrap: str) -> set[int]:
    async with RawPeer.connect(bootstrap) as peer:
        return {entry.api_key for entry in (await peer.request("ApiVersions", 0)).api_keys}


@pytest.mark.asyncio
async def test_a_broker_in_a_loop_can_be_ruled_from_a_thread() -> None:
    """Calls are carried out in the broker's loop; a fault is waited for from another loop."""
    async with Broker({"orders": 1}) as broker:
        await asyncio.to_thread(broker.append, "orders", 0, b"a")
        fault = broker.inject("ApiVersions")

        async def elsewhere() -> None:
            async with RawPeer.connect(broker.bootstrap) as peer:
                await asyncio.gather(fault.reached(1), peer.request("ApiVersions", 0))

        await asyncio.to_thread(asyncio.run, elsewhere())

        assert broker.end_offset("orders") == 1
        assert fault.hits == 1


@pytest.mark.asyncio
async def test_a_taken_port_is_an_error_at_once() -> None:
    """Nothing is left open."""
    async with Broker() as broker:
        port = int(broker.bootstrap.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"):
            async with Broker(port=port):
                pass
        with pytest.raises(OSError, match="in use"), Broker(port=port):
            pass


@pytest.mark.asyncio
async def test_a_topic_in_trouble_is_told_beside_the_brokers() -> None:
    """Whether it is asked for alone, among others, or with all."""
    async with Broker({"a": 1, "b": 1}) as broker, RawPeer.connect(broker.bootstrap) as peer:
        fault = broker.inject("Metadata", topic="a", error=5)
        answers = [
            await peer.request("Metadata", 9, topics=topics, allow_auto_topic_creation=False)
            for topics in ([("a",)], [("a",), ("b",)], None)
        ]

        assert [len(answer.brokers) for answer in answers] == [1, 1, 1]
        told = [[(t.error_code, len(t.partitions)) for t in answer.topics] for answer in answers]
        assert told == [[(5, 0)], [(5, 0), (0, 1)], [(5, 0), (0, 1)]]
        assert fault.hits == 3


@pytest.mark.asyncio
async def test_one_committed_offset_can_be_refused() -> None:
    """88, say, while a transaction is open; the others are told (OffsetFetch of some, and of all)."""
    async with Broker({"orders": 2}) as broker, RawPeer.connect(broker.bootstrap) as peer:
        member = RawMember(peer, "billing", ["orders"], instance_id="a")
        await member.settle()
        await member.commit({("orders", 0): 7, ("orders", 1): 8})
        fault = broker.inject("OffsetFetch", topic="orders", partition=1, error=88)
        for version, topics in ((7, [("orders", [0, 1])]), (7, None), (8, None)):
            asked = {"group_id": "billing", "topics": topics} if version < 8 else {"groups": [("billing", topics)]}
            answer = await peer.request("OffsetFetch", version, require_stable=False, **asked)
            (topic,) = answer.topics if version < 8 else answer.groups[0].topics
            told = sorted((p.partition_index, p.committed_offset, p.error_code) for p in topic.partitions)
            assert told == [(0, 7, 0), (1, -1, 88)]
        assert fault.hits == 3


@pytest.mark.asyncio
async def test_an_idle_reader_meets_a_fault_for_its_partition() -> None:
    """The requests of a session name no partition: the session does."""
    async with Broker({"orders": 1, "other": 1}) as broker:
        broker.append("orders", 0, b"a")
        options = {"bootstrap_servers": broker.bootstrap, "auto_offset_reset": "earliest", "fetch_max_wait_ms": 50}
        async with Consumer("orders", **options) as consumer:
            await asyncio.wait_for(consumer.getone(), 10)
            elsewhere = broker.inject("Fetch", topic="other", error=6)
            fault = broker.inject("Fetch", topic="orders", delay_ms=1)
            await fault.reached(3)

        assert elsewhere.hits == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("where", [{}, {"topic": "orders", "partition": 0}], ids=["whole", "one of two"])
async def test_a_refused_produce_without_acks_ends_its_connection(where) -> None:
    """Nobody waits for an answer that could say so; the other partition's records are taken."""
    async with Broker({"orders": 2}) as broker:
        broker.inject("Produce", error=6, times=1, **where)
        connection = await RawConnection.open(broker.bootstrap, "peer")
        data = [("orders", [(index, batches.values(b"x")) for index in range(2)])]
        with pytest.raises(asyncio.IncompleteReadError):
            await connection.request("Produce", 7, transactional_id=None, acks=0, timeout_ms=1000, topic_data=data)
        await connection.aclose()

        assert [broker.end_offset("orders", index) for index in range(2)] == ([0, 1] if where else [0, 0])


@pytest.mark.asyncio
async def test_a_connection_that_is_being_accepted_is_cut_with_the_others() -> None:
    """In whichever turn of the loop the node is stopped, nobody is served by it afterwards."""
    for turns in range(6):
        async with Broker({"orders": 1}) as broker:
            host, port = broker.bootstrap.rsplit(":", 1)
            reader, writer = await asyncio.open_connection(host, int(port))
            for _ in range(turns):
                await asyncio.sleep(0)
            broker.stop(1)
            writer.write(bytes.fromhex("0000000a 0012 0000 00000001 ffff".replace(" ", "")))
            answer: bytes | None = None
            with contextlib.suppress(ConnectionError, TimeoutError):
                answer = await asyncio.wait_for(reader.read(), 0.2 if turns < 3 else 5)
            assert not answer
            assert broker.connections() == 0
            writer.transport.abort()


@pytest.mark.asyncio
async def test_a_cancelled_exit_leaves_a_broker_that_does_not_run() -> None:
    """What it would have waited for ends by itself."""
    broker = Broker({"orders": 1})

    async def use() -> None:
        async with broker, RawPeer.connect(broker.bootstrap) as peer:
            await codes(peer, "orders")
            asyncio.current_task().cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(use())

    with pytest.raises(RuntimeError, match="not running"):
        broker.topics()


def test_calls_from_threads_end_with_the_broker() -> None:
    """They are answered, or told that it does not run; none waits for a loop that has ended."""
    for _ in range(30):
        told: list[object] = []

        def ask(broker: Broker, told: list[object]) -> None:
            while True:
                try:
                    told.append(broker.topics())
                except RuntimeError as error:
                    told.append(str(error))
                    return

        with Broker({"orders": 1}) as broker:
            threads = [threading.Thread(target=ask, args=(broker, told)) for _ in range(3)]
            for thread in threads:
                thread.start()
        for thread in threads:
            thread.join(5)

        assert not any(thread.is_alive() for thread in threads)
        assert len([text for text in told if isinstance(text, str) and "not running" in text]) == 3


@pytest.mark.asyncio
async def test_a_broker_is_started_once() -> None:
    """Another one takes its place."""
    async with Broker({"orders": 1}) as broker:
        with pytest.raises(RuntimeError, match="started before"):
            await broker.__aenter__()
        assert broker.topics() == {"orders": 1}
    with pytest.raises(RuntimeError, match="started before"), broker:
        pass


@pytest.mark.asyncio
async def test_faults_and_moves_that_can_never_work_are_refused() -> None:
    """At once, instead of a test that passes for nothing."""
    async with Broker({"orders": 1}, brokers=2) as broker:
        with pytest.raises(ConfigError, match="not about a topic"):
            broker.inject("Heartbeat", topic="orders", error=27)
        with pytest.raises(ValueError, match="'NO_SUCH' is neither"):
            broker.inject("Heartbeat", error="NO_SUCH")
        assert broker.inject("Heartbeat", error="NOT_COORDINATOR").rule.error == 16
        for wrong in ({"times": 0}, {"chunk": -1}, {"cut": "after"}, {"node": 9}, {"delay_ms": -1}):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                broker.inject("Heartbeat", **wrong)
        with pytest.raises(BrokerError, match="Excessively large"):
            broker.create_topic("huge", 10_001)
        broker.create_topic("default", -1)
        assert broker.topics()["default"] == 1
        broker.stop(2)
        for move in (
            lambda: broker.move_leader("orders", to=2),
            lambda: broker.move_coordinator("billing", to=2),
            lambda: broker.listen_behind({2: "127.0.0.1:1"}),
        ):
            with pytest.raises(ValueError, match="stopped"):
                move()
    for wrong in ({"behaves_as": "4.0"}, {"brokers": "3"}, {"topics": ["orders"]}, {"group_max_size": "3"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Broker(**wrong)
    with pytest.raises(RuntimeError, match="not running"):
        print(Broker().bootstrap)


@pytest.mark.asyncio
async def test_an_ipv6_address_has_brackets() -> None:
    """As clients take it."""
    try:
        async with Broker({"orders": 1}, host="::1") as broker:
            assert broker.bootstrap.startswith("[::1]:")
            broker.append("orders", 0, b"a")
            async with Consumer("orders", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest") as consumer:
                assert (await asyncio.wait_for(consumer.getone(), 10)).value == b"a"
    except OSError:
        pytest.skip("this system has no IPv6 loopback")
