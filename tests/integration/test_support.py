"""The tools of the integration tests hold what they promise: the fixture, the raw peer, the recording proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from aiokafka import AIOKafkaProducer

from tests.support.raw_peer import API_KEYS, RawMember, RawPeer
from tests.support.recording_proxy import RecordingProxy
from tests.support.scenes import eventually


async def rebalances(member: RawMember) -> None:
    """The group waits for the member to join again, as its heartbeats tell."""

    async def told() -> bool:
        return await member.heartbeat() == 27

    await eventually(told)


@pytest.mark.asyncio
async def test_a_static_member_replaced_by_its_twin_is_fenced(kafka, topic, group_id) -> None:
    """The second join under an instance id keeps the generation, and the first member's heartbeat answers 82."""
    name, group = await topic(partitions=4), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        first, other = (RawMember(peer, group, [name], instance_id=i) for i in ("a", "b"))
        await first.settle()
        joining = asyncio.create_task(other.settle())
        await rebalances(first)
        await first.settle()
        await joining
        assert first.is_leader
        assert first.assignment == {(name, 0), (name, 2)}
        assert other.assignment == {(name, 1), (name, 3)}

        twin = RawMember(peer, group, [name], instance_id="a")
        assert await twin.settle() == first.assignment
        assert twin.generation == first.generation
        assert await first.heartbeat() == 82
        assert await first.commit({(name, 0): 5}) == {(name, 0): 82}
        assert await twin.commit({(name, 0): 7}) == {(name, 0): 0}
        assert await peer.committed(group, [(name, 0), (name, 1)]) == {(name, 0): 7, (name, 1): -1}
        assert await peer.member_ids(group) == {"a": twin.member_id, "b": other.member_id}
        assert await first.leave() == 82
        assert (await peer.leave(group, instance_id="a")).members[0].error_code == 0
        assert await twin.heartbeat() == 25


@pytest.mark.asyncio
async def test_a_parked_join_does_not_hold_back_other_requests(kafka, topic, group_id) -> None:
    """Each request in flight has a connection of its own."""
    name, group = await topic(), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        member = RawMember(peer, group, [name])
        await member.settle()
        parked = asyncio.create_task(RawMember(peer, group, [name]).join())
        await rebalances(member)
        assert not parked.done()
        async with member.beating(follow=True) as codes:
            assert (await asyncio.wait_for(parked, 20)).error_code == 0
        assert codes[0] == 27


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.asyncio
async def test_the_raw_peer_produces(kafka, topic, compression) -> None:
    """Offsets go on from batch to batch."""
    name = await topic()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        assert await peer.produce(name, 0, [b"1", (b"k", b"2", [("h", b"v")])], compression=compression) == 0
        assert await peer.produce(name, 0, [None], compression=compression) == 2
        await peer.create_partitions(name, 3)
        assert sorted(await peer.partitions(name)) == [0, 1, 2]
        await peer.delete_topic(name)


@pytest.mark.asyncio
async def test_the_proxy_records_what_a_foreign_client_sends(kafka, topic) -> None:
    """A foreign client that bootstraps through the proxy stays behind it, and its requests can be read."""
    name = await topic()
    async with RecordingProxy.before(kafka) as proxy:
        producer = AIOKafkaProducer(bootstrap_servers=proxy.bootstrap, client_id="foreign")
        await producer.start()
        await producer.send_and_wait(name, b"v")
        await producer.stop()
        produced = await proxy.wait_for("Produce", answered=True)
        assert produced.client_id == "foreign"
        assert produced.message.topic_data[0].name == name
        assert produced.answer.responses[0].partition_responses[0].error_code == 0
        assert produced.at <= produced.answered_at
    assert proxy.connections == 0


@pytest.mark.asyncio
async def test_the_proxy_holds_drops_cuts_and_rewrites(kafka, group_id) -> None:
    """Each disturbance is used up once; the connection of a dropped response stays."""
    group = group_id()
    async with RecordingProxy.before(kafka) as proxy, RawPeer.connect(proxy.bootstrap) as peer:
        hold = proxy.hold("DescribeGroups")
        describing = asyncio.create_task(peer.describe(group))
        await asyncio.wait_for(hold.reached.wait(), 20)
        assert not describing.done()
        hold.release()
        assert (await describing).group_state in ("Dead", "")
        assert proxy.names() == ["DescribeGroups"]

        proxy.cut("Heartbeat")
        with pytest.raises(asyncio.IncompleteReadError):
            await peer.heartbeat(group, 1, "x")
        proxy.drop("Heartbeat")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.heartbeat(group, 1, "x"), 0.2)
        proxy.rewrite("Heartbeat", lambda response: setattr(response, "error_code", 27))
        assert (await peer.heartbeat(group, 1, "x")).error_code == 27
        proxy.delay("Heartbeat", 0.1)
        assert (await peer.heartbeat(group, 1, "x")).error_code == 25
        assert len(proxy.sent("Heartbeat")) == 4
        late = proxy.sent("Heartbeat")[-1]
        assert late.answered_at - late.at >= 0.1


@pytest.mark.parametrize("version", [0, 3, 4])
@pytest.mark.asyncio
async def test_the_proxy_makes_a_broker_seem_older(kafka, version) -> None:
    """The cap holds in every version of ApiVersions, whose response header is never flexible."""
    async with RecordingProxy.before(kafka) as proxy, RawPeer.connect(proxy.bootstrap) as peer:
        proxy.cap_versions({"JoinGroup": 4})
        fields = {"client_software_name": "raw", "client_software_version": "1"} if version >= 3 else {}
        response = await peer.request("ApiVersions", version, **fields)
        ranges = {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}
        assert ranges[API_KEYS["JoinGroup"]][1] == 4
        assert ranges[API_KEYS["SyncGroup"]] == (0, 5)


@pytest.mark.asyncio
async def test_a_proxy_that_refuses_can_accept_again(kafka, group_id) -> None:
    """Open connections can be cut and new ones refused."""
    async with RecordingProxy.before(kafka) as proxy, RawPeer.connect(proxy.bootstrap) as peer:
        await peer.find_coordinator(group_id())
        await proxy.refuse()
        proxy.cut_all()
        with pytest.raises((OSError, EOFError)):
            await peer.find_coordinator(group_id())
        with pytest.raises(ConnectionRefusedError):
            await peer.connection()
        await proxy.accept()
        assert (await peer.find_coordinator(group_id())).error_code == 0


@pytest.mark.real_only("a JVM that is paused, TLS")
def test_a_broker_of_the_tests_own(kafka_factory) -> None:
    """A broker can be frozen, killed and restarted; it keeps its address, and TLS has its certificate."""
    kafka = kafka_factory({"group.max.size": 1}, tls=True)
    address, first = kafka.bootstrap, kafka.pid
    kafka.pause()
    kafka.resume()
    kafka.kill()
    assert not kafka.running
    kafka.start()
    assert (kafka.bootstrap, kafka.running) == (address, True)
    assert kafka.pid != first
    assert "started" in kafka.log_tail()
    assert "BEGIN CERTIFICATE" in kafka.ca_file.read_text()
    host, port = kafka.bootstrap_tls.split(":")
    context = ssl.create_default_context(cafile=str(kafka.ca_file))
    with socket.create_connection(("127.0.0.1", int(port))) as plain, context.wrap_socket(plain, server_hostname=host):
        pass
