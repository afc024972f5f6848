"""The settings that a topic may be created with, as Kafka 4.4.0 took and refused them."""

from __future__ import annotations

import pytest

from kafkastatic.broker import Broker
from kafkastatic.broker.topic_rules import problem_with_config
from tests.support.raw_peer import RawError, RawPeer


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("max.message.bytes", ["0", " 7 ", "+5"], ["abc", "", "-1", "3000000000", "1_0", "9" * 10_000]),
        ("min.insync.replicas", ["1", "5"], ["0", "1.5"]),
        ("message.timestamp.before.max.ms", ["0", "9223372036854775807"], ["-7", "9223372036854775808"]),
        ("message.timestamp.type", ["CreateTime", "LogAppendTime"], ["logappendtime", "x", ""]),
        ("cleanup.policy", ["compact", "compact,delete", " delete , compact ", ""], ["foo", "compact;delete"]),
        ("retention.ms", ["-1", "0"], ["x"]),
        ("retention.bytes", ["-5"], ["much"]),
        ("segment.ms", ["1000"], []),
        ("retention.hours", [], ["1"]),
    ],
)
def test_a_setting_is_taken_or_refused(name: str, taken: list[str], refused: list[str]) -> None:
    """What is looked at later is a number, or a choice, by then."""
    assert [value for value in (*taken, *refused) if problem_with_config({name: value}) is None] == taken


@pytest.mark.asyncio
async def test_a_topic_with_an_impossible_setting_is_not_created() -> None:
    """INVALID_CONFIG (40)."""
    async with Broker() as broker, RawPeer.connect(broker.bootstrap) as peer:
        with pytest.raises(RawError) as refused:
            await peer.create_topic("orders", config={"max.message.bytes": "abc"})

        assert refused.value.code == 40
        assert broker.topics() == {}
