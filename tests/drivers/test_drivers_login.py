"""A consumer whose login is refused: at the start, and when a running one has to connect again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from kafkastatic import Consumer, RebalanceListener
from kafkastatic._net.pool import Role
from kafkastatic.errors import AuthenticationError, SaslAuthenticationFailedError
from tests.drivers.world import AT_ONCE, TP, consumer_of, first_of_loop, in_the_group, nothing_left
from tests.support.sasl import LOGIN, MECHANISMS, SaslListener, everything_said
from tests.support.scripted_broker import ScriptedBroker

GUESS = "a-guess-that-nobody-must-see"


class Lost(RebalanceListener):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.calls.append("assigned")

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.calls.append("revoked")

    def on_partitions_lost(self, lost: Any) -> None:
        self.calls.append("lost")


@pytest.mark.asyncio
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_consumer_reads_and_commits_behind_a_login(mechanism: str) -> None:
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        broker.append("orders", 0, b"first")
        async with consumer_of(broker, **{**LOGIN, "sasl_mechanism": mechanism}) as consumer:
            assert await first_of_loop(consumer) == b"first"
            await consumer.commit()
        assert broker.committed == {("orders", 0): 1}
        assert len(listener.logins) == 3  # one for each role that was needed: quick, join, fetch
        await nothing_left(broker)


@pytest.mark.asyncio
@pytest.mark.parametrize("group", ["billing", None])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_wrong_credentials_end_the_start_at_once(
    mechanism: str, group: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Not after default_api_timeout_ms; the password is in no event and nowhere in the error."""
    caplog.set_level(logging.DEBUG)
    async with ScriptedBroker() as broker:
        SaslListener(broker)
        options = {**LOGIN, "sasl_mechanism": mechanism, "sasl_plain_password": GUESS}
        consumer = consumer_of(broker, group_id=group, group_instance_id=group and "billing-0", **options)
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(SaslAuthenticationFailedError) as caught:
                await consumer.start()
        with pytest.raises(SaslAuthenticationFailedError):
            await consumer.getone()
        await consumer.aclose()
        assert GUESS not in everything_said(caught.value)
        assert GUESS not in caplog.text
        assert GUESS not in repr(consumer) + repr(vars(consumer)) + repr(attrs.asdict(consumer._config))
        await nothing_left(broker)


# ── a running consumer ──


def lose(broker: ScriptedBroker, consumer: Consumer[Any, Any], role: Role) -> None:
    """The broker closes the connection of one role."""
    (connection,) = [node.connections[role] for node in consumer._client.pool._nodes.values() if node.connections]
    transport = connection._transport
    assert transport is not None
    here = transport.get_extra_info("sockname")
    for peer in list(broker.peers.values()):
        if peer.transport.get_extra_info("peername") == here:
            peer.transport.abort()


def _heartbeat(broker: ScriptedBroker, consumer: Consumer[Any, Any]) -> None:
    lose(broker, consumer, Role.QUICK)


def _fetch(broker: ScriptedBroker, consumer: Consumer[Any, Any]) -> None:
    lose(broker, consumer, Role.FETCH)


def _metadata(broker: ScriptedBroker, consumer: Consumer[Any, Any]) -> None:
    lose(broker, consumer, Role.QUICK)
    consumer._client.metadata.refresh_soon()


def _everything(broker: ScriptedBroker, consumer: Consumer[Any, Any]) -> None:
    broker.disconnect()


MEETINGS = {"heartbeat": _heartbeat, "fetch": _fetch, "metadata": _metadata, "everything": _everything}
QUICK_BEAT = {"heartbeat_interval_ms": 20}
SLOW_BEAT = {"heartbeat_interval_ms": 40_000}


@pytest.mark.asyncio
@pytest.mark.parametrize("who", [*MEETINGS])
async def test_a_running_member_that_is_refused_ends_from_its_loop(who: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever meets it first: heartbeats, fetches or metadata. Its listener is told that the partitions are lost."""
    caplog.set_level(logging.DEBUG)
    async with ScriptedBroker() as broker:
        listener, lost = SaslListener(broker), Lost()
        beat = QUICK_BEAT if who == "heartbeat" else SLOW_BEAT
        consumer = consumer_of(broker, session_timeout_ms=45_000, **LOGIN, **beat)
        consumer.subscribe(["orders"], listener=lost)
        await in_the_group(consumer, broker)
        await broker.received("Fetch")
        pending = asyncio.create_task(first_of_loop(consumer))
        listener.passwords["alice"] = "changed"
        MEETINGS[who](broker, consumer)
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(SaslAuthenticationFailedError) as caught:
                await pending
        with pytest.raises(SaslAuthenticationFailedError):
            await consumer.getone()
        await consumer.aclose()
        assert lost.calls == ["assigned", "lost"]
        assert broker.apis().count("JoinGroup") == 1
        assert "SASL_AUTHENTICATION_FAILED" in caplog.text  # events there are
        assert LOGIN["sasl_plain_password"] not in everything_said(caught.value) + caplog.text
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_run_that_is_refused_ends_with_it() -> None:
    """The handler API too."""
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        async with consumer_of(broker, **LOGIN, **QUICK_BEAT) as consumer:
            running = asyncio.create_task(consumer.run(lambda record: None))
            await consumer.assigned()
            await broker.received("Heartbeat")
            listener.passwords.clear()
            broker.disconnect()
            async with asyncio.timeout(AT_ONCE):
                with pytest.raises(SaslAuthenticationFailedError):
                    await running
        await nothing_left(broker)


def _subscribed(broker: ScriptedBroker) -> Consumer[Any, Any]:
    return consumer_of(broker, group_id=None, group_instance_id=None, **LOGIN)


def _assigned(broker: ScriptedBroker) -> Consumer[Any, Any]:
    consumer = Consumer(bootstrap_servers=broker.address, group_id="billing", fetch_max_wait_ms=20, **LOGIN)
    consumer.assign([TP])
    return consumer


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [_subscribed, _assigned])
async def test_a_running_consumer_without_membership_ends_too(
    make: Callable[[ScriptedBroker], Consumer[Any, Any]],
) -> None:
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        consumer = make(broker)
        await consumer.start()
        await broker.received("Fetch")
        pending = asyncio.create_task(first_of_loop(consumer))
        listener.passwords.clear()
        broker.disconnect()
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(AuthenticationError):
                await pending
        async with asyncio.timeout(AT_ONCE):
            while consumer._client.fatal is None:
                await asyncio.sleep(0)
        with pytest.raises(AuthenticationError):
            await consumer.end_offsets([TP])
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_consumer_that_is_idle_elsewhere_raises_it_at_the_end_of_its_block() -> None:
    """Nobody asks for a record: the clean end of `async with` tells."""
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        async with asyncio.timeout(AT_ONCE):
            with pytest.raises(AuthenticationError):
                async with consumer_of(broker, **LOGIN, **QUICK_BEAT) as consumer:
                    await consumer.assigned()
                    listener.passwords.clear()
                    broker.disconnect()
                    while consumer._client.fatal is None:
                        await asyncio.sleep(0)
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_connection_lost_while_the_credentials_are_good_is_opened_again() -> None:
    """A login again, by every role, and the member goes on as it was."""
    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        async with consumer_of(broker, **LOGIN, **QUICK_BEAT) as consumer:
            await in_the_group_running(consumer, broker)
            before = len(listener.logins)
            broker.disconnect()
            broker.append("orders", 0, b"after")
            assert await first_of_loop(consumer) == b"after"
            await broker.until(lambda: len(listener.logins) >= before + 2)
            assert broker.apis().count("JoinGroup") == 1
        await nothing_left(broker)


async def in_the_group_running(consumer: Consumer[Any, Any], broker: ScriptedBroker) -> None:
    await consumer.assigned()
    await broker.received("Heartbeat")
    await broker.received("Fetch")
