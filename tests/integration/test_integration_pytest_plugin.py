"""`pytest --kafka`: the tests of a user of the plugin, on a real Kafka."""

from __future__ import annotations

import os

import pytest

from kafkastatic.testing.remote import RealCluster
from tests.testing.test_testing_docs import write_examples
from tests.testing.test_testing_plugin import PROLOGUE, SETTINGS
from tools.real_kafka import DEFAULT_VERSION, available, cache_directory

pytest_plugins = "pytester"

TESTS = """
ABOUT = {"group_id": "billing", "group_instance_id": "billing-0", "auto_offset_reset": "earliest"}

async def read(kafka):
    async with Consumer("orders", bootstrap_servers=kafka.bootstrap, **ABOUT) as consumer:
        assert (await consumer.getone()).value == b"one"
        assert (await consumer.getone()).value == b"two"

@pytest.mark.asyncio
@pytest.mark.embedded_kafka(topics={"orders": 2})
async def test_reads(embedded_kafka):
    assert embedded_kafka.append("orders", 1, b"one", b"two", key=b"k", codec="zstd") == 0
    await read(embedded_kafka)
    assert embedded_kafka.committed("billing")["orders", 1] == (2, "", 0)
    (member,) = embedded_kafka.group("billing").members
    assert (member.instance_id, member.assignment) == ("billing-0", {("orders", 0), ("orders", 1)})

@pytest.mark.asyncio
@pytest.mark.embedded_kafka(topics={"orders": 1})
async def test_reads_again(embedded_kafka):
    assert embedded_kafka.groups() == []
    assert embedded_kafka.append("orders", 0, b"one") == 0
    assert embedded_kafka.append("orders", 0, b"two") == 1
    await read(embedded_kafka)
    assert embedded_kafka.committed("billing") == {("orders", 0): (2, "", 0)}

def test_rules_topics(embedded_kafka):
    kafka = embedded_kafka
    kafka.create_topic("orders", 2, max_message_bytes="2000")
    kafka.add_partitions("orders", 3)
    assert kafka.topics()["orders"] == 3
    assert kafka.append("orders", 2, b"a", None, headers=[("h", b"1")], timestamp=1_700_000_000_000) == 0
    assert [(r.offset, r.value, r.timestamp, list(r.headers)) for r in kafka.records("orders", 2)] == [
        (0, b"a", 1_700_000_000_000, [("h", b"1")]),
        (1, None, 1_700_000_000_000, [("h", b"1")]),
    ]
    assert (kafka.end_offset("orders", 2), kafka.end_offset("orders", 0)) == (2, 0)
    assert kafka.address(kafka.leader("orders", 2)) == kafka.address(kafka.coordinator("billing")) == kafka.bootstrap
    kafka.delete_topic("orders")
    assert "orders" not in kafka.topics()
    assert kafka.group("billing") is None

def test_injects(embedded_kafka):
    embedded_kafka.inject("Heartbeat", error=27)

@pytest.mark.asyncio
@pytest.mark.embedded_kafka(topics={"orders": 1})
async def test_asks_for_a_generation(embedded_kafka):
    async with Consumer("orders", bootstrap_servers=embedded_kafka.bootstrap, **ABOUT) as consumer:
        await consumer.assigned()
        assert embedded_kafka.group("billing").generation == 1

@pytest.mark.embedded_kafka(brokers=2)
def test_wants_two(embedded_kafka): pass

@pytest.mark.embedded_kafka(behaves_as="3.9")
def test_wants_an_older_one(embedded_kafka): pass

@pytest.mark.embedded_kafka(behaves_as="4.4")
def test_wants_this_one(embedded_kafka): pass

@pytest.mark.embedded_kafka(group_max_size=1)
def test_wants_small_groups(embedded_kafka): pass

@pytest.mark.embedded_kafka(topics={"orders": 1, "taken": 1})
def test_wants_what_is_there(embedded_kafka): pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with the settings of the inner run, whose jars are this one's."""
    monkeypatch.setenv("KAFKASTATIC_CACHE", str(cache_directory().resolve()))
    pytester.makeini(SETTINGS)
    return pytester


@pytest.mark.real_only("`pytest --kafka` is for a real one")
def test_tests_run_on_a_cluster_that_is_there(kafka, inner: pytest.Pytester) -> None:
    """What can be done there is done, the rest is skipped with its reason, and nothing is left on the cluster."""
    cluster = RealCluster(kafka.bootstrap)
    cluster.create_topic("taken")
    before = cluster.topics(), sorted(cluster.groups())
    inner.makepyfile(PROLOGUE + TESTS.replace("groups() == []", f"groups() == {cluster.groups()}"))
    result = inner.runpytest_subprocess(f"--kafka={kafka.bootstrap}", timeout=400)
    result.assert_outcomes(passed=4, skipped=5, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED * on a real Kafka, which does not tell or do this: inject()",
            "SKIPPED * on a real Kafka, which does not tell or do this: a group's generation",
            "SKIPPED * on a Kafka of 1 broker(s): the test wants 2",
            f"SKIPPED * on the Kafka at {kafka.bootstrap}, which does not behave as 3.9",
            "SKIPPED * on a running Kafka, which takes no settings: group_max_size",
        ]
    )
    refused = "CreateTopics answered TOPIC_ALREADY_EXISTS (36) for topic='taken'"
    result.stdout.fnmatch_lines([f"embedded_kafka on --kafka={kafka.bootstrap}: {refused}*"])
    assert (cluster.topics(), sorted(cluster.groups())) == before
    cluster.delete_topic("taken")


def test_the_examples_run_on_a_kafka_that_is_started(inner: pytest.Pytester) -> None:
    """Those of docs/testing.md; the leak check names the connections of its process."""
    if reason := available(DEFAULT_VERSION):
        assert os.environ.get("KAFKASTATIC_REQUIRE_KAFKA") != "1", reason
        pytest.skip(reason)
    write_examples(inner.path)
    result = inner.runpytest_subprocess("--kafka", timeout=400)
    result.assert_outcomes(passed=3, skipped=3, errors=1)
    result.stdout.fnmatch_lines(
        [
            "The test left behind:",
            "  client 'of this process' is connected from *",
            "  consumer 'billing/billing-0' is not closed",
            "  task 'worker' runs work, at *",
        ]
    )
