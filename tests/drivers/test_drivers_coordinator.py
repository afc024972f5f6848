"""The coordinator is lost to a request that is none of the membership's: the membership hears of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from kafkastatic import Consumer
from kafkastatic._group import requests
from kafkastatic._net.pool import Role
from kafkastatic.errors import KafkaTimeoutError
from tests.drivers.test_drivers_failover import NOTICED, OTHER, cluster
from tests.drivers.test_drivers_fetching import events
from tests.drivers.world import AT_ONCE, TP, Operation, consumer_of, in_the_group, nothing_left
from tests.support.scripted_broker import ScriptedBroker

NOT_COORDINATOR = 16


async def _commit(consumer: Consumer[Any, Any]) -> None:
    await consumer.commit({TP: 0})


async def _committed(consumer: Consumer[Any, Any]) -> None:
    await consumer.committed(TP)


OTHERS: dict[str, Operation] = {"OffsetCommit": _commit, "OffsetFetch": _committed}


@pytest.mark.scenario(27, where="peer")
@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["told", "cut off"])
@pytest.mark.parametrize("api", OTHERS)
async def test_a_coordinator_lost_to_another_request_has_to_confirm_the_membership(
    api: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """By a SyncGroup, after a heartbeat that it answers well and which proves nothing; it is looked up once."""
    caplog.set_level(logging.INFO, "kafkastatic")
    async with ScriptedBroker() as broker:
        consumer = consumer_of(broker, heartbeat_interval_ms=20_000, session_timeout_ms=60_000)
        await in_the_group(consumer, broker)
        who, before = consumer.membership, len(broker.calls)
        if how == "told":
            broker.fail_next(api, NOT_COORDINATOR)
        else:
            broker.drop_connection(api)
        async with asyncio.timeout(AT_ONCE):
            await OTHERS[api](consumer)
            await broker.received("SyncGroup", 2)
            await broker.until(lambda: events(caplog, "membership_confirmed"))
        told = {api, "FindCoordinator", "Heartbeat", "SyncGroup", "JoinGroup"}
        seen = [call.api for call in broker.calls[before:] if call.api in told]
        assert sorted(seen) == sorted([api, api, "FindCoordinator", "Heartbeat", "SyncGroup"])
        assert seen.index("Heartbeat") < seen.index("SyncGroup")
        assert broker.of("SyncGroup")[1].request.assignments == []
        (lost,) = events(caplog, "coordinator_lost")
        assert "api='another request'" in lost
        assert consumer.membership == who
        await consumer.aclose()
        await nothing_left(broker)


@pytest.mark.asyncio
async def test_a_late_failure_of_the_old_coordinator_does_not_cost_the_new_one() -> None:
    """Who was asked is lost, and nobody else: no second lookup, and nothing for the membership to confirm."""
    async with cluster() as (scene, first, second):
        lost: list[str] = []
        consumer = consumer_of(first, heartbeat_interval_ms=20_000, session_timeout_ms=60_000)
        await in_the_group(consumer, first)
        coordinator = consumer._client.coordinator
        assert coordinator is not None
        coordinator.forgotten = lambda: lost.append("lost")
        held = first.hold("Heartbeat")
        beat = requests.heartbeat(consumer.membership)
        late = asyncio.create_task(coordinator.request(beat, Role.QUICK, timeout=1.0))
        await first.received("Heartbeat", 2)
        scene.coordinator = OTHER
        coordinator.forget()
        async with asyncio.timeout(NOTICED):
            await consumer.committed(TP)
            assert not late.done()
            with pytest.raises(KafkaTimeoutError):
                await late
            looked_up = len(first.of("FindCoordinator")) + len(second.of("FindCoordinator"))
            await consumer.committed(TP)
        assert len(first.of("FindCoordinator")) + len(second.of("FindCoordinator")) == looked_up
        assert lost == ["lost"]
        held.release()
        await consumer.aclose()
